"""The moments a schedule plans: a pattern of wall times, laid over the stretches of a zone.

Where clocks change, the kinds differ, and all three follow their original:

- cron with a star in front of the minute or the hour runs whenever the wall clock matches: in an hour that is
  skipped not at all, in an hour that comes twice both times;
- cron at fixed times (Debian's cron, man 8 cron) runs a skipped time at once when clocks have gone forward, and a
  repeated time only the first time;
- OnCalendar leaves a skipped time out, and plans a repeated time only the first time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from statistics import median

from tokiflow.core.schedule import pattern, zones
from tokiflow.core.schedule.kinds import Calendar, Cron, Every, Schedule
from tokiflow.core.schedule.pattern import Pattern
from tokiflow.core.schedule.zones import SECOND, Stretch

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
LEDGER_LIMIT = 10_000
_GAPS_FOR_PERIOD = 12


@dataclass(frozen=True, eq=False)
class Plan:
    """One pattern in one zone. `once`: a repeated wall time counts once. `catches_up`: a skipped one runs late."""

    pattern: Pattern
    timezone: str
    once: bool
    catches_up: bool

    def first(self, moment: datetime) -> datetime | None:
        """The earliest run at or after `moment`, both naive UTC in whole seconds; None if 40 years have none."""
        horizon = moment.year + pattern.YEARS_TO_SEARCH
        for stretch in zones.stretches_from(self.timezone, moment):
            if moment <= stretch.start and self.caught_up(stretch):
                return stretch.start
            wall = self.pattern.first(max(moment + stretch.offset, self.opening(stretch)))
            if wall is None or stretch.start.year > horizon:
                return None
            if wall - stretch.offset < stretch.end:
                return wall - stretch.offset
        return None

    def last(self, moment: datetime) -> datetime | None:
        """The latest run at or before `moment`; None if the 40 years before have none."""
        horizon = moment.year - pattern.YEARS_TO_SEARCH
        for stretch in zones.stretches_back(self.timezone, moment):
            wall = self.pattern.last(min(moment, stretch.end - SECOND) + stretch.offset)
            if wall is not None and wall >= self.opening(stretch):
                return wall - stretch.offset
            if self.caught_up(stretch):
                return stretch.start
            if wall is None or stretch.end.year < horizon:
                return None
        return None

    def skipped(self, stretch: Stretch) -> list[datetime]:
        """The wall times of the pattern that never happen because clocks went forward into `stretch`."""
        return list(self._walls(stretch.start + stretch.before, stretch.start + stretch.offset))

    def repeated(self, stretch: Stretch) -> list[datetime]:
        """The wall times of the pattern that happen twice because clocks went back into `stretch`."""
        return list(self._walls(stretch.start + stretch.offset, stretch.start + stretch.before))

    def opening(self, stretch: Stretch) -> datetime:
        """The first wall time that counts in `stretch`."""
        return stretch.start + (max(stretch.offset, stretch.before) if self.once else stretch.offset)

    def caught_up(self, stretch: Stretch) -> bool:
        """Whether a run that was skipped is made up for at the very start of `stretch`."""
        if not (self.catches_up and stretch.skips):
            return False
        missed = self.pattern.first(stretch.start + stretch.before)
        return missed is not None and missed < stretch.start + stretch.offset

    def _walls(self, start: datetime, end: datetime) -> Iterator[datetime]:
        wall = self.pattern.first(start)
        while wall is not None and wall < end:
            yield wall
            wall = self.pattern.first(wall + SECOND)


@lru_cache(maxsize=8192)
def plans(schedule: Cron | Calendar) -> tuple[Plan, ...]:
    """The plans behind a schedule: one for cron, one a line for a calendar.

    Raises ValueError if the expression cannot be read (NotAnExpression) or a zone does not exist.
    """
    if isinstance(schedule, Cron):
        return (_cron_plan(schedule),)
    lines = (line.strip() for line in schedule.expression.splitlines())
    return tuple(_calendar_plan(line, schedule.timezone) for line in lines if line)


def _cron_plan(schedule: Cron) -> Plan:
    zones.zone(schedule.timezone)
    expression = cron_fields(schedule.expression)
    minute, hour, *_ = expression.split()
    fixed = not minute.startswith("*") and not hour.startswith("*")
    return Plan(pattern.of_cron(expression), schedule.timezone, once=fixed, catches_up=fixed)


def cron_fields(expression: str) -> str:
    """The five fields behind `expression`, an alias resolved. Raises NotAnExpression if there are not five."""
    text = ALIASES.get(expression.strip().lower(), expression)
    if len(text.split()) != 5:
        raise pattern.NotAnExpression("Wrong number of fields")
    return text


def _calendar_plan(line: str, timezone: str) -> Plan:
    """A line may end in a zone of its own: `Mon..Fri 09:00 Europe/Riga`."""
    text, _, tail = line.rpartition(" ")
    if text and zones.exists(tail):
        line, timezone = text, tail
    zones.zone(timezone)
    return Plan(pattern.of_calendar(line.strip()), timezone, once=True, catches_up=False)


def next_after(schedule: Schedule, moment: datetime) -> datetime:
    """The first planned run strictly after `moment`, both aware; the answer is in UTC.

    `Every` has no times of its own and counts from `moment`. Raises ValueError for a naive moment, for an
    expression `parse` would refuse, and where the calendar ends (before the year 2, after 9990).
    """
    utc = naive_utc(moment)
    if isinstance(schedule, Every):
        return _aware(_plus(utc, schedule.seconds))
    start = utc.replace(microsecond=0) + SECOND
    runs = [run for plan in plans(schedule) if (run := plan.first(start)) is not None]
    if not runs:
        raise ValueError("this schedule has no run within the next 40 years")
    return _aware(min(runs))


def previous_before(schedule: Schedule, moment: datetime) -> datetime | None:
    """The last planned run strictly before `moment` in UTC; None for `Every`, and if 40 years had none.

    Raises ValueError as `next_after` does.
    """
    utc = naive_utc(moment)
    if isinstance(schedule, Every):
        return None
    end = utc.replace(microsecond=0) - (timedelta(0) if utc.microsecond else SECOND)
    runs = [run for plan in plans(schedule) if (run := plan.last(end)) is not None]
    return _aware(max(runs)) if runs else None


def expected_between(schedule: Schedule, start: datetime, end: datetime, limit: int = LEDGER_LIMIT) -> list[datetime]:
    """The runs planned after `start`, up to and including `end`, oldest first, at most `limit` of them.

    Windows that touch therefore never count a run twice. For `Every` they are counted from `start`.
    """
    runs: list[datetime] = []
    moment, last = start, _aware(naive_utc(end))
    while len(runs) < limit and (moment := next_after(schedule, moment)) <= last:
        runs.append(moment)
    return runs


def period_seconds(schedule: Schedule, around: datetime) -> float:
    """The usual distance between runs near `around`, in seconds: the median of the next dozen gaps."""
    if isinstance(schedule, Every):
        return float(schedule.seconds)
    runs = [next_after(schedule, around)]
    for _ in range(_GAPS_FOR_PERIOD):
        runs.append(next_after(schedule, runs[-1]))
    return float(median((after - before).total_seconds() for before, after in pairwise(runs)))


def naive_utc(moment: datetime) -> datetime:
    """UTC without its label: comparing and adding naive datetimes costs half as much."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError("a moment needs a time zone: pass an aware datetime")
    if not zones.FIRST_YEAR <= moment.year <= zones.LAST_YEAR:
        raise ValueError(f"the year {moment.year} is outside the years that can be planned for")
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).replace(tzinfo=None)


def _plus(moment: datetime, seconds: int) -> datetime:
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError as error:
        raise ValueError("that is after the end of the calendar") from error


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
