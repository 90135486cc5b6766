"""Tokiflow watches scheduled jobs and tells the right people when one fails in silence."""

import sys

__version__ = "0.1.0"

# structlog draws tracebacks with rich where it is installed, and flask-limiter brings it along: 4.5 MB in each process,
# for colours that no log keeps. None means: not there (https://docs.python.org/3/reference/import.html#the-module-cache).
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
