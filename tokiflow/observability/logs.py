"""Logs: one renderer for structlog and for the libraries' own logging, and no secrets in any of it.

A line goes to stderr (stdout belongs to what a command prints): JSON in production, readable elsewhere. Each has
its time in UTC, its level, its event, and request_id and organization where they are known.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from tokiflow.observability import scrubbing

# These say too much at INFO: full URLs, every job, every connection.
QUIET = ("alembic", "botocore", "httpcore", "httpx", "sqlalchemy", "urllib3", "werkzeug")

EventDict = MutableMapping[str, Any]


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what sys.stderr is at that moment, so that a stream replaced later (pytest, gunicorn) is used."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        raise AttributeError("this handler always writes to sys.stderr")


def configure(environment: str, level: str = "INFO") -> None:
    """Send all logging through one renderer. May be called again; the last call counts."""
    handler = _Stderr()
    handler.setFormatter(_formatter(environment))
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if not isinstance(other, _Stderr)] + [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_shared(),
            structlog.processors.StackInfoRenderer(),
            _hand_over,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # Loggers are made at import, before the settings are known: they must see this configuration, and the next.
        cache_logger_on_first_use=False,
    )


def _shared() -> list[Any]:
    return [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(environment: str) -> logging.Formatter:
    production = environment == "production"
    renderer = structlog.processors.JSONRenderer(sort_keys=False) if production else _readable()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.contextvars.merge_contextvars, *_shared()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
    )


def _readable() -> structlog.dev.ConsoleRenderer:
    colours = sys.stderr is not None and (sys.stderr.isatty() or bool(os.environ.get("FORCE_COLOR")))
    return structlog.dev.ConsoleRenderer(
        colors=colours and not os.environ.get("NO_COLOR"), pad_event_to=30, sort_keys=False
    )


def redact(logger: Any, method: str, event: EventDict) -> Mapping[str, Any]:
    """A structlog processor: every text in the event without secrets. The timestamp and level are our own."""
    scrubbed: Mapping[str, Any] = scrubbing.value(event)
    return scrubbed


def _hand_over(logger: Any, method: str, event: EventDict) -> tuple[tuple[EventDict], dict[str, Any]]:
    """Pass the event to standard logging, with its exception where other handlers (Sentry's) look for it."""
    args, kwargs = structlog.stdlib.ProcessorFormatter.wrap_for_formatter(logger, method, event)
    return args, {**kwargs, "exc_info": event.get("exc_info")}
