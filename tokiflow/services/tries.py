"""One try to send a delivery, and what came of many, written down in sets."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import text

from tokiflow import channels, errors
from tokiflow.adapters import http
from tokiflow.channels import Outside, Receipt
from tokiflow.core import alerting
from tokiflow.db import by_index, db, transaction
from tokiflow.services import briefings, delivery_counts, disablings, messages, summaries
from tokiflow.services.claims import Claimed

log = structlog.get_logger()

RESPONSE_LIMIT = 2_000
SEEN_WITHIN = timedelta(seconds=1)
"""When a channel last delivered is written down once a second: in a storm, all write to the same row."""


@dataclass(frozen=True)
class Result:
    """What came of one try."""

    took: timedelta
    receipt: Receipt | None = None
    error: errors.DeliveryError | None = None

    def bare(self) -> Result:
        """The same without what the other side said."""
        if self.error is None:
            return Result(self.took, Receipt())
        said = f"what went wrong could not be written down: {type(self.error).__name__}"
        return Result(self.took, error=errors.DeliveryError(said, permanent=self.error.permanent))


def make(one: Claimed, outside: Outside) -> Result:
    """Send it, in `alerting.TRY_LIMIT` at most. Whatever goes wrong is a result, never an exception: one delivery can't
    take others with it."""
    began = time.monotonic()

    def took() -> timedelta:
        return timedelta(seconds=time.monotonic() - began)

    try:
        message = messages.of(one, outside.public_url)
        with http.within(alerting.TRY_LIMIT.total_seconds()):
            receipt = channels.get(one.channel_kind).send(one.config, message, outside)
    except errors.DeliveryError as error:
        return Result(took(), error=error)
    except Exception as error:
        log.exception("delivery_crashed", delivery=str(one.id), channel=one.channel_kind)
        said = f"Tokiflow could not make this message: {type(error).__name__}"
        return Result(took(), error=errors.DeliveryError(said))
    return Result(took(), receipt)


def record(made: Sequence[tuple[Claimed, Result]], now: datetime) -> list[UUID]:
    """Write down what came of these tries; the deliveries that waited for one of them and may go now.

    A handful of statements, whatever their number. May be called again with the same if it failed.
    """
    with transaction():
        by_index()
        standing = {row.id: row for row in db.session.execute(_LOCK, {"ids": [one.id for one, _ in made]})}
        there = [(one, result) for one, result in made if one.id in standing]
        if not there:
            return []
        _write_attempts(there)
        ends = [_end(one, result, standing[one.id], now) for one, result in there]
        _execute(_WRITE_DELIVERIES, ends)
        summaries.ended([end for (one, _), end in zip(there, ends, strict=True) if one.alert_kind == "summary"], now)
        over = [end["id"] for end in ends if end["status"] in ("sent", "dead")]
        following = _woken(over, now)
        written = _execute(_WRITE_CHANNELS, _channels(there), now=now, lately=now - SEEN_WITHIN)
        disablings.announce({row.id for row in written if row.disabled} - _only_tested(there), now)
        for one, result in there:
            briefings.learn(one.organization_id, _answer(result).refused, now)
    _log(there, ends)
    delivery_counts.count(there, ends, now)
    return following


def _answer(result: Result) -> Receipt | errors.DeliveryError:
    answer = result.receipt or result.error
    assert answer is not None
    return answer


_LOCK = text("""
    select id, status, attempts, lease_until from deliveries
    where id = any(cast(:ids as uuid[])) order by id for no key update
""")

_WRITE_ATTEMPTS = text("""
    update attempts set ok = v.ok, duration_ms = v.ms, status_code = v.code, response = v.response, error = v.error
    from json_to_recordset(cast(:rows as json)) as v (
        id uuid, n integer, ok boolean, ms integer, code integer, response text, error text)
    where attempts.delivery_id = v.id and attempts.n = v.n
""")


def _write_attempts(made: Sequence[tuple[Claimed, Result]]) -> None:
    rows = [
        {
            "id": one.id,
            "n": one.attempt,
            "ok": result.error is None,
            "ms": round(result.took / timedelta(milliseconds=1)),
            "code": _answer(result).status_code,
            "response": _plain(_answer(result).response)[:RESPONSE_LIMIT],
            "error": _plain(result.error.message) if result.error else "",
        }
        for one, result in made
    ]
    _execute(_WRITE_ATTEMPTS, rows)


_WRITE_DELIVERIES = text("""
    update deliveries d
    set status = v.status, sent_at = coalesce(v.sent_at, d.sent_at), last_error = v.error,
        next_attempt_at = coalesce(v.again_at, d.next_attempt_at), lease_until = null, memory = d.memory || v.memory
    from json_to_recordset(cast(:rows as json)) as v (
        id uuid, status text, sent_at timestamptz, error text, again_at timestamptz, memory jsonb)
    where d.id = v.id
""")


def _end(one: Claimed, result: Result, standing: Any, now: datetime) -> dict[str, Any]:
    """How the delivery stands after this try."""
    end = {
        "id": one.id,
        "status": standing.status,
        "sent_at": None,
        "error": "",
        "again_at": None,
        "memory": dict(_answer(result).memory),
    }
    if result.error is None:
        return {**end, "status": "sent", "sent_at": now}
    end["error"] = _plain(result.error.message) if standing.status != "sent" else ""
    if standing.status == "pending":
        end["again_at"] = _again(result.error, standing.attempts, now)
        end["status"] = "dead" if end["again_at"] is None else "pending"
    return end


def _again(error: errors.DeliveryError, attempts: int, now: datetime) -> datetime | None:
    return None if error.permanent else alerting.next_try(now, attempts, random.random(), error.retry_after)


def _woken(over: Sequence[UUID], now: datetime) -> list[UUID]:
    """What waited for one of these, which are over: it may go now."""
    later = list(db.session.execute(_LATER, {"over": over}).scalars()) if over else []
    return list(db.session.execute(_WAKE, {"ids": later, "now": now}).scalars()) if later else []


_LATER = text("""
    select later.id from deliveries d
        join deliveries later on later.incident_id = d.incident_id and later.channel_id = d.channel_id
    where d.id = any(cast(:over as uuid[])) and later.id > d.id
    union all
    select later.id from deliveries d
        join deliveries later on later.summary_id = d.summary_id and later.incident_id is null
    where d.id = any(cast(:over as uuid[])) and d.incident_id is null and later.id > d.id
""")
"""News about the same incident to the same channel, and the next messages of the same summary."""

_WAKE = text("""
    update deliveries set next_attempt_at = :now, rung_at = :now
    where id = any(cast(:ids as uuid[])) and status = 'pending' and attempts = 0 and lease_until is null
    returning id
""")

_WRITE_CHANNELS = text("""
    with told as (
        select * from json_to_recordset(cast(:rows as json)) as v (
            id uuid, delivered boolean, error text, permanent boolean)
    ), locked as (
        select c.id, c.enabled from channels c join told on told.id = c.id
        where c.last_error <> told.error or told.permanent
            or (told.delivered and (c.last_delivery_at is null or c.last_delivery_at < :lately))
        order by c.id for no key update of c
    )
    update channels c
    set last_delivery_at = case when told.delivered then :now else c.last_delivery_at end, last_error = told.error,
        enabled = c.enabled and not told.permanent,
        disabled_reason = case when told.permanent then told.error else c.disabled_reason end
    from told join locked on locked.id = told.id
    where c.id = told.id
    returning c.id, locked.enabled and told.permanent as disabled
""")
"""In the order of their ids and last of all, so that workers never wait for each other in a ring, and not for long."""


def _channels(made: Sequence[tuple[Claimed, Result]]) -> list[dict[str, Any]]:
    """What each channel is to remember: the last result counts, and a permanent error in any case."""
    found: dict[UUID, dict[str, Any]] = {}
    for one, result in made:
        told = found.setdefault(one.channel_id, {"id": one.channel_id, "delivered": False, "permanent": False})
        told["delivered"] |= result.error is None
        if not told["permanent"]:
            told["error"] = _plain(result.error.message) if result.error else ""
            told["permanent"] = bool(result.error and result.error.permanent)
    return list(found.values())


def _only_tested(made: Sequence[tuple[Claimed, Result]]) -> set[UUID]:
    """Channels to which nothing but a test was sent: whoever pressed the button sees what came of it."""
    return {one.channel_id for one, _ in made} - {one.channel_id for one, _ in made if one.alert_kind != "test"}


def _execute(statement: Any, rows: Sequence[dict[str, Any]], **more: Any) -> Any:
    """The result of `statement`, which takes `rows` as one parameter."""
    return db.session.execute(statement, {"rows": orjson.dumps(rows).decode(), **more})


def _plain(said: str) -> str:
    """Without what PostgreSQL can't keep in a text."""
    return said.replace("\x00", "").encode("utf-8", "replace").decode()


def _log(made: Sequence[tuple[Claimed, Result]], ends: Sequence[dict[str, Any]]) -> None:
    for (one, result), end in zip(made, ends, strict=True):
        if result.error:
            dead = end["status"] == "dead"
            log.warning("delivery_failed", delivery=str(one.id), channel=str(one.channel_id), dead=dead)
    log.info("deliveries_tried", number=len(made), sent=sum(result.error is None for _, result in made))
