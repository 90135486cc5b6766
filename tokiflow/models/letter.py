from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Count, CreatedAt, Json, Key, MaybeMoment, Moment, Words


class Letter(Model):
    """A mail that is promised and is no alert: a question to a new address, a notice to an owner.

    pending → sent, or → dead. `context` fills the template `mail/<template>`; it holds no secrets.
    """

    __tablename__ = "letters"
    id: Mapped[Key]
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    template: Mapped[str] = mapped_column(String(40))
    to_address: Mapped[str] = mapped_column(String(320))
    subject: Mapped[Words]
    context: Mapped[Json]
    status: Mapped[str] = mapped_column(String(10), server_default="pending")
    attempts: Mapped[Count]
    next_attempt_at: Mapped[Moment]
    lease_until: Mapped[MaybeMoment]
    rung_at: Mapped[MaybeMoment]
    sent_at: Mapped[MaybeMoment]
    last_error: Mapped[Words]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("status in ('pending', 'sent', 'dead')", name="status"),
        # services.letters.ring: what is to be sent now
        Index("ix_letters_pending", "next_attempt_at", postgresql_where=text("status = 'pending'")),
        Index("ix_letters_organization_id", "organization_id"),
    )
