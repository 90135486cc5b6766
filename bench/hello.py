"""The least that Flask can do: the yardstick for pings."""

from __future__ import annotations

from typing import Any, cast

from a2wsgi import WSGIMiddleware
from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    """A greeting."""
    return "hello"


application: Any = WSGIMiddleware(cast("Any", app), workers=16)
"""The same for a server that speaks ASGI, as asgi.py serves the pages."""
