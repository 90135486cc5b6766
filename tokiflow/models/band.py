from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model, UtcDateTime
from tokiflow.models.columns import Moment


class Band(Model):
    """What was normal at the end of one day, which began at `day` (midnight where the job runs), in its measure's unit.

    Kept because the baseline itself only knows what is normal now, and a chart shows what was normal then.
    """

    __tablename__ = "bands"
    monitor_id: Mapped[UUID] = mapped_column(ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True)
    measure: Mapped[str] = mapped_column(String(80), primary_key=True)
    day: Mapped[Moment] = mapped_column(UtcDateTime, primary_key=True)
    low: Mapped[float]
    usual: Mapped[float]
    high: Mapped[float]
