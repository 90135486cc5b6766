from __future__ import annotations

from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Count, CreatedAt


class Erasure(Model):
    """A monitor that was deleted and whose pings, runs and stored output are still to go. Gone when they are."""

    __tablename__ = "erasures"
    monitor_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]
    attempts: Mapped[Count]
    next_attempt_at: Mapped[CreatedAt]

    __table_args__ = (
        # services.erasures: the ones that are due
        Index("ix_erasures_next_attempt_at", "next_attempt_at"),
    )
