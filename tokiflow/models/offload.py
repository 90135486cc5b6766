from __future__ import annotations

from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model, UtcDateTime
from tokiflow.models.columns import Count, CreatedAt, Moment


class Offload(Model):
    """A large body that is to move from its ping's row to the store. Written with the ping, gone when it has moved."""

    __tablename__ = "offloads"
    monitor_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[Moment] = mapped_column(UtcDateTime, primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempts: Mapped[Count]
    next_attempt_at: Mapped[CreatedAt]

    __table_args__ = (
        # services.outputs: the ones that are due
        Index("ix_offloads_next_attempt_at", "next_attempt_at"),
    )
