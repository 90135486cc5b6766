from __future__ import annotations

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, MaybeMoment, UserId


class RecoveryCode(Model):
    """A code that stands in once for a lost second factor. `digest` is its SHA-256: it is too long to guess."""

    __tablename__ = "recovery_codes"
    id: Mapped[Key]
    user_id: Mapped[UserId]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[CreatedAt]
    used_at: Mapped[MaybeMoment]

    __table_args__ = (Index("ix_recovery_codes_user_id", "user_id"),)
