from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Count, CreatedAt, Json, Key, MaybeMoment, Moment, OrganizationId, Words


class FollowUp(Model):
    """What is to be done about an incident later: tell the next step, remind, or tell what was held back.

    It stays when it is done, with what became of it: that is how a page answers why somebody was not told.
    """

    __tablename__ = "follow_ups"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    rule_id: Mapped[UUID | None] = mapped_column(ForeignKey("routing_rules.id", ondelete="SET NULL"))
    kind: Mapped[str] = mapped_column(String(10))
    step: Mapped[Count]
    at: Mapped[Moment]
    # Why it is held back, in a word and in words; and by which monitor that is down, if by one.
    reason: Mapped[str] = mapped_column(String(20), server_default="")
    words: Mapped[Words]
    blocked_by: Mapped[UUID | None]
    # What was to be told (services.news.kept), for one that is held back.
    news: Mapped[Json]
    done_at: Mapped[MaybeMoment]
    outcome: Mapped[Words]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("kind in ('escalation', 'reminder', 'held')", name="kind"),
        # services.follow_ups.fire: what is due
        Index("ix_follow_ups_at", "at", postgresql_where=text("done_at is null")),
        # the incident's page, and whoever ends what waits for an incident
        Index("ix_follow_ups_incident_id", "incident_id"),
        # services.follow_ups: what waits for a monitor to recover
        Index(
            "ix_follow_ups_blocked_by",
            "blocked_by",
            postgresql_where=text("done_at is null and blocked_by is not null"),
        ),
    )
