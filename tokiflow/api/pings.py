"""Pings of programs that have a key. Jobs have their ping address, which needs none and works without a database."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

from flask import Response, current_app, request

from tokiflow import errors
from tokiflow.api import access, answers, bodies, moments
from tokiflow.api.operations import V1, Answer, Body, Operations, Scope
from tokiflow.core import rates, redaction, signals
from tokiflow.core.names import Refused
from tokiflow.core.signals import Ping
from tokiflow.models import Monitor
from tokiflow.services import pings
from tokiflow.settings import Settings

operations = Operations("Pings")

FIELDS = ("signal", "exit_code", "duration_seconds", "rid", "message")
LONGEST_MESSAGE = 1_000


@operations.post(
    f"{V1}/monitors/<monitor_id>/pings",
    "pings.send",
    {201: Answer("It counts.", "PingSent", {"signal": "success", "at": "2026-11-20T01:02:11.500Z"})},
    scope=Scope.PING,
    body=Body("NewPing", {"signal": "success", "duration_seconds": 131.5}, required=False),
    problems=frozenset({429}),
)
def send(monitor_id: str) -> Response:
    """Send a ping. Without a body it says that the job succeeded; an `exit_code` other than 0 makes it a failure."""
    monitor = access.monitor(monitor_id)
    ping = _ping(bodies.only(bodies.read(required=False), FIELDS, (), "a ping"))
    _record(monitor, ping)
    return answers.created({"signal": ping.signal.value, "at": moments.say(ping.at)}, f"{V1}/monitors/{monitor_id}")


def _record(monitor: Monitor, ping: Ping) -> None:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    (outcome,) = pings.record([pings.Incoming(monitor.token, ping)], ping.at, rates.parse(settings.ping_rate))
    if isinstance(outcome, Refused):
        if outcome.status == errors.RateLimited.status:
            raise errors.RateLimited("This monitor gets pings too often.", outcome.retry_after or 60)
        raise errors.NotFound


def _ping(said: dict[str, Any]) -> Ping:
    """The ping that these words say. Raises Invalid naming every bad field."""
    mistakes: dict[str, list[str]] = {}
    state = said.get("signal")
    if state is not None and state not in [one.value for one in signals.Signal]:
        mistakes["signal"] = ["is unknown; write start, success, fail or log"]
    code = said.get("exit_code")
    if code is not None and (not _is_whole(code) or not 0 <= code <= 255):
        mistakes["exit_code"] = ["is no exit code; write a whole number from 0 to 255"]
    duration = said.get("duration_seconds")
    if duration is not None and (not _is_number(duration) or not 0 <= duration * 1000 <= signals.LONGEST_MS):
        mistakes["duration_seconds"] = ["is no duration; write seconds, from 0 to 31622400"]
    message = said.get("message")
    if message is not None and not isinstance(message, str):
        mistakes["message"] = ["is no text; write a short sentence"]
    rid = _rid(said.get("rid"))
    if said.get("rid") is not None and rid is None:
        mistakes["rid"] = ["is no run id; write a UUID, the same for all pings of a run"]
    if mistakes:
        raise errors.Invalid(mistakes)
    return Ping(
        signal=signals.decide(state, code),
        at=moments.now(),
        rid=rid,
        exit_code=code,
        duration_ms=None if duration is None else round(duration * 1000),
        message=" ".join(redaction.redact_text(message or "").split())[:LONGEST_MESSAGE],
        method="POST",
        source=(request.remote_addr or "")[:60],
        user_agent=request.headers.get("User-Agent", "")[:200].replace("\x00", ""),
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return (_is_whole(value) or isinstance(value, float)) and math.isfinite(value)  # type: ignore[arg-type]


def _rid(text: object) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) and len(text) in (32, 36) else None
    except ValueError:
        return None
