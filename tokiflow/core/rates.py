"""How often is too often: one moment per monitor, and a sum.

The generic cell rate algorithm (ITU-T I.371, annex A) as a virtual schedule: each ping moves the moment at which the
next one would be in time by one interval, and is refused while that moment lies further ahead than a burst allows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_WRITTEN = re.compile(r"(\d{1,9})\s*(?:/|per)\s*(second|minute|hour|day)s?(?:[\s,]+burst\s+(\d{1,9}))?", re.IGNORECASE)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
UNLIMITED = "unlimited"


@dataclass(frozen=True)
class Rate:
    """`count` in each `seconds`, and up to `burst` at once after a rest."""

    count: int
    seconds: int
    burst: int

    @property
    def interval(self) -> timedelta:
        """How long it takes until one more fits in."""
        return timedelta(seconds=self.seconds / self.count)


@dataclass(frozen=True)
class Ruling:
    """Whether one more fits in: if so, the moment to remember; if not, in how many seconds it will."""

    allowed: bool
    next_at: datetime | None
    wait: float = 0.0


def parse(text: str) -> Rate | None:
    """`60/minute burst 30` → Rate; `unlimited` → None. Without a burst it is half of the count, at least one.

    Raises ValueError with what to write.
    """
    if text.strip().lower() == UNLIMITED:
        return None
    written = _WRITTEN.fullmatch(text.strip())
    if not written or int(written[1]) == 0 or written[3] == "0":
        raise ValueError(f"'{text}' is not a rate; write one like 60/minute burst 30, or unlimited")
    count = int(written[1])
    return Rate(count, _SECONDS[written[2].lower()], int(written[3]) if written[3] else max(1, count // 2))


def describe(rate: Rate) -> str:
    """`60 a minute, and 30 at once`."""
    unit = next(unit for unit, seconds in _SECONDS.items() if seconds == rate.seconds)
    return f"{rate.count:,} {'an' if unit == 'hour' else 'a'} {unit}, and {rate.burst:,} at once"


def admit(rate: Rate, next_at: datetime | None, at: datetime) -> Ruling:
    """Whether one more fits in `at`, where `next_at` was remembered from the one before (None: there was none)."""
    after = (at if next_at is None or next_at < at else next_at) + rate.interval
    excess = after - at - rate.interval * rate.burst
    if excess > timedelta(0):
        return Ruling(False, next_at, excess.total_seconds())
    return Ruling(True, after)
