from __future__ import annotations

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, MaybeMoment, OrganizationId, Words


class Recipient(Model):
    """An e-mail address that an organization writes to, and whether it wants to be written to."""

    __tablename__ = "recipients"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    address: Mapped[str] = mapped_column(String(320))
    asked_at: Mapped[MaybeMoment]
    confirmed_at: Mapped[MaybeMoment]
    unsubscribed_at: Mapped[MaybeMoment]
    bounced_at: Mapped[MaybeMoment]
    bounce_reason: Mapped[Words]
    created_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("organization_id", "address"),)
