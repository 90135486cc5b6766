from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Count, CreatedAt, Json, Key, MaybeMoment, Moment, UserId, Words


class Export(Model):
    """A file that a job makes for a person: pending → done, or → dead. It is theirs alone, until it expires."""

    __tablename__ = "exports"
    id: Mapped[Key]
    # Whose data it is; None for a person's own.
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    user_id: Mapped[UserId]
    kind: Mapped[str] = mapped_column(String(20))
    # What was asked for: filters of a list, with or without output.
    wanted: Mapped[Json]
    status: Mapped[str] = mapped_column(String(10), server_default="pending")
    done: Mapped[Count]
    total: Mapped[Count]
    # What it is called and where it lies in the store (adapters.storage).
    filename: Mapped[Words]
    key: Mapped[Words]
    size: Mapped[int] = mapped_column(BigInteger, server_default="0")
    attempts: Mapped[Count]
    next_attempt_at: Mapped[Moment]
    lease_until: Mapped[MaybeMoment]
    last_error: Mapped[Words]
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[MaybeMoment]
    expires_at: Mapped[MaybeMoment]

    __table_args__ = (
        CheckConstraint(
            "kind in ('audit', 'incidents', 'monitors', 'organization', 'person', 'report', 'runs')", name="kind"
        ),
        CheckConstraint("status in ('pending', 'done', 'dead')", name="status"),
        Index("ix_exports_user_id", "user_id", text("id desc")),
        Index("ix_exports_organization_id", "organization_id"),
        # services.exports.ring: what is to be made now
        Index("ix_exports_pending", "next_attempt_at", postgresql_where=text("status = 'pending'")),
        # services.exports.forget: what is over
        Index("ix_exports_expires_at", "expires_at"),
    )

    def expired(self, now: datetime) -> bool:
        """Whether its file is gone, or about to be."""
        return self.expires_at is not None and self.expires_at <= now
