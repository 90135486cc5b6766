"""The outbox: claim, send with no transaction open, record. At least once, and then with the same key.

A delivery's row is the promise. Whoever holds its lease may send it; when a worker dies between "sent" and
"recorded" the lease runs out and it is sent again, with the same deduplication key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Select, or_, select, update

from tokiflow import errors
from tokiflow.channels import Outside
from tokiflow.core.actors import Actor
from tokiflow.db import db, on_commit, transaction
from tokiflow.models import Delivery
from tokiflow.queries import undelivered
from tokiflow.queries.undelivered import Filter
from tokiflow.queue import Job, enqueue
from tokiflow.services import audit, claims, delivery_counts, endings, summaries, tries
from tokiflow.services.claims import Claimed

RING_AGAIN = timedelta(seconds=10)
RING_AT_MOST = 500
CONCURRENT = 16
"""So many are sent side by side where no sender (services.sender) does it: then a lease is long enough for all."""


def _clock() -> datetime:
    return datetime.now(UTC)


def deliver(delivery_ids: Sequence[UUID], outside: Outside, clock: Callable[[], datetime] = _clock) -> int:
    """Send those of `delivery_ids` that are due and not held by another, right here; how many were tried.

    Safe to call twice with the same ids. Slow receivers are waited for side by side.
    """
    tried = 0
    for start in range(0, len(delivery_ids), CONCURRENT):
        claimed = claims.by_name(delivery_ids[start : start + CONCURRENT], clock())
        tried += len(claimed)
        send(claimed, outside, clock)
    delivery_counts.save()
    return tried


def send(claimed: Sequence[Claimed], outside: Outside, clock: Callable[[], datetime] = _clock) -> None:
    """Make these tries side by side, and write down what comes of each when it is there."""
    if not claimed:
        return
    with ThreadPoolExecutor(max_workers=len(claimed)) as pool:
        under_way = {pool.submit(tries.make, one, outside): one for one in claimed}
        for done in as_completed(under_way):
            if following := tries.record([(under_way[done], done.result())], clock()):
                enqueue(Job.DELIVER, following)


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
        if rung:
            on_commit(partial(enqueue, Job.DELIVER, rung))
    return len(rung)


def send_again(organization_id: UUID, which: undelivered.Filter, by: Actor, now: datetime) -> int:
    """Take up again what the organization was to be told and was given up; how many.

    Each keeps its deduplication key and has all its tries before it. If what it tells of is over by now, its end
    follows. Raises Conflict when none of them is dead: they were sent, or are on their way.
    """
    with transaction():
        taken = _take_up(undelivered.ids(organization_id, which), now)
        if not taken:
            raise errors.Conflict("Only a delivery that was given up can be sent again.")
        only = taken[0] if len(taken) == 1 else which.channel_id
        audit.record("delivery.sent_again", by, organization_id, now, object_id=only, after={"deliveries": len(taken)})
        ends = endings.promise(taken, now)
        taken += _take_up(undelivered.ids(organization_id, Filter(ids=ends)), now) if ends else []
        on_commit(partial(enqueue, Job.DELIVER, sorted(taken)[:RING_AT_MOST]))
    return len(taken)


def _take_up(which: Select[UUID], now: datetime) -> list[UUID]:
    """Those of `which` are promised anew; their ids."""
    chosen = which.order_by(Delivery.id).with_for_update(of=Delivery).cte("chosen")
    again = {"status": "pending", "attempts": 0, "next_attempt_at": now, "rung_at": now, "waits_for_host": ""}
    statement = (
        update(Delivery)
        .where(Delivery.id.in_(select(chosen)))
        .values(again | summaries.left())
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    return list(db.session.execute(statement).scalars())
