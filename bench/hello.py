"""The least that Flask can do: the yardstick for pings."""

from __future__ import annotations

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    """A greeting."""
    return "hello"
