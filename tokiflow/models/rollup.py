from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Float, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model, UtcDateTime
from tokiflow.models.columns import Count, Json, Moment


class Rollup(Model):
    """The runs of one monitor that were first heard of in the hour or day beginning at `at` (UTC), counted together.

    Made of the runs alone, by a job, and made anew whenever one of them has changed; so it can always be recomputed
    while the runs are kept, and tells of them when they are gone.
    """

    __tablename__ = "rollups"
    monitor_id: Mapped[UUID] = mapped_column(ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True)
    grain: Mapped[str] = mapped_column(String(4), primary_key=True)
    at: Mapped[Moment] = mapped_column(UtcDateTime, primary_key=True)
    succeeded: Mapped[Count]
    failed: Mapped[Count]
    overran: Mapped[Count]
    missed: Mapped[Count]
    # Under way when this was made, or ran too long and may still finish: it is to be made again.
    unfinished: Mapped[Count]
    awaited: Mapped[Count]
    anomalies: Mapped[Count]
    # Successful runs whose time is known: how many, and what their times add up to (milliseconds and their squares).
    timed: Mapped[Count]
    total_ms: Mapped[int] = mapped_column(BigInteger, server_default="0")
    squares: Mapped[float] = mapped_column(Float(53), server_default="0")
    min_ms: Mapped[int | None] = mapped_column(BigInteger)
    max_ms: Mapped[int | None] = mapped_column(BigInteger)
    # How many of them fell into each bucket of run times (core.histogram), by the bucket's number.
    histogram: Mapped[Json]
    output_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")

    __table_args__ = (
        CheckConstraint("grain in ('hour', 'day')", name="grain"),
        # services.retention: hours that are too old to be kept
        Index("ix_rollups_grain_at", "grain", "at"),
        # services.rollups: what is to be made again
        Index("ix_rollups_open", "at", postgresql_where=text("unfinished > 0 or awaited > 0")),
    )


class RollupMark(Model):
    """Up to when the roll-ups of a grain are made, one row a grain. Whoever makes any has locked that of the hours."""

    __tablename__ = "rollup_marks"
    grain: Mapped[str] = mapped_column(String(4), primary_key=True)
    until: Mapped[Moment]
    # Of the day that is being made: monitors up to this one are done.
    after: Mapped[UUID | None]
