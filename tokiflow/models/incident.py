from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tokiflow.db import Model
from tokiflow.models.columns import Count, CreatedAt, Key, MaybeUserId, Moment, MonitorId, OrganizationId, Words
from tokiflow.models.monitor import Monitor


class Incident(Model):
    """A stretch of trouble of one monitor. At most one of a class (outage, performance) is unresolved."""

    __tablename__ = "incidents"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    monitor_id: Mapped[MonitorId]
    class_: Mapped[str] = mapped_column("class", String(12))
    kind: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(12), server_default="open")
    summary: Mapped[Words]
    reason: Mapped[Words]
    opened_at: Mapped[Moment]
    # When the trouble at hand began: later than opened_at once it has come back.
    last_opened_at: Mapped[Moment]
    acknowledged_at: Mapped[Moment | None]
    acknowledged_by: Mapped[Words]
    resolved_at: Mapped[Moment | None]
    resolved_by: Mapped[Words]
    # Whether a person resolved it: then later trouble is a new incident.
    resolved_by_person: Mapped[bool] = mapped_column(server_default="false")
    muted_until: Mapped[Moment | None]
    assigned_to: Mapped[MaybeUserId]
    reopened: Mapped[Count]
    created_at: Mapped[CreatedAt]

    monitor: Mapped[Monitor] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint("class in ('outage', 'performance')", name="class"),
        CheckConstraint("kind in ('missed', 'overrun', 'failed', 'anomaly', 'degraded')", name="kind"),
        CheckConstraint("status in ('open', 'acknowledged', 'resolved')", name="status"),
        # At most one unresolved incident per monitor and class.
        Index(
            "uq_incidents_unresolved", "monitor_id", "class", unique=True, postgresql_where=text("resolved_at is null")
        ),
        # queries.incidents.page
        Index("ix_incidents_organization_id_opened_at", "organization_id", text("opened_at desc"), text("id desc")),
        # queries.incidents.of_monitor, services.incident_rows: the latest one
        Index("ix_incidents_monitor_id_opened_at", "monitor_id", text("opened_at desc")),
    )

    @property
    def severity(self) -> str:
        return "critical" if self.class_ == "outage" else "warning"
