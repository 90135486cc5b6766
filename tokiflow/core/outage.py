"""Were *we* blind? Deadlines that passed while Tokiflow could not listen get the gap back.

Listening takes two: the clock that judges silence, and the door that takes pings. When either was away for
longer than `TOLERANCE`, nothing that fell silent meanwhile can be held against a job.

And before silence is judged, everybody must have handed in what he heard: a door that could not reach the database
keeps pings on its own disk, and has answered for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

TOLERANCE = timedelta(seconds=10)

SILENT_AFTER = timedelta(seconds=6)
"""A door that has said nothing for so long (it says something every two seconds) may be keeping pings."""

ROLL_CALL = timedelta(seconds=20)
"""So long a door that is missing is waited for. Then it is gone, and took nothing along: who follows finds its disk."""


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


def somebody_is_missing(doors: Iterable[datetime], interruption: Gap | None, now: datetime) -> bool:
    """Whether a door may still hold pings that it has answered for.

    `doors` are the moments at which each was last seen with nothing on its disk, `interruption` the last time that the
    clock itself could not reach the database: whoever was there when it began has to report since it ended.
    """
    if interruption and now - interruption.end <= ROLL_CALL:
        return any(interruption.start - SILENT_AFTER <= seen < interruption.end for seen in doors)
    return any(SILENT_AFTER < now - seen <= ROLL_CALL for seen in doors)
