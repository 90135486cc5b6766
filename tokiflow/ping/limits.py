"""How much one monitor, and one stranger, may ask of this door: in memory, so that a flood costs next to nothing.

What a monitor may send is decided with its row, exactly and for all processes (services.pings). Here is only kept
what came of that: who was refused is refused again until its time has come. While the database is away, this is all
there is.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from tokiflow.core import rates
from tokiflow.core.names import Named
from tokiflow.core.rates import Rate

STRANGERS = Rate(60, 60, 100)
"""Unknown tokens that one address may try. Known ones from the same address are never held up by it."""

UNCHECKED = Rate(1_200, 60, 2_000)
"""Pings to monitors that this process does not know, which one address may leave in the spool. Nobody can look them up
then, and a whole data centre may share an address."""

MOST = 100_000
"""Names remembered at most of each sort; beyond it the oldest are forgotten, which only ever lets more in."""

T = TypeVar("T")


class _Memory(dict[str | Named, T], Generic[T]):
    def keep(self, name: str | Named, value: T) -> None:
        self[name] = value
        if len(self) > MOST:
            for oldest in list(self)[: MOST // 10]:
                del self[oldest]


class Limits:
    """The limits of one process."""

    def __init__(self, rate: Rate | None) -> None:
        self.rate = rate
        self._refused: _Memory[datetime] = _Memory()
        self._known: _Memory[None] = _Memory()
        self._spooled: _Memory[datetime] = _Memory()
        self._strangers: _Memory[datetime] = _Memory()
        self._unchecked: _Memory[datetime] = _Memory()

    def refused(self, to: str | Named, at: datetime) -> int:
        """In how many seconds a ping to `to` will fit in, as far as is known without asking; 0 for now."""
        if to not in self._refused:
            return 0
        left = (self._refused[to] - at).total_seconds()
        if left <= 0:
            self._refused.pop(to, None)
            return 0
        return math.ceil(left)

    def refuse(self, to: str | Named, at: datetime, seconds: int) -> None:
        """A ping to `to` was refused, and will be for so many seconds."""
        # A little less than that: the exact moment is the row's to know.
        self._refused.keep(to, at + timedelta(seconds=seconds - 0.5))

    def knows(self, to: str | Named) -> None:
        """A monitor is there."""
        if to not in self._known:
            self._known.keep(to, None)

    def stranger(self, source: str, at: datetime) -> int:
        """Count an unknown token from `source`: 0 if it may try more, else the seconds until it may."""
        return self._count(self._strangers, STRANGERS, source, at)

    def spool(self, to: str | Named, source: str, at: datetime) -> int:
        """Count a ping that nobody can check now: 0 if it may wait in the spool, else the seconds until one may."""
        if to not in self._known and (wait := self._count(self._unchecked, UNCHECKED, source, at)):
            return wait
        return self._count(self._spooled, self.rate, to, at) if self.rate else 0

    def _count(self, seen: _Memory[datetime], rate: Rate, name: str | Named, at: datetime) -> int:
        ruling = rates.admit(rate, seen.get(name), at)
        if ruling.allowed and ruling.next_at:
            seen.keep(name, ruling.next_at)
        return 0 if ruling.allowed else math.ceil(ruling.wait)
