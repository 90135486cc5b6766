from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, MaybeMoment, Moment, UserId, Words
from tokiflow.models.user import User


class UserSession(Model):
    """A browser in which a person is signed in. Its cookie holds a random value, here is its SHA-256."""

    __tablename__ = "user_sessions"
    id: Mapped[Key]
    user_id: Mapped[UserId]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    how: Mapped[str] = mapped_column(String(10))
    # "Firefox on Linux", and the network address it was last seen at.
    device: Mapped[Words]
    address: Mapped[Words]
    created_at: Mapped[CreatedAt]
    # Written at most once in a few minutes.
    last_seen_at: Mapped[Moment]
    # When the person last showed who they are, for what asks again before it does harm.
    proved_at: Mapped[MaybeMoment]
    ended_at: Mapped[MaybeMoment]

    user: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint("how in ('link', 'google', 'passkey', 'local')", name="how"),
        # queries.sessions: where somebody is signed in
        Index("ix_user_sessions_user_id", "user_id", postgresql_where=text("ended_at is null")),
    )
