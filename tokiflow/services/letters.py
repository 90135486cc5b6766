"""Mails that are no alerts: a question to a new address, a notice to an owner.

A letter's row is the promise, made in the transaction of what it tells about; the queue is only the doorbell, and the
clock rings again. At least once, and then with the same Message-ID. What opens a door is not kept: a template that
needs a signed link gets it at the moment of sending (`_SECRETS`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, delete, or_, select, update

from tokiflow import errors
from tokiflow.channels import Outside
from tokiflow.channels import letters as writing
from tokiflow.core import alerting, ids
from tokiflow.db import at_end, changed, db, on_commit, transaction
from tokiflow.models import Letter
from tokiflow.queue import Job, enqueue
from tokiflow.services import bounces, mail_links

log = structlog.get_logger()

AT_ONCE = 10
"""So many are claimed together and mailed one after another."""
LEASE = timedelta(minutes=3)
"""Longer than AT_ONCE mails take at worst (adapters.mail.TIME_LIMIT each)."""
RING_AGAIN = timedelta(seconds=10)
RING_AT_MOST = 100
GIVEN_UP_AFTER = timedelta(days=1)
KEPT = timedelta(days=30)

_SECRETS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "confirm": lambda context: {
        "path": mail_links.confirm(UUID(context["recipient_id"]), datetime.fromisoformat(context["asked_at"]))
    },
    "invitation": lambda context: {"path": mail_links.invitation(UUID(context["invitation_id"]), context["nonce"])},
}
"""By template: from the context that is kept, what is added to it when the mail is written."""


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


def mail(letter_ids: Sequence[UUID], outside: Outside, clock: Callable[[], datetime] | None = None) -> int:
    """Mail those of `letter_ids` that are due and held by nobody; how many were tried. Safe to call twice."""
    clock = clock or (lambda: datetime.now(UTC))
    tried = 0
    for start in range(0, len(letter_ids), AT_ONCE):
        for one in _claim(letter_ids[start : start + AT_ONCE], clock()):
            tried += 1
            try:
                outside.mailer.send(_written(one, outside, clock()))
            except errors.DeliveryError as error:
                _record_failure(one, error, clock())
            except Exception as error:
                log.exception("letter_crashed", letter=str(one.id), template=one.template)
                said = f"Tokiflow could not write this letter: {type(error).__name__}"
                _record_failure(one, errors.DeliveryError(said), clock())
            else:
                _record_sent(one, clock())
    return tried


def ring(now: datetime) -> int:
    """Ring again for letters that are due and that nobody is mailing; how many. The clock calls this."""
    with transaction():
        due = (
            select(Letter.id)
            .where(
                _due(now),
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
                .where(Letter.id.in_(select(due)))
                .values(rung_at=now)
                .returning(Letter.id)
                .execution_options(synchronize_session=False)
            ).scalars()
        )
        _ring_for(rung)
    return len(rung)


def _ring_for(letter_ids: Sequence[UUID]) -> None:
    for start in range(0, len(letter_ids), AT_ONCE):
        on_commit(partial(enqueue, Job.MAIL_LETTERS, letter_ids[start : start + AT_ONCE]))


def take_back(letter_id: UUID | None) -> None:
    """Don't send it any more, unless it is on its way. Twice, or too late, is no harm."""
    if letter_id is None:
        return
    waiting = Letter.id == letter_id, Letter.status == "pending"
    with transaction():
        changed(update(Letter).where(*waiting).values(status="dead", last_error="it was taken back", lease_until=None))


def forget(now: datetime) -> None:
    """Drop letters that are long over."""
    with transaction():
        over = Letter.created_at < now - KEPT, Letter.status != "pending"
        db.session.execute(delete(Letter).where(*over))


def _due(now: datetime) -> ColumnElement[bool]:
    return (
        (Letter.status == "pending")
        & (Letter.next_attempt_at <= now)
        & or_(Letter.lease_until.is_(None), Letter.lease_until <= now)
    )


def _claim(letter_ids: Sequence[UUID], now: datetime) -> Sequence[Any]:
    """Take the lease on those that are due: all that sending takes, copied out."""
    free = select(Letter.id).where(Letter.id.in_(letter_ids), _due(now)).with_for_update(skip_locked=True)
    with transaction():
        return db.session.execute(
            update(Letter)
            .where(Letter.id.in_(free))
            .values(lease_until=now + LEASE, attempts=Letter.attempts + 1)
            .returning(
                Letter.id, Letter.organization_id, Letter.template, Letter.to_address, Letter.subject, Letter.context,
                Letter.attempts, Letter.created_at,
            )
            .execution_options(synchronize_session=False)
        ).all()  # fmt: skip


def _written(one: Any, outside: Outside, now: datetime) -> EmailMessage:
    secrets = _SECRETS[one.template](one.context) if one.template in _SECRETS else {}
    return writing.compose(
        one.template,
        sender=outside.email_from,
        to=[one.to_address],
        subject=one.subject,
        context={"public_url": outside.public_url, **one.context, **secrets},
        sent_at=now,
        headers={
            "Message-ID": writing.identifier(f"letter {one.id}", outside.email_from),
            "X-Auto-Response-Suppress": "All",
        },
    )


def _record_sent(one: Any, now: datetime) -> None:
    with transaction():
        values = {"status": "sent", "sent_at": now, "lease_until": None, "last_error": ""}
        db.session.execute(update(Letter).where(Letter.id == one.id).values(values))
    log.info("letter_sent", letter=str(one.id), template=one.template)


def _record_failure(one: Any, error: errors.DeliveryError, now: datetime) -> None:
    again = None if error.permanent else alerting.next_try(now, one.attempts, random.random(), error.retry_after)
    dead = again is None or again > one.created_at + GIVEN_UP_AFTER
    values: dict[str, Any] = {"status": "dead" if dead else "pending", "lease_until": None, "last_error": error.message}
    if not dead:
        values["next_attempt_at"] = again
    with transaction():
        db.session.execute(update(Letter).where(Letter.id == one.id, Letter.status == "pending").values(values))
        if one.organization_id:
            bounces.refused(one.organization_id, error.refused, now)
    log.warning("letter_failed", letter=str(one.id), template=one.template, dead=dead)
