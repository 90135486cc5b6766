from __future__ import annotations

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Json, Key, MaybeMoment, Name, TextList


class Organization(Model):
    """A tenant. Everything else belongs to one."""

    __tablename__ = "organizations"
    id: Mapped[Key]
    name: Mapped[Name]
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    # First part of ping URLs by name. Shown to its people, so it can't be hashed; unguessable, rotatable, in no log.
    ping_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    # Regular expressions of its own for what is hidden in output (core.redaction).
    redaction_patterns: Mapped[TextList]
    # When warnings wait (core.quiet_hours): {} for never.
    quiet_hours: Mapped[Json]
    created_at: Mapped[CreatedAt]
    # Until then somebody may change their mind; then all of it goes.
    erase_at: Mapped[MaybeMoment]

    __table_args__ = (
        # services.organizations: which are due to go
        Index("ix_organizations_erase_at", "erase_at", postgresql_where=text("erase_at is not null")),
    )
