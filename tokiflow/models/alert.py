from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Json, Key, Moment, OrganizationId


class Alert(Model):
    """The decision to tell people about an incident. `content` is what was known then, ready to be sent."""

    __tablename__ = "alerts"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    # None for a test message, and for a summary of many.
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    at: Mapped[Moment]
    content: Mapped[Json]
    # Why these were told: {"rules": [{"id", "name", "matched", "why"}], "by": {channel: rule}}.
    decision: Mapped[Json]
    created_at: Mapped[CreatedAt]

    @property
    def news(self) -> str:
        """What it tells: its kind; or, of what people do about an incident, what exactly: muted, unmuted."""
        return str(self.content.get("kind", self.kind))

    __table_args__ = (
        CheckConstraint(
            "kind in ('opened', 'reopened', 'flapping', 'escalated', 'reminder', 'acknowledged', 'resolved', "
            "'summary', 'test')",
            name="kind",
        ),
        # queries.alerts.of_incident
        Index("ix_alerts_incident_id", "incident_id"),
        Index("ix_alerts_organization_id", "organization_id", text("id desc")),
    )
