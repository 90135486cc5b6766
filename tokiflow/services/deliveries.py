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

from sqlalchemy import or_, select, update

from tokiflow import errors
from tokiflow.channels import Outside
from tokiflow.core.actors import Actor
from tokiflow.db import db, on_commit, transaction
from tokiflow.models import Delivery
from tokiflow.queue import Job, enqueue
from tokiflow.services import audit, claims, summaries, tries

RING_AGAIN = timedelta(seconds=10)
RING_AT_MOST = 500
CONCURRENT = 16
"""So many are sent side by side where no sender (services.sender) does it: then a lease is long enough for all."""


def deliver(delivery_ids: Sequence[UUID], outside: Outside, clock: Callable[[], datetime] | None = None) -> int:
    """Send those of `delivery_ids` that are due and not held by another, right here; how many were tried.

    Safe to call twice with the same ids. Slow receivers are waited for side by side.
    """
    clock = clock or (lambda: datetime.now(UTC))
    tried = 0
    for start in range(0, len(delivery_ids), CONCURRENT):
        claimed = claims.by_name(delivery_ids[start : start + CONCURRENT], clock())
        tried += len(claimed)
        if not claimed:
            continue
        with ThreadPoolExecutor(max_workers=len(claimed)) as pool:
            under_way = {pool.submit(tries.make, one, outside): one for one in claimed}
            for done in as_completed(under_way):
                if following := tries.record([(under_way[done], done.result())], clock()):
                    enqueue(Job.DELIVER, following)
    return tried


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
        if delivery.incident_id:
            summaries.leave(delivery)
        audit.record("delivery.sent_again", by, delivery.organization_id, now, object_id=delivery.id)
        on_commit(partial(enqueue, Job.DELIVER, [delivery_id]))
