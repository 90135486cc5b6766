"""PostgreSQL and Valkey out of Python wheels, run as children of `tokiflow up` and of the tests.

Only the command line and the tests import this room; the app knows nothing but two URLs.
"""
