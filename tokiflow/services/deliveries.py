"""The outbox: claim, send with no transaction open, record. At least once, and then with the same key.

A delivery's row is the promise. Whoever holds its lease may send it; when a worker dies between "sent" and
"recorded" the lease runs out and it is sent again, with the same deduplication key.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import insert, or_, select, update
from sqlalchemy.orm import aliased

from tokiflow import channels, errors
from tokiflow.channels import Message, Outside, Receipt
from tokiflow.core import alerting, ids
from tokiflow.core.actors import Actor
from tokiflow.db import db, on_commit, transaction
from tokiflow.models import Alert, Attempt, Channel, Delivery
from tokiflow.queue import Job, enqueue
from tokiflow.services import audit, briefings, disablings

log = structlog.get_logger()

INTERRUPTED = "The try was interrupted before its result was known; it is made again."
RING_AGAIN = timedelta(seconds=10)
RING_AT_MOST = 500
CONCURRENT = 16


@dataclass(frozen=True)
class Claimed:
    """A delivery that is ours for the length of a lease, with all that sending takes copied out."""

    id: UUID
    attempt: int
    channel_id: UUID
    channel_kind: str
    config: dict[str, Any]
    message: Message


@dataclass(frozen=True)
class Result:
    """What came of one try."""

    took: timedelta
    receipt: Receipt | None = None
    error: errors.DeliveryError | None = None


def deliver(delivery_ids: Sequence[UUID], outside: Outside, clock: Callable[[], datetime] | None = None) -> int:
    """Send those of `delivery_ids` that are due and not held by another; how many were tried.

    Safe to call twice with the same ids. Slow receivers are waited for side by side.
    """
    clock = clock or (lambda: datetime.now(UTC))
    claimed = claim(delivery_ids, outside.public_url, clock())
    if not claimed:
        return 0
    with ThreadPoolExecutor(max_workers=min(CONCURRENT, len(claimed))) as pool:
        under_way = {pool.submit(_send, one, outside): one for one in claimed}
        for done in as_completed(under_way):
            _record(under_way[done], done.result(), clock())
    return len(claimed)


def claim(delivery_ids: Sequence[UUID], public_url: str, now: datetime) -> list[Claimed]:
    """Take the lease on those of `delivery_ids` that are to be sent now.

    A delivery waits for earlier ones of its incident to the same channel: a recovery never overtakes its trouble.
    """
    with transaction():
        rows = db.session.execute(
            update(Delivery)
            .where(Delivery.id.in_(_claimable(delivery_ids, now)))
            .values(lease_until=now + alerting.LEASE, attempts=Delivery.attempts + 1)
            .returning(Delivery.id)
            .execution_options(synchronize_session=False)
        ).scalars()
        found = _with_content(list(rows))
        listeners = {
            row.channel_id: briefings.Listener(row.channel_id, row.organization_id, row.channel_kind, row.config)
            for row in found
        }
        briefed = briefings.of(list(listeners.values()), now)
        return [_copied_out(row, briefed.get(row.channel_id, {}), public_url, now) for row in found]


def ring(now: datetime) -> int:
    """Ring again for deliveries that are due and that nobody is sending; how many. The clock calls this."""
    with transaction():
        due = (
            select(Delivery.id)
            .where(
                Delivery.status == "pending",
                Delivery.next_attempt_at <= now,
                or_(Delivery.lease_until.is_(None), Delivery.lease_until <= now),
                or_(
                    Delivery.rung_at.is_(None),
                    Delivery.rung_at <= now - RING_AGAIN,
                    Delivery.rung_at < Delivery.next_attempt_at,
                ),
            )
            .order_by(Delivery.next_attempt_at)
            .limit(RING_AT_MOST)
            .with_for_update(skip_locked=True)
            # A subquery may be carried out more than once, and then take more than it may.
            .cte("due")
        )
        rung = list(
            db.session.execute(
                update(Delivery)
                .where(Delivery.id.in_(select(due)))
                .values(rung_at=now)
                .returning(Delivery.id)
                .execution_options(synchronize_session=False)
            ).scalars()
        )
        for start in range(0, len(rung), 50):
            on_commit(partial(enqueue, Job.DELIVER, rung[start : start + 50]))
    return len(rung)


def send_again(delivery_id: UUID, by: Actor, now: datetime) -> None:
    """Take a dead delivery up again. Raises Conflict for one that was sent or is on its way."""
    with transaction():
        delivery = db.session.get(Delivery, delivery_id, with_for_update=True)
        if delivery is None:
            raise errors.NotFound
        if delivery.status != "dead":
            raise errors.Conflict("Only a delivery that was given up can be sent again.")
        delivery.status, delivery.next_attempt_at, delivery.rung_at = "pending", now, now
        delivery.attempts = 0
        audit.record("delivery.sent_again", by, delivery.organization_id, now, object_id=delivery.id)
        on_commit(partial(enqueue, Job.DELIVER, [delivery_id]))


def _claimable(delivery_ids: Sequence[UUID], now: datetime) -> Any:
    earlier = aliased(Delivery)
    waits = (
        select(earlier.id)
        .where(
            earlier.incident_id == Delivery.incident_id,
            earlier.channel_id == Delivery.channel_id,
            earlier.id < Delivery.id,
            earlier.status == "pending",
        )
        .exists()
    )
    return (
        select(Delivery.id)
        .where(
            Delivery.id.in_(delivery_ids),
            Delivery.status == "pending",
            Delivery.next_attempt_at <= now,
            or_(Delivery.lease_until.is_(None), Delivery.lease_until <= now),
            ~waits,
        )
        .with_for_update(skip_locked=True)
    )


def _with_content(delivery_ids: Sequence[UUID]) -> Sequence[Any]:
    if not delivery_ids:
        return []
    return db.session.execute(
        select(
            Delivery.id,
            Delivery.attempts,
            Delivery.organization_id,
            Delivery.memory,
            Delivery.channel_id,
            Channel.kind.label("channel_kind"),
            Channel.config,
            Alert.kind.label("alert_kind"),
            Alert.incident_id,
            Alert.content,
        )
        .join(Alert, Alert.id == Delivery.alert_id)
        .join(Channel, Channel.id == Delivery.channel_id)
        .where(Delivery.id.in_(delivery_ids))
    ).all()


def _copied_out(row: Any, briefing: dict[str, Any], public_url: str, now: datetime) -> Claimed:
    # Written before sending: if we die now, the page says so instead of showing nothing.
    n = _next_attempt_number(row.id)
    db.session.execute(
        insert(Attempt).values(delivery_id=row.id, n=n, at=now, duration_ms=0, ok=False, response="", error=INTERRUPTED)
    )
    config = {**row.config, **briefing}
    return Claimed(row.id, n, row.channel_id, row.channel_kind, config, _message(row, public_url, now))


def _next_attempt_number(delivery_id: UUID) -> int:
    latest = select(Attempt.n).where(Attempt.delivery_id == delivery_id).order_by(Attempt.n.desc()).limit(1)
    return (db.session.execute(latest).scalar_one_or_none() or 0) + 1


def _message(row: Any, public_url: str, now: datetime) -> Message:
    content = dict(row.content)
    incident = ids.public("inc", row.incident_id) if row.incident_id else ""
    monitor = content.pop("monitor", "")
    return Message(
        kind=row.alert_kind,
        dedup_key=ids.public("dlv", row.id),
        thread_key=incident or ids.public("dlv", row.id),
        monitor_id=monitor,
        monitor_url=f"{public_url}/app/monitors/{monitor}" if monitor else f"{public_url}/app/monitors",
        incident_id=incident,
        incident_url=f"{public_url}/app/incidents/{incident}" if incident else f"{public_url}/app/channels",
        opened_at=datetime.fromisoformat(content.pop("opened_at")),
        resolved_at=_moment(content.pop("resolved_at", None)),
        sent_at=now,
        tags=tuple(content.pop("tags", ())),
        last_lines=tuple(content.pop("last_lines", ())),
        memory=row.memory,
        runs=tuple((outcome, height) for outcome, height in content.pop("runs", ())),
        **content,
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _send(one: Claimed, outside: Outside) -> Result:
    """One try. Whatever goes wrong is a result, never an exception: one delivery can't take others with it."""
    began = time.monotonic()

    def took() -> timedelta:
        return timedelta(seconds=time.monotonic() - began)

    try:
        receipt = channels.get(one.channel_kind).send(one.config, one.message, outside)
    except errors.DeliveryError as error:
        return Result(took(), error=error)
    except Exception as error:
        log.exception("delivery_crashed", delivery=str(one.id), channel=one.channel_kind)
        return Result(
            took(), error=errors.DeliveryError(f"Tokiflow could not make this message: {type(error).__name__}")
        )
    return Result(took(), receipt)


def _record(one: Claimed, result: Result, now: datetime) -> None:
    with transaction():
        delivery = db.session.get(Delivery, one.id, with_for_update=True, populate_existing=True)
        if delivery is None:
            return
        delivery.lease_until = None
        _record_attempt(one, result)
        answer = result.receipt or result.error
        if answer is not None:
            delivery.memory = {**delivery.memory, **answer.memory}
            briefings.learn(delivery.organization_id, answer.refused, now)
        if result.error is None:
            _record_sent(delivery, now)
        elif delivery.status != "sent":
            _record_failure(one, delivery, result.error, now)


def _record_attempt(one: Claimed, result: Result) -> None:
    answer: Receipt | errors.DeliveryError | None = result.receipt or result.error
    db.session.execute(
        update(Attempt)
        .where(Attempt.delivery_id == one.id, Attempt.n == one.attempt)
        .values(
            ok=result.error is None,
            duration_ms=round(result.took / timedelta(milliseconds=1)),
            status_code=answer.status_code if answer else None,
            response=(answer.response if answer else "")[:2_000].replace("\x00", ""),
            error=result.error.message.replace("\x00", "") if result.error else "",
        )
    )


def _record_sent(delivery: Delivery, now: datetime) -> None:
    delivery.status, delivery.sent_at, delivery.last_error = "sent", now, ""
    db.session.execute(
        update(Channel).where(Channel.id == delivery.channel_id).values(last_delivery_at=now, last_error="")
    )
    log.info("delivery_sent", delivery=str(delivery.id), channel=str(delivery.channel_id))
    _ring_for_followers(delivery)


def _record_failure(one: Claimed, delivery: Delivery, error: errors.DeliveryError, now: datetime) -> None:
    delivery.last_error = error.message
    again = None if error.permanent else alerting.next_try(now, delivery.attempts, random.random(), error.retry_after)
    if again is None:
        delivery.status = "dead"
        _ring_for_followers(delivery)
    else:
        delivery.next_attempt_at = again
    values: dict[str, Any] = {"last_error": error.message}
    if error.permanent:
        values |= {"enabled": False, "disabled_reason": error.message}
    was_enabled = select(Channel.enabled).where(Channel.id == delivery.channel_id).with_for_update()
    enabled = db.session.execute(was_enabled).scalar_one()
    db.session.execute(update(Channel).where(Channel.id == delivery.channel_id).values(values))
    if error.permanent and enabled and one.message.kind != "test":
        disablings.announce([delivery.channel_id], now)
    log.warning("delivery_failed", delivery=str(delivery.id), attempts=delivery.attempts, dead=again is None)


def _ring_for_followers(delivery: Delivery) -> None:
    """Whatever waited for this delivery may go now."""
    if delivery.incident_id is None:
        return
    waiting = db.session.execute(
        select(Delivery.id).where(
            Delivery.incident_id == delivery.incident_id,
            Delivery.channel_id == delivery.channel_id,
            Delivery.id > delivery.id,
            Delivery.status == "pending",
        )
    ).scalars()
    followers = list(waiting)
    if followers:
        on_commit(partial(enqueue, Job.DELIVER, followers))
