"""Which weekdays are unlike the others, and by how much: learnt from the last six weeks, in a few hundred bytes.

Of each day its mean place is kept. Weeks are compared with themselves, so that a job that grows or changes its level
for good has no season by that; then weekdays are grouped: those that don't clearly differ share one level. Where all of
them end in one group, as of most jobs, the weekday says nothing and nothing comes of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

WEEK = 7
DAYS = 6 * WEEK
THOUSANDTHS = 1000
FEWEST_WEEKS = 2
CLEARLY, STILL = 5.0, 4.0
"""Standard errors. So far apart are two kinds of days; once known, less is enough. Of seven that don't differ at all
the largest are 2 away from the rest, and hardly ever 5."""
FEW_WEEKS = 10
"""While the error is known from n days only, it is taken for (1 + FEW_WEEKS / n) times as much."""
WORTH_IT = 0.15
"""On the logarithmic scale. What differs by less is the same: no band is as narrow."""
LEAST_ERROR = 0.02
OUTERMOST, TRIMMED = 8, 0.4
"""Of so many days one doesn't count on either side; without them, a deviation is by so much too small."""


@dataclass(frozen=True)
class Week:
    """`days` are the mean places, in thousandths, of the days up to `today` (an ordinal, and not among them), oldest
    first; None where nothing ran. `runs` and `total` are today's.

    `shape` says how much farther out a place is on each weekday, Monday first; empty if the weekday says nothing.
    """

    today: int = 0
    days: tuple[int | None, ...] = ()
    runs: int = 0
    total: float = 0.0
    shape: tuple[float, ...] = ()

    def offset(self, weekday: int) -> float:
        """How much farther out places are on such a day (0 is Monday)."""
        return self.shape[weekday] if self.shape else 0.0

    def add(self, place: float, day: int) -> Week:
        """After a run on `day` (an ordinal). What comes late, from a day that is over, is left out."""
        if not self.today:
            return Week(day, (), 1, place)
        if day < self.today:
            return self
        week = self if day == self.today else self._closed(day)
        return Week(day, week.days, week.runs + 1, round(week.total + place, 5), week.shape)

    def to_list(self) -> list[Any]:
        """JSON-able."""
        return [self.today, list(self.days), self.runs, self.total, list(self.shape)]

    @classmethod
    def from_list(cls, kept: Sequence[Any]) -> Week:
        """The week that `to_list` wrote. Raises ValueError or TypeError on anything else."""
        today, days, runs, total, shape = kept
        return cls(today, tuple(days), runs, total, tuple(shape))

    def _closed(self, day: int) -> Week:
        mean = round(self.total / self.runs * THOUSANDTHS)
        days = (*self.days, mean, *[None] * min(day - self.today - 1, DAYS))[-DAYS:]
        return Week(day, days, shape=_shape(days, day, known=bool(self.shape)))


class _Kind(NamedTuple):
    """Weekdays that are alike, how far from the middle of its week each such day was, and what that is mostly."""

    weekdays: tuple[int, ...]
    away: tuple[float, ...]
    level: float


def _kind(weekdays: tuple[int, ...], away: tuple[float, ...], known: bool) -> _Kind:
    """A season must show in the means. Once it is known, a few wild days don't end it: the outermost don't count."""
    inner = sorted(away)
    cut = max(len(inner) // OUTERMOST, 1) if known and len(inner) > 3 else 0
    inner = inner[cut : len(inner) - cut]
    return _Kind(weekdays, away, sum(inner) / len(inner))


def weekday(day: int) -> int:
    """Of an ordinal: 0 is Monday."""
    return (day - 1) % WEEK


def _shape(days: Sequence[int | None], today: int, *, known: bool) -> tuple[float, ...]:
    away = _away(days, today)
    kinds = [_kind((weekday,), tuple(seen), known) for weekday, seen in away.items() if len(seen) >= FEWEST_WEEKS]
    apart = [kind.level for kind in kinds]
    if not apart or max(apart) - min(apart) < WORTH_IT:
        return ()
    kinds = _joined(kinds, known)
    if len(kinds) < 2:
        return ()
    levels = {weekday: median(kind.away) for kind in kinds for weekday in kind.weekdays}
    middle = median(levels.values())
    return tuple(round(levels.get(weekday, middle) - middle, 3) for weekday in range(WEEK))


def _away(days: Sequence[int | None], today: int) -> Mapping[int, list[float]]:
    """By weekday: how far each such day was from the median of its week. Weeks end yesterday; only whole ones count."""
    found: dict[int, list[float]] = {weekday: [] for weekday in range(WEEK)}
    for end in range(len(days), WEEK - 1, -WEEK):
        seen = [(end - WEEK + n, day / THOUSANDTHS) for n, day in enumerate(days[end - WEEK : end]) if day is not None]
        if len(seen) < 2:
            continue
        middle = median(place for _, place in seen)
        for number, place in seen:
            found[weekday(today - len(days) + number)].append(place - middle)
    return found


def _joined(kinds: list[_Kind], known: bool) -> list[_Kind]:
    """The kinds of days that are left when those that don't clearly differ are taken together, the nearest first."""
    error = _error(kinds, known)
    kinds = sorted(kinds, key=lambda kind: kind.level)
    while len(kinds) > 1:
        distances = [_distance(*pair, error) for pair in pairwise(kinds)]
        nearest = min(distances)
        if nearest >= (STILL if known else CLEARLY):
            break
        at = distances.index(nearest)
        low, high = kinds[at : at + 2]
        kinds[at : at + 2] = [_kind(low.weekdays + high.weekdays, low.away + high.away, known)]
    return kinds


def _distance(low: _Kind, high: _Kind, error: float) -> float:
    """In standard errors; 0 for what is not worth it."""
    apart = high.level - low.level
    return apart / (error * math.sqrt(1 / len(low.away) + 1 / len(high.away))) if apart >= WORTH_IT else 0.0


def _error(kinds: Sequence[_Kind], known: bool) -> float:
    """The standard deviation of days from others of their weekday; once a season is known, without the outermost."""
    away = sorted(abs(away - kind.level) for kind in kinds for away in kind.away)
    free = len(away) - len(kinds)  # At least FEWEST_WEEKS of each: never 0.
    squares = sum(one**2 for one in away[: len(away) - known * len(away) // OUTERMOST])
    return max((1 + known * TRIMMED) * math.sqrt(squares / free), LEAST_ERROR) * (1 + FEW_WEEKS / free)
