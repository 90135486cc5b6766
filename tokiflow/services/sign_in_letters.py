"""The mails that carry a sign-in link: sent by a job, rung for again until they are on their way or too late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import ColumnElement, or_, select, update

from tokiflow import errors
from tokiflow.channels import Outside, letters
from tokiflow.db import db, on_commit, transaction
from tokiflow.models import SignInLink, User
from tokiflow.queue import Job, enqueue
from tokiflow.services import sign_in

log = structlog.get_logger()

LEASE = timedelta(minutes=1)
TRY_AGAIN = timedelta(seconds=20)
RING_FIRST = timedelta(seconds=3)
RING_AGAIN = timedelta(seconds=10)
RING_AT_MOST = 100

SUBJECTS = {
    "sign_in": "Sign in to Tokiflow",
    "prove": "Is it still you? Confirm for Tokiflow",
    "google": "Link Google to your Tokiflow account",
}
"""By purpose of the link."""


@dataclass(frozen=True)
class Claimed:
    """A link whose mail is ours to send for the length of a lease, with all that sending takes copied out."""

    id: UUID
    email: str
    purpose: str
    device: str
    address: str
    asked_at: datetime
    zone: str


def mail(link_ids: Sequence[UUID], outside: Outside, clock: Callable[[], datetime] | None = None) -> int:
    """Mail those of `link_ids` that nobody has mailed or is mailing; how many were tried. Safe to call twice."""
    clock = clock or (lambda: datetime.now(UTC))
    claimed = _claim(link_ids, clock())
    for one in claimed:
        try:
            outside.mailer.send(_letter(one, outside, clock()))
        except errors.DeliveryError as error:
            _record_failure(one, error, clock())
        else:
            _record_sent(one, clock())
    return len(claimed)


def ring(now: datetime) -> int:
    """Ring again for links that should be on their way by now and are not; how many. The clock calls this."""
    with transaction():
        waiting = (
            select(SignInLink.id)
            .where(
                _unsent(now),
                SignInLink.created_at <= now - RING_FIRST,
                or_(SignInLink.rung_at.is_(None), SignInLink.rung_at <= now - RING_AGAIN),
            )
            .limit(RING_AT_MOST)
            .with_for_update(skip_locked=True)
        )
        rung = list(
            db.session.execute(
                update(SignInLink)
                .where(SignInLink.id.in_(waiting))
                .values(rung_at=now)
                .returning(SignInLink.id)
                .execution_options(synchronize_session=False)
            ).scalars()
        )
        if rung:
            on_commit(partial(enqueue, Job.MAIL_SIGN_IN_LINK, rung))
    return len(rung)


def _unsent(now: datetime) -> ColumnElement[bool]:
    return (
        SignInLink.sent_at.is_(None)
        & SignInLink.used_at.is_(None)
        & (SignInLink.expires_at > now)
        & or_(SignInLink.lease_until.is_(None), SignInLink.lease_until <= now)
    )


def _claim(link_ids: Sequence[UUID], now: datetime) -> list[Claimed]:
    free = select(SignInLink.id).where(SignInLink.id.in_(link_ids), _unsent(now)).with_for_update(skip_locked=True)
    zone = select(User.timezone).where(User.email == SignInLink.email).scalar_subquery()
    with transaction():
        rows = db.session.execute(
            update(SignInLink)
            .where(SignInLink.id.in_(free))
            .values(lease_until=now + LEASE)
            .returning(
                SignInLink.id, SignInLink.email, SignInLink.purpose, SignInLink.device, SignInLink.address,
                SignInLink.created_at, zone,
            )
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        return [
            Claimed(id, email, purpose, device, address, at, zone or "UTC")
            for id, email, purpose, device, address, at, zone in rows
        ]


def _letter(one: Claimed, outside: Outside, now: datetime) -> EmailMessage:
    asked_at = one.asked_at.astimezone(ZoneInfo(one.zone))
    return letters.compose(
        "sign_in",
        sender=outside.email_from,
        to=[one.email],
        subject=SUBJECTS[one.purpose],
        context={
            "url": f"{outside.public_url}/auth/link/{sign_in.token(one.id)}",
            "purpose": one.purpose,
            "address": one.email,
            "asked_from": ", ".join(part for part in (one.device, one.address) if part),
            "asked_at": f"{asked_at:%H:%M} {asked_at.tzname()} on {asked_at.day} {asked_at:%B}",
            "expires_at": f"{asked_at + sign_in.LIFETIME:%H:%M} {asked_at.tzname()}",
            "minutes": round(sign_in.LIFETIME / timedelta(minutes=1)),
        },
        sent_at=now,
        headers={
            "Message-ID": letters.identifier(f"sign-in link {one.id}", outside.email_from),
            "X-Auto-Response-Suppress": "All",
        },
    )


def _record_sent(one: Claimed, now: datetime) -> None:
    with transaction():
        db.session.execute(update(SignInLink).where(SignInLink.id == one.id).values(sent_at=now, lease_until=None))
    log.info("sign_in_link_sent", link=str(one.id))


def _record_failure(one: Claimed, error: errors.DeliveryError, now: datetime) -> None:
    """Hold the lease a little, so that it is tried again soon; for ever, where trying can't help."""
    until = SignInLink.expires_at if error.permanent else now + TRY_AGAIN
    with transaction():
        db.session.execute(update(SignInLink).where(SignInLink.id == one.id).values(lease_until=until))
    log.warning("sign_in_link_failed", link=str(one.id), permanent=error.permanent, error=error.message)
