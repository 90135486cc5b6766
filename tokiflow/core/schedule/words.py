"""A schedule as a person would say it: `every day at 02:00, Berlin`."""

from __future__ import annotations

from cronsim.explain import explain

from tokiflow.core import durations
from tokiflow.core.schedule import runs, zones
from tokiflow.core.schedule.kinds import Calendar, Cron, Every, Schedule
from tokiflow.core.schedule.pattern import Pattern

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MOST_TIMES = 4
_MOST_LINES = 3
_ALL_HOURS = tuple(range(24))


def describe(schedule: Schedule) -> str:
    """A plain sentence without capital or full stop, on the 24-hour clock. Falls back to the expression itself.

    Never raises: a page must be able to show even what cannot be read any more.
    """
    if isinstance(schedule, Every):
        return f"every {_unit(schedule.seconds)}"
    try:
        return _cron(schedule) if isinstance(schedule, Cron) else _calendar(schedule)
    except Exception:
        return _as_written(schedule.expression, schedule.timezone)


def listed(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _unit(seconds: int) -> str:
    """What follows "every": `hour`, `15 minutes`, `1 hour 30 minutes`."""
    words = durations.long(seconds)
    number, _, unit = words.partition(" ")
    return unit if number == "1" and " " not in unit else words


def _cron(schedule: Cron) -> str:
    expression = runs.cron_fields(schedule.expression)
    [plan] = runs.plans(schedule)
    where = zones.city(schedule.timezone)
    if expression.split()[2:] == ["*", "*", "*"]:
        daily = _daily(plan.pattern, where)
        if daily:
            return daily
    sentence = explain(expression)
    return f"{sentence[0].lower()}{sentence[1:]}, {where}"


def _calendar(schedule: Calendar) -> str:
    lines = [line.strip() for line in schedule.expression.splitlines() if line.strip()]
    if len(lines) > _MOST_LINES:
        return f"by {len(lines)} calendar lines, {zones.city(schedule.timezone)}"
    return "; ".join(_line(line, plan) for line, plan in zip(lines, runs.plans(schedule), strict=True))


def _line(line: str, plan: runs.Plan) -> str:
    """One OnCalendar line. Dates stay as they were written: `*-*-01` says as much as any sentence about it."""
    where = zones.city(plan.timezone)
    if "-" not in line and "~" not in line:
        if plan.pattern.days(2001, 1) == tuple(range(1, 32)):
            daily = _daily(plan.pattern, where)
            if daily:
                return daily
        times = _times(plan.pattern)
        if times:
            return f"at {times} on {_weekdays(plan.pattern)}, {where}"
    return _as_written(line.removesuffix(plan.timezone).rstrip(), plan.timezone)


def _daily(pattern: Pattern, where: str) -> str:
    """A pattern that is the same every day, or an empty text if it has too many times to name."""
    rhythm = _rhythm(pattern)
    if rhythm:
        return rhythm
    times = _times(pattern)
    return f"every day at {times}, {where}" if times else ""


def _rhythm(pattern: Pattern) -> str:
    """`every 15 minutes`, `every 6 hours`: times that lie evenly over the whole day."""
    if pattern.seconds != (0,):
        return ""
    if pattern.hours == _ALL_HOURS and (step := _step(pattern.minutes, 60)):
        return f"every {_unit(step * 60)}"
    if len(pattern.minutes) == 1 and (step := _step(pattern.hours, 24)) and step < 24:
        past = pattern.minutes[0]
        return f"every {_unit(step * 3600)}" + (f", at {past} minutes past" if past else "")
    return ""


def _step(values: tuple[int, ...], size: int) -> int | None:
    """The even distance between `values`, which start at 0 and go round a clock of `size`; or None."""
    step = size // len(values)
    return step if values == tuple(range(0, size, step)) and size % step == 0 else None


def _times(pattern: Pattern) -> str:
    if pattern.seconds != (0,) or len(pattern.hours) * len(pattern.minutes) > _MOST_TIMES:
        return ""
    return listed([f"{hour:02}:{minute:02}" for hour in pattern.hours for minute in pattern.minutes])


def _weekdays(pattern: Pattern) -> str:
    """`Monday to Friday`, `Monday and Thursday`. January 2001 began on a Monday."""
    days = [day - 1 for day in pattern.days(2001, 1) if day <= 7]
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):
        return f"{_WEEKDAYS[days[0]]} to {_WEEKDAYS[days[-1]]}"
    return listed([_WEEKDAYS[day] for day in days])


def _as_written(expression: str, timezone: str) -> str:
    return f"{'; '.join(str(expression).splitlines())}, {zones.city(str(timezone))}"
