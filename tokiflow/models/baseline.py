from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Json, Moment


class Baseline(Model):
    """What is normal for a monitor, learnt from its runs in constant space (core.baseline).

    `measures` holds a state by what is measured: `run_time`, `output_size`, `run_count` and `metric:<name>`.
    """

    __tablename__ = "baselines"
    monitor_id: Mapped[UUID] = mapped_column(ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True)
    # Runs that finished up to here have been judged.
    judged_until: Mapped[Moment]
    measures: Mapped[Json]
