"""How Tokiflow itself is doing: database, spool, queue, clock and worker, each by itself. Never waits long."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Response, current_app
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

import tokiflow
from tokiflow.adapters.spool import SpoolFolder
from tokiflow.api import answers, moments
from tokiflow.api.operations import Answer, Operations
from tokiflow.api.shapes import Schema, maybe, moment, number, obj, text, word
from tokiflow.queries import system
from tokiflow.settings import Settings

log = structlog.get_logger()

operations = Operations("Health")

SECONDS = 2
"""How long one part may take to answer."""
_UNKNOWN: dict[str, Any] = {"status": "unknown", "age_seconds": None}
_EXAMPLE: dict[str, Any] = {
    "status": "ok",
    "database": {"status": "ok"},
    "spool": {"status": "ok", "waiting_bytes": 0},
    "queue": {"status": "ok"},
    "clock": {"status": "ok", "age_seconds": 0.6},
    "worker": {"status": "ok", "age_seconds": 1.2},
    "blind_since": None,
    "version": tokiflow.__version__,
}


@operations.get(
    "/api/health",
    "health.read",
    Answer("It takes pings; what `status` says beside `ok` needs care.", "Health", _EXAMPLE),
    more={503: Answer("Neither database nor spool can keep a ping.", "Health", _EXAMPLE | {"status": "down"})},
    public=True,
)
def show() -> Response:
    """Ask how Tokiflow is doing. 200 while it takes pings, so that load balancers go on sending them: into the
    database, or while that is away to this machine's disk (`spooling`, until all of it is in the database). 503 when
    neither is possible. Look at `status` to be warned of the rest."""
    pulse = _pulse()
    queue = "ok" if _queue_answers() else "down"
    spool = SpoolFolder(_settings().spool, _settings().secret_keys)
    takes, waiting = spool.takes(), spool.waiting()
    parts = {name: _part(pulse.ages.get(name)) if pulse else _UNKNOWN for name in ("clock", "worker")}
    well = queue == "ok" and takes and all(part["status"] == "ok" for part in parts.values())
    fine = pulse and well and pulse.blind_since is None
    down, spooling = not pulse and not takes, not pulse or waiting > 0
    body = {
        "status": "down" if down else "spooling" if spooling else "ok" if fine else "degraded",
        "database": {"status": "ok" if pulse else "down"},
        "spool": {"status": "ok" if takes else "down", "waiting_bytes": waiting},
        "queue": {"status": queue},
        **parts,
        "blind_since": moments.say(pulse.blind_since) if pulse else None,
        "version": tokiflow.__version__,
    }
    return answers.ok(body, 503 if down else 200)


def _pulse() -> system.Pulse | None:
    try:
        return system.pulse(_settings().database_url, SECONDS, moments.now())
    except SQLAlchemyError as error:
        log.warning("health_database_away", error=type(error).__name__)
        return None


def _queue_answers() -> bool:
    # A connection of its own: those of the pool wait longer than a load balancer does.
    try:
        with Redis.from_url(_settings().redis_url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS) as redis:
            return bool(redis.ping())
    except (RedisError, OSError, ValueError) as error:
        log.warning("health_queue_away", error=type(error).__name__)
        return False


def _part(age: float | None) -> dict[str, Any]:
    """A process that was never seen is as silent as one that stopped."""
    if age is None:
        return {"status": "down", "age_seconds": None}
    alive = age <= system.ALIVE_WITHIN.total_seconds()
    return {"status": "ok" if alive else "down", "age_seconds": round(age, 3)}


def _settings() -> Settings:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings


_PROCESS = obj(
    {
        "status": word(["ok", "down", "unknown"], "`unknown` while the database, where they report, is away."),
        "age_seconds": maybe(number("Since one was last alive; null if none ever was.", minimum=0)),
    }
)
SCHEMAS: dict[str, Schema] = {
    "Health": obj(
        {
            "status": word(
                ["ok", "degraded", "spooling", "down"],
                "`spooling`: pings are taken, and some wait on this machine's disk for the database.",
            ),
            "database": obj({"status": word(["ok", "down"])}),
            "spool": obj(
                {
                    "status": word(["ok", "down"], "Whether this machine's disk would take pings."),
                    "waiting_bytes": number("So much waits there to be brought into the database.", minimum=0),
                }
            ),
            "queue": obj({"status": word(["ok", "down"])}),
            "clock": _PROCESS,
            "worker": _PROCESS,
            "blind_since": maybe(moment("Since when Tokiflow can't listen; deadlines get that time back.")),
            "version": text(),
        }
    )
}
