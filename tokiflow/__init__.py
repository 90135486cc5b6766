"""Tokiflow watches scheduled jobs and tells the right people when one fails in silence."""

import sys

__version__ = "0.1.0"

# structlog draws tracebacks with rich where it is installed, and flask-limiter brings it along; `limits` loads a client
# for Valkey beside the one for Redis that we use. 7 MB in a process, for nothing. None means: not there
# (https://docs.python.org/3/reference/import.html#the-module-cache).
for _unused in ("rich", "valkey"):
    sys.modules.setdefault(_unused, None)  # type: ignore[arg-type]
