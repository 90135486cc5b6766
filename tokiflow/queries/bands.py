"""What was normal for a monitor, day by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, or_, select

from tokiflow.db import db
from tokiflow.models import Band

RUN_TIME = "run_time"
METRIC = "metric:"
"""Before the name of a number that the job sends along."""

_BEFORE = timedelta(days=2)


def of(monitor_id: UUID, since: datetime, metrics_since: datetime | None = None) -> Mapping[str, Sequence[Band]]:
    """By measure: the days from `since`, and the one before, oldest first; of its own numbers from `metrics_since`, or
    none of them. One statement."""
    wanted = and_(Band.measure == RUN_TIME, Band.day >= since - _BEFORE)
    if metrics_since:
        wanted = or_(wanted, and_(Band.measure.startswith(METRIC), Band.day >= metrics_since - _BEFORE))
    found: dict[str, list[Band]] = {}
    for band in db.session.execute(
        select(Band).where(Band.monitor_id == monitor_id, wanted).order_by(Band.day)
    ).scalars():
        found.setdefault(band.measure, []).append(band)
    return found


def at(days: Sequence[Band], moment: datetime) -> Band | None:
    """What was normal when the day of `moment` ended, or latest before; None where nothing was known yet."""
    return next((band for band in reversed(days) if band.day <= moment), None)
