"""Begin, notice and end the sessions in which people are signed in.

The cookie of a browser holds a random value and the database only its digest, so a copy of either opens nothing without
the other. A session that is ended here is over at once, wherever its cookie was copied to.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import Select, delete, update

from tokiflow import errors
from tokiflow.core import ids, tokens
from tokiflow.db import changed, db, transaction
from tokiflow.models import UserSession
from tokiflow.queries import sessions

log = structlog.get_logger()

NOTED_EVERY = timedelta(minutes=5)
KEPT = timedelta(days=30)
"""So long an ended session stays in the table."""


def begin(user_id: UUID, how: str, device: str, address: str, now: datetime) -> str:
    """A new session for somebody who has just shown who they are; what its cookie is to hold.

    how: link · google · passkey · local. device, address: for the person to know it by.
    """
    token = secrets.token_urlsafe(32)
    with transaction():
        db.session.add(
            UserSession(
                id=ids.new(), user_id=user_id, digest=tokens.digest(token), how=how, device=device, address=address,
                created_at=now, last_seen_at=now, proved_at=now,
            )
        )  # fmt: skip
    log.info("session_began", user=str(user_id), how=how)
    return token


def seen(row: UserSession, device: str, address: str, now: datetime) -> None:
    """Note that the session was used. Writes at most once in NOTED_EVERY, so it may be called on every request."""
    if row.last_seen_at > now - NOTED_EVERY:
        return
    with transaction():
        changed(
            update(UserSession)
            .where(UserSession.id == row.id, UserSession.last_seen_at <= now - NOTED_EVERY)
            .values(last_seen_at=now, device=device, address=address)
        )


def prove(session_id: UUID, now: datetime) -> None:
    """Note that the person has just shown again who they are."""
    with transaction():
        changed(update(UserSession).where(UserSession.id == session_id).values(proved_at=now))


def end(session_id: UUID, user_id: UUID, now: datetime) -> None:
    """End one session of this person. Raises NotFound for one that is over, or somebody else's."""
    mine = UserSession.id == session_id, UserSession.user_id == user_id, UserSession.ended_at.is_(None)
    with transaction():
        if not changed(update(UserSession).where(*mine).values(ended_at=now)):
            raise errors.NotFound("This session is over already.")
    log.info("session_ended", session=str(session_id))


def end_all(user_id: UUID, now: datetime, *, but: UUID | None = None) -> int:
    """End all sessions of this person, except `but`; how many there were.

    Whatever takes a role away from somebody, or an organization, calls this in the same transaction.
    """
    mine = [UserSession.user_id == user_id, UserSession.ended_at.is_(None)]
    if but is not None:
        mine.append(UserSession.id != but)
    with transaction():
        count = changed(update(UserSession).where(*mine).values(ended_at=now))
    log.info("sessions_ended", user=str(user_id), count=count)
    return count


def end_all_of(user_ids: Select[UUID], now: datetime) -> int:
    """End all sessions of these people; how many there were. In the caller's transaction."""
    theirs = UserSession.user_id.in_(user_ids), UserSession.ended_at.is_(None)
    count = changed(update(UserSession).where(*theirs).values(ended_at=now))
    log.info("sessions_ended", count=count)
    return count


def forget(now: datetime) -> None:
    """Drop sessions that are long over."""
    with transaction():
        db.session.execute(delete(UserSession).where(UserSession.ended_at < now - KEPT))
        db.session.execute(delete(UserSession).where(UserSession.last_seen_at < now - sessions.IDLE - KEPT))
