from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, Moment, OrganizationId, UserId, Words


class ReportSchedule(Model):
    """A person who gets the monthly report of an organization, or of one tag of it, by mail, in their own zone."""

    __tablename__ = "report_schedules"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    user_id: Mapped[UserId]
    # Empty: all monitors.
    tag: Mapped[Words]
    next_at: Mapped[Moment]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        Index("uq_report_schedules_whose", "organization_id", "user_id", "tag", unique=True),
        Index("ix_report_schedules_user_id", "user_id"),
        # services.report_schedules.ring: whose turn it is
        Index("ix_report_schedules_next_at", "next_at"),
    )
