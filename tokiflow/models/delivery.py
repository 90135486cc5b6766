from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tokiflow.db import Model
from tokiflow.models.alert import Alert
from tokiflow.models.channel import Channel
from tokiflow.models.columns import Count, CreatedAt, Json, Key, Moment, OrganizationId, Words


class Delivery(Model):
    """One alert to one channel: the outbox. The row is the promise; Redis is only the doorbell.

    pending → sent, or → dead (given up, or the channel can never take it) → pending again by "send again";
    or → merged: told in the message of a summary.
    """

    __tablename__ = "deliveries"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    alert_id: Mapped[UUID] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"))
    # So that a recovery never overtakes the news of the trouble on the same channel.
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(10), server_default="pending")
    attempts: Mapped[Count]
    next_attempt_at: Mapped[Moment]
    lease_until: Mapped[Moment | None]
    rung_at: Mapped[Moment | None]
    sent_at: Mapped[Moment | None]
    last_error: Mapped[Words]
    # The host that has not answered for so long that it is left alone for a while; empty: it waits for none.
    waits_for_host: Mapped[Words]
    # The rule or step that chose the channel, in words.
    because: Mapped[Words]
    # What the channel wants to remember of this message, to write below it, change it or go on with it.
    memory: Mapped[Json]
    summary_id: Mapped[UUID | None] = mapped_column(ForeignKey("summaries.id", ondelete="SET NULL"))
    created_at: Mapped[CreatedAt]

    alert: Mapped[Alert] = relationship(lazy="raise")
    channel: Mapped[Channel] = relationship(lazy="raise")

    __table_args__ = (
        UniqueConstraint("alert_id", "channel_id"),
        CheckConstraint("status in ('pending', 'sent', 'merged', 'dead')", name="status"),
        # services.deliveries.ring: what is to be sent now
        Index("ix_deliveries_pending", "next_attempt_at", postgresql_where=text("status = 'pending'")),
        # services.deliveries.claim: nothing earlier to the same channel is under way
        Index("ix_deliveries_incident_id_channel_id", "incident_id", "channel_id", "id"),
        # services.deliveries: whose turn it is
        Index(
            "ix_deliveries_organization_id_pending",
            "organization_id",
            "next_attempt_at",
            "id",
            postgresql_where=text("status = 'pending'"),
        ),
        # services.summaries: the members and messages of one
        Index("ix_deliveries_summary_id", "summary_id", postgresql_where=text("summary_id is not null")),
        # services.claims.release: what may go when a host answers again
        Index("ix_deliveries_waits_for_host", "waits_for_host", postgresql_where=text("waits_for_host <> ''")),
        # the page of what was given up
        Index("ix_deliveries_dead", "organization_id", text("id desc"), postgresql_where=text("status = 'dead'")),
        # queries.channels: the last deliveries
        Index("ix_deliveries_channel_id", "channel_id", text("id desc")),
    )
