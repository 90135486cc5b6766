from __future__ import annotations

from flask_login import UserMixin
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, Moment, Name, Words


class User(Model, UserMixin):  # type: ignore[misc]  # flask-login ships no types
    """A person. `email` is kept lower-case; `timezone` is an IANA name, empty until the browser tells it."""

    __tablename__ = "users"
    id: Mapped[Key]
    email: Mapped[str] = mapped_column(String(320), unique=True)
    name: Mapped[Name]
    timezone: Mapped[Words]
    google_sub: Mapped[str | None] = mapped_column(String(255), unique=True)
    # Raised to end every session of this person at once.
    session_epoch: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[CreatedAt]
    last_signed_in_at: Mapped[Moment | None]

    def get_id(self) -> str:
        return f"{self.id}:{self.session_epoch}"
