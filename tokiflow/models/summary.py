from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Count, CreatedAt, Key, MaybeMoment, Moment, OrganizationId


class Summary(Model):
    """Many deliveries to one channel that become one message, and what follows it.

    Its members are deliveries of status "merged"; its messages belong to alerts of kind "summary".
    """

    __tablename__ = "summaries"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"))
    reason: Mapped[str] = mapped_column(String(10))
    started_at: Mapped[Moment]
    last_at: Mapped[Moment]
    sent: Mapped[Count]
    closed_at: Mapped[MaybeMoment]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("reason in ('storm', 'rate')", name="reason"),
        Index("uq_summaries_open", "channel_id", unique=True, postgresql_where=text("closed_at is null")),
        Index("ix_summaries_organization_id", "organization_id"),
    )
