"""Mails that are no alerts: a question to a new address, a notice to an owner.

A letter's row is the promise, made in the transaction of what it tells about; the queue is only the doorbell, and the
clock rings again. Whoever mails it is services.mailing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, delete, or_, select, update

from tokiflow.core import ids
from tokiflow.db import at_end, changed, db, on_commit, transaction
from tokiflow.models import Letter
from tokiflow.queue import Job, enqueue

log = structlog.get_logger()

RING_AGAIN = timedelta(seconds=10)
RING_AT_MOST = 100
RING_FOR = 10
KEPT = timedelta(days=30)


def post(
    template: str, to: str, subject: str, context: Mapping[str, Any], organization_id: UUID | None, now: datetime
) -> UUID:
    """Promise a mail of `mail/<template>` in the caller's transaction; its id.

    context: JSON without secrets. The template also finds `public_url`, to put before paths.
    """
    with transaction():
        letter = Letter(
            id=ids.new(), organization_id=organization_id, template=template, to_address=to, subject=subject,
            context=dict(context), status="pending", attempts=0, next_attempt_at=now, rung_at=now, created_at=now,
        )  # fmt: skip
        db.session.add(letter)
        at_end(_ring_for, letter.id)
    return letter.id


def ring(now: datetime) -> int:
    """Ring again for letters that are due and that nobody is mailing; how many. The clock calls this."""
    with transaction():
        waiting = (
            select(Letter.id)
            .where(
                due(now),
                or_(
                    Letter.rung_at.is_(None),
                    Letter.rung_at <= now - RING_AGAIN,
                    Letter.rung_at < Letter.next_attempt_at,
                ),
            )
            .order_by(Letter.next_attempt_at)
            .limit(RING_AT_MOST)
            .with_for_update(skip_locked=True)
            # A subquery may be carried out more than once, and then take more than it may.
            .cte("due")
        )
        rung = list(
            db.session.execute(
                update(Letter)
                .where(Letter.id.in_(select(waiting)))
                .values(rung_at=now)
                .returning(Letter.id)
                .execution_options(synchronize_session=False)
            ).scalars()
        )
        _ring_for(rung)
    return len(rung)


def _ring_for(letter_ids: Sequence[UUID]) -> None:
    for start in range(0, len(letter_ids), RING_FOR):
        on_commit(partial(enqueue, Job.MAIL_LETTERS, letter_ids[start : start + RING_FOR]))


def take_back(*letter_ids: UUID | None) -> None:
    """Don't send them any more, unless they are on their way. Twice, or too late, is no harm."""
    wanted = [one for one in letter_ids if one is not None]
    if not wanted:
        return
    waiting = Letter.id.in_(wanted), Letter.status == "pending"
    with transaction():
        changed(update(Letter).where(*waiting).values(status="dead", last_error="it was taken back", lease_until=None))


def forget(now: datetime) -> None:
    """Drop letters that are long over."""
    with transaction():
        over = Letter.created_at < now - KEPT, Letter.status != "pending"
        db.session.execute(delete(Letter).where(*over))


def due(now: datetime) -> ColumnElement[bool]:
    """Whether a letter is to be mailed by `now`, and nobody is at it."""
    return (
        (Letter.status == "pending")
        & (Letter.next_attempt_at <= now)
        & or_(Letter.lease_until.is_(None), Letter.lease_until <= now)
    )
