"""What people fill in. A form only reads and shows; whether its values are good, the service decides."""
