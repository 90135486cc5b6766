"""Where people are signed in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import joinedload

from tokiflow import errors
from tokiflow.core import tokens
from tokiflow.db import db
from tokiflow.models import UserSession

IDLE = timedelta(days=30)
"""A browser that was not used for so long is signed out."""
LONGEST = timedelta(days=180)
"""And so is any, after this time."""


def signed_in(token: str, now: datetime) -> UserSession | None:
    """The session whose cookie holds `token`, with its person; None if it is over, or none of ours."""
    statement = (
        select(UserSession)
        .where(UserSession.digest == tokens.digest(token), *_alive(now))
        .options(joinedload(UserSession.user))
    )
    return db.session.execute(statement).scalar_one_or_none()


def of_user(user_id: UUID, now: datetime) -> Sequence[UserSession]:
    """Where the person is signed in, last seen first."""
    statement = (
        select(UserSession)
        .where(UserSession.user_id == user_id, *_alive(now))
        .order_by(UserSession.last_seen_at.desc(), UserSession.id.desc())
    )
    return db.session.execute(statement).scalars().all()


def get(session_id: UUID, user_id: UUID, now: datetime) -> UserSession:
    """The session, if it is this person's and not over. Raises NotFound."""
    statement = select(UserSession).where(UserSession.id == session_id, UserSession.user_id == user_id, *_alive(now))
    found = db.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise errors.NotFound
    return found


def _alive(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        UserSession.ended_at.is_(None),
        UserSession.last_seen_at > now - IDLE,
        UserSession.created_at > now - LONGEST,
    )
