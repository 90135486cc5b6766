"""What was exported, brought back: the archive, the rows in it, and the organization that they make."""
