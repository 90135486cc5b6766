"""Which wall-clock times an expression names, and finding the nearest one quickly, forwards and back.

The libraries read the expressions and decide which days match; the walking is ours, because they go minute by
minute and day by day from where they stand, and OnCalendar cannot go back at all.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time

from cronsim import CronSim, CronSimError
from oncalendar import MAX_YEAR, BaseIterator, OnCalendarError

# The shapes of months repeat after 28 years, or 40 around a year like 2100 that leaves out its leap day.
YEARS_TO_SEARCH = 40
_ANY_TIME = datetime(2001, 1, 1, tzinfo=UTC)


class NotAnExpression(ValueError):
    """The text cannot be read. The message is the library's short hint, such as `Bad hour`."""


class Pattern:
    """Wall-clock times: on the days that `matches` in `months` (and `years`, or all), at `minutes` × `seconds`."""

    def __init__(
        self,
        matches: Callable[[date], bool],
        *,
        hours: set[int],
        minutes: set[int],
        seconds: set[int],
        months: set[int],
        years: frozenset[int] | None = None,
    ) -> None:
        self.hours = tuple(sorted(hours))
        self.minutes = tuple(sorted(minutes))
        self.seconds = tuple(sorted(seconds))
        self.months = frozenset(months)
        self.years = years
        self._matches = matches
        self._minutes_of_day = array("H", (hour * 60 + minute for hour in self.hours for minute in self.minutes))
        # Only the first weekday and the length of a month decide which of its days match: 28 shapes in all.
        self._days_by_shape: dict[tuple[int, int], tuple[int, ...]] = {}

    def first(self, wall: datetime) -> datetime | None:
        """The earliest match at or after `wall` (whole seconds), or None if the next 40 years have none."""
        if self.years is not None and wall.year > max(self.years):
            return None
        days = self.days(wall.year, wall.month)
        at = bisect_left(days, wall.day)
        if at < len(days) and days[at] == wall.day:
            same_day = self._first_in_day(wall)
            if same_day is not None:
                return same_day
            at += 1
        if at < len(days):
            return self._at(wall.year, wall.month, days[at], 0)
        for year, month in _months_after(wall.year, wall.month):
            if days := self.days(year, month):
                return self._at(year, month, days[0], 0)
        return None

    def last(self, wall: datetime) -> datetime | None:
        """The latest match at or before `wall` (whole seconds), or None if the 40 years before have none."""
        if self.years is not None and wall.year < min(self.years):
            return None
        days = self.days(wall.year, wall.month)
        at = bisect_right(days, wall.day) - 1
        if at >= 0 and days[at] == wall.day:
            same_day = self._last_in_day(wall)
            if same_day is not None:
                return same_day
            at -= 1
        if at >= 0:
            return self._at(wall.year, wall.month, days[at], -1)
        for year, month in _months_before(wall.year, wall.month):
            if days := self.days(year, month):
                return self._at(year, month, days[-1], -1)
        return None

    def days(self, year: int, month: int) -> tuple[int, ...]:
        """The days of that month that match, in order."""
        if month not in self.months or (self.years is not None and year not in self.years):
            return ()
        shape = monthrange(year, month)
        found = self._days_by_shape.get(shape)
        if found is None:
            found = tuple(day for day in range(1, shape[1] + 1) if self._matches(date(year, month, day)))
            self._days_by_shape[shape] = found
        return found

    def seconds_of_day(self) -> Iterator[int]:
        """On a day that matches: the seconds since midnight of each time."""
        return (minute * 60 + second for minute in self._minutes_of_day for second in self.seconds)

    def _first_in_day(self, wall: datetime) -> datetime | None:
        minute = wall.hour * 60 + wall.minute
        at = bisect_left(self._minutes_of_day, minute)
        if at < len(self._minutes_of_day) and self._minutes_of_day[at] == minute:
            second = bisect_left(self.seconds, wall.second)
            if second < len(self.seconds):
                return wall.replace(second=self.seconds[second])
            at += 1
        if at == len(self._minutes_of_day):
            return None
        hour, minute = divmod(self._minutes_of_day[at], 60)
        return wall.replace(hour=hour, minute=minute, second=self.seconds[0])

    def _last_in_day(self, wall: datetime) -> datetime | None:
        minute = wall.hour * 60 + wall.minute
        at = bisect_right(self._minutes_of_day, minute) - 1
        if at >= 0 and self._minutes_of_day[at] == minute:
            second = bisect_right(self.seconds, wall.second) - 1
            if second >= 0:
                return wall.replace(second=self.seconds[second])
            at -= 1
        if at < 0:
            return None
        hour, minute = divmod(self._minutes_of_day[at], 60)
        return wall.replace(hour=hour, minute=minute, second=self.seconds[-1])

    def _at(self, year: int, month: int, day: int, end: int) -> datetime:
        """The first (`end` 0) or last (`end` -1) time of that day."""
        hour, minute = divmod(self._minutes_of_day[end], 60)
        return datetime.combine(date(year, month, day), time(hour, minute, self.seconds[end]))


def of_cron(expression: str) -> Pattern:
    """The pattern of five cron fields. Raises NotAnExpression."""
    try:
        simulator = CronSim(expression, _ANY_TIME)
    except (CronSimError, ValueError) as error:
        raise NotAnExpression(str(error)) from error
    return Pattern(
        simulator.match_day,
        hours=simulator.hours,
        minutes=simulator.minutes,
        seconds=simulator.seconds,
        months=simulator.months,
    )


def of_calendar(line: str) -> Pattern:
    """The pattern of one OnCalendar line without a zone. Raises NotAnExpression."""
    try:
        iterator = BaseIterator(line, _ANY_TIME)
    except (OnCalendarError, ValueError) as error:
        raise NotAnExpression(str(error)) from error
    return Pattern(
        lambda day: iterator.match_dow(day) and iterator.match_dom(day),
        hours=iterator.hours,
        minutes=iterator.minutes,
        seconds=iterator.seconds,
        months=iterator.months,
        years=None if iterator.years == set(range(1970, MAX_YEAR)) else frozenset(iterator.years),
    )


def _months_after(year: int, month: int) -> Iterator[tuple[int, int]]:
    for count in range(year * 12 + month, (year + YEARS_TO_SEARCH) * 12 + month):
        if count < 9999 * 12:
            yield count // 12, count % 12 + 1


def _months_before(year: int, month: int) -> Iterator[tuple[int, int]]:
    for count in range(year * 12 + month - 2, (year - YEARS_TO_SEARCH) * 12 + month - 2, -1):
        if count >= 12:
            yield count // 12, count % 12 + 1
