from __future__ import annotations

from flask_login import UserMixin
from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, MaybeMoment, Moment, Name, Words


class User(Model, UserMixin):  # type: ignore[misc]  # flask-login ships no types
    """A person. `email` is kept lower-case; `timezone` is an IANA name, empty until the browser tells it."""

    __tablename__ = "users"
    id: Mapped[Key]
    email: Mapped[str] = mapped_column(String(320), unique=True)
    name: Mapped[Name]
    timezone: Mapped[Words]
    google_sub: Mapped[str | None] = mapped_column(String(255), unique=True)
    # Not read any more: sessions have rows of their own (models.UserSession). To be dropped in a later release.
    session_epoch: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[CreatedAt]
    last_signed_in_at: Mapped[Moment | None]
    # Until then they may change their mind; then the account goes.
    erase_at: Mapped[MaybeMoment]

    __table_args__ = (
        # services.people: which are due to go
        Index("ix_users_erase_at", "erase_at", postgresql_where=text("erase_at is not null")),
    )

    # What the cookie of the browser is to hold, while they are being signed in (web.signed_in.begin). No column.
    session_token = ""

    def get_id(self) -> str:
        """For flask-login."""
        return self.session_token
