from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model, UtcDateTime
from tokiflow.models.columns import (
    Count,
    CreatedAt,
    Key,
    MaybeMoment,
    MaybeUserId,
    Name,
    OrganizationId,
    TextList,
    Words,
)


class MaintenanceWindow(Model):
    """When trouble is expected, so that nobody is told of it: once, on a schedule, or from a calendar.

    It covers everything, monitors with one of `tags`, or those in maintenance_window_monitors.
    """

    __tablename__ = "maintenance_windows"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    name: Mapped[Name]
    kind: Mapped[str] = mapped_column(String(10))
    # Once: from when to when. On a schedule: from when on, and until when, if there is an end.
    starts_at: Mapped[MaybeMoment]
    ends_at: Mapped[MaybeMoment]
    expression: Mapped[Words]
    timezone: Mapped[Words]
    duration_seconds: Mapped[int | None]
    # Calendars are often shared by an address that is their password: shown to those who may change it, in no log.
    ical_url: Mapped[Words]
    everything: Mapped[bool] = mapped_column(server_default="false")
    tags: Mapped[TextList]
    fetched_at: Mapped[MaybeMoment]
    fetch_error: Mapped[Words]
    fetch_failures: Mapped[Count]
    next_fetch_at: Mapped[MaybeMoment]
    lease_until: Mapped[MaybeMoment]
    version: Mapped[Count]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    created_by: Mapped[MaybeUserId]

    __table_args__ = (
        CheckConstraint("kind in ('once', 'repeating', 'calendar')", name="kind"),
        Index("ix_maintenance_windows_organization_id", "organization_id"),
        # services.calendars: what is to be fetched
        Index(
            "ix_maintenance_windows_next_fetch_at", "next_fetch_at", postgresql_where=text("next_fetch_at is not null")
        ),
    )


class MaintenanceWindowMonitor(Model):
    """A monitor that a window names."""

    __tablename__ = "maintenance_window_monitors"
    window_id: Mapped[UUID] = mapped_column(ForeignKey("maintenance_windows.id", ondelete="CASCADE"), primary_key=True)
    monitor_id: Mapped[UUID] = mapped_column(ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True)

    __table_args__ = (Index("ix_maintenance_window_monitors_monitor_id", "monitor_id"),)


class MaintenanceOccurrence(Model):
    """One stretch of time that a calendar names."""

    __tablename__ = "maintenance_occurrences"
    window_id: Mapped[UUID] = mapped_column(ForeignKey("maintenance_windows.id", ondelete="CASCADE"), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    summary: Mapped[Words]
