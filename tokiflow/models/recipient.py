from __future__ import annotations

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, MaybeMoment, OrganizationId, Words


class Recipient(Model):
    """An e-mail address that an organization writes to, and whether it wants to be written to.

    `address` is kept lower-case: however somebody wrote it, it is one mailbox.
    """

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

    __table_args__ = (
        UniqueConstraint("organization_id", "address"),
        # services.bounces: everybody who writes to it
        Index("ix_recipients_address", "address"),
    )

    @property
    def status(self) -> str:
        """confirmed · waiting (it was not answered yet) · unsubscribed · bounced. Only the first gets mail."""
        if self.bounced_at:
            return "bounced"
        if self.unsubscribed_at:
            return "unsubscribed"
        return "confirmed" if self.confirmed_at else "waiting"
