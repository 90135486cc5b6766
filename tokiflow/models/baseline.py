from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Count, Json, Moment


class Baseline(Model):
    """What is normal for a monitor, learnt from its runs in constant space (core.baseline).

    `measures` holds a state by what is measured: `run_time`, `output_size`, `run_count` and `metric:<name>`.
    """

    __tablename__ = "baselines"
    monitor_id: Mapped[UUID] = mapped_column(ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True)
    # When the last run that has been judged finished.
    judged_until: Mapped[Moment]
    # So many of its pings have been looked at. They are numbered under the monitor's lock: whatever comes late, out of
    # a spool or by another clock, has a higher number, and is judged once.
    judged_count: Mapped[Count]
    # So many runs in a row were as usual.
    calm: Mapped[Count]
    measures: Mapped[Json]
