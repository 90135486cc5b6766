from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Words


class IdempotencyKey(Model):
    """What a POST with an Idempotency-Key was answered. `status` is None while it is still being worked on."""

    __tablename__ = "idempotency_keys"
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True)
    path: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    body: Mapped[Words]
    location: Mapped[Words]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        # services.idempotency: what is too old to be kept
        Index("ix_idempotency_keys_created_at", "created_at"),
    )
