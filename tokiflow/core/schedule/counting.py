"""How many runs a schedule plans in a stretch of time: reckoned day by day, however many there are in one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import takewhile

from tokiflow.core.schedule import runs, zones
from tokiflow.core.schedule.kinds import Every, Schedule
from tokiflow.core.schedule.pattern import Pattern
from tokiflow.core.schedule.runs import Plan
from tokiflow.core.schedule.zones import SECOND, Stretch

_DAY = timedelta(days=1)


def count_between(schedule: Schedule, start: datetime, end: datetime) -> int:
    """How many runs are planned after `start`, up to and including `end`: as many as `expected_between` lists.

    It takes a fraction of a millisecond for a month of days. Lines of a calendar that name different zones are counted
    each by itself. Raises ValueError as `next_after` does.
    """
    first, last = runs.naive_utc(start), runs.naive_utc(end)
    if isinstance(schedule, Every):
        return max(0, (last - first) // timedelta(seconds=schedule.seconds))
    by_zone: dict[str, list[Plan]] = {}
    for plan in runs.plans(schedule):
        by_zone.setdefault(plan.timezone, []).append(plan)
    first, last = first.replace(microsecond=0) + SECOND, last.replace(microsecond=0) + SECOND
    return sum(_count(plans, first, last) for plans in by_zone.values())


def _count(plans: Sequence[Plan], first: datetime, end: datetime) -> int:
    """The runs of `plans`, all of one zone, from `first` up to, not including, `end`: naive UTC in whole seconds."""
    if first >= end:
        return 0
    stretches = takewhile(lambda one: one.start < end, zones.stretches_from(plans[0].timezone, first))
    times = _times(tuple(plans))
    return sum(_in_stretch(plans[0], times, one, max(first, one.start), min(end, one.end)) for one in stretches)


def _in_stretch(plan: Plan, times: _Times, stretch: Stretch, first: datetime, end: datetime) -> int:
    """All plans of a schedule follow the rules of `plan` where clocks change."""
    opening = max(first + stretch.offset, plan.opening(stretch))
    made_up = first == stretch.start and plan.caught_up(stretch) and times.count(opening, opening + SECOND) == 0
    return made_up + times.count(opening, end + stretch.offset)


@lru_cache(maxsize=16)
def _times(plans: tuple[Plan, ...]) -> _Times:
    """Few are kept, for each may hold all seconds of a day."""
    return _Times([plan.pattern for plan in plans])


class _Times:
    """The wall times of several patterns together."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        self._by_patterns: dict[tuple[bool, ...], list[int]] = {}

    def count(self, first: datetime, end: datetime) -> int:
        """How many there are from `first` up to, not including, `end`."""
        if first >= end:
            return 0
        days = list(_days(first.date(), end.date()))
        found = sum(len(self._of_day(day)) for day in days[:-1])
        return found - self._before(first) + self._before(end)

    def _before(self, wall: datetime) -> int:
        """How many there are on that day before that time."""
        return bisect_left(self._of_day(wall.date()), (wall.hour * 60 + wall.minute) * 60 + wall.second)

    def _of_day(self, day: date) -> list[int]:
        """The seconds since midnight at which there is one. Most days are like others."""
        which = tuple(day.day in pattern.days(day.year, day.month) for pattern in self._patterns)
        if which not in self._by_patterns:
            chosen = [pattern for pattern, runs in zip(self._patterns, which, strict=True) if runs]
            self._by_patterns[which] = sorted({second for pattern in chosen for second in pattern.seconds_of_day()})
        return self._by_patterns[which]


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY
