from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Json, Key, MaybeUserId, Moment, Words


class IncidentEvent(Model):
    """One step on an incident's timeline. The same step again raises `times` and moves `last_at`."""

    __tablename__ = "incident_events"
    id: Mapped[Key]
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    at: Mapped[Moment]
    last_at: Mapped[Moment]
    times: Mapped[int] = mapped_column(server_default="1")
    what: Mapped[str] = mapped_column(String(40))
    by: Mapped[Words]
    by_kind: Mapped[str] = mapped_column(String(10), server_default="system")
    # The person, where it was one.
    user_id: Mapped[MaybeUserId]
    text: Mapped[Words]
    detail: Mapped[Json]

    __table_args__ = (
        # queries.timelines
        Index("ix_incident_events_incident_id_at", "incident_id", "at", "id"),
        # queries.incidents: those in which a person had a hand
        Index("ix_incident_events_user_id", "user_id", postgresql_where=sql("user_id is not null")),
    )
