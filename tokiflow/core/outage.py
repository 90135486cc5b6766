"""Were *we* blind? Deadlines that passed while Tokiflow could not listen get the gap back.

Listening takes two: the clock that judges silence, and the door that takes pings. When either was away for
longer than `TOLERANCE`, nothing that fell silent meanwhile can be held against a job.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

TOLERANCE = timedelta(seconds=10)


@dataclass(frozen=True)
class Gap:
    """We were blind from `start` to `end`."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


def blind_since(clock_seen: datetime | None, door_seen: datetime | None, now: datetime) -> datetime | None:
    """Since when we have been blind, or None when we see. A part that was never seen has not begun yet."""
    seen = [moment for moment in (clock_seen, door_seen) if moment is not None]
    earliest = min(seen, default=now)
    return earliest if now - earliest > TOLERANCE else None


def gap(started: datetime, clock_seen: datetime | None, door_seen: datetime | None, now: datetime) -> Gap | None:
    """The gap that ends now, if blindness that started at `started` is over: both have been seen again."""
    if blind_since(clock_seen, door_seen, now) is not None:
        return None
    return Gap(started, now)
