"""A schedule as a person would say it: `every day at 02:00, Berlin`."""

from __future__ import annotations

from functools import lru_cache

from cronsim.explain import explain

from tokiflow.core import durations
from tokiflow.core.schedule import runs, zones
from tokiflow.core.schedule.kinds import Calendar, Cron, Every, Schedule
from tokiflow.core.schedule.pattern import Pattern

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MOST_TIMES = 6
_MOST_LINES = 3
_ALL_HOURS = tuple(range(24))


def describe(schedule: Schedule) -> str:
    """A plain sentence without capital or full stop, on the 24-hour clock. Falls back to the expression itself.

    Never raises: a page must be able to show even what cannot be read any more.
    """
    try:
        return _known_words(schedule)
    except Exception:
        return ", ".join(str(value) for value in vars(schedule).values())


def listed(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


@lru_cache(maxsize=10_000)
def _known_words(schedule: Schedule) -> str:
    return _words(schedule)


def _words(schedule: Schedule) -> str:
    if isinstance(schedule, Every):
        return f"every {_unit(schedule.seconds)}"
    return _cron(schedule) if isinstance(schedule, Cron) else _calendar(schedule)


def _cron(schedule: Cron) -> str:
    expression = runs.cron_fields(schedule.expression)
    [plan] = runs.plans(schedule)
    _, _, day, month, weekday = expression.split()
    words = ""
    if day == month == "*":
        words = _by_weekday(plan)
    elif weekday == "*" and day.isdigit() and month.isdigit():
        times = _times(plan.pattern)
        words = f"at {times} on {int(day)} {_MONTHS[int(month) - 1]}, {zones.city(plan.timezone)}" if times else ""
    return words or _explained(expression, plan.timezone)


def _explained(expression: str, timezone: str) -> str:
    """The library's sentence, which knows every form there is."""
    sentence = explain(expression).replace(" day of month", " day of the month")
    return f"{sentence[0].lower()}{sentence[1:]}, {zones.city(timezone)}"


def _calendar(schedule: Calendar) -> str:
    lines = [line.strip() for line in schedule.expression.splitlines() if line.strip()]
    if len(lines) > _MOST_LINES:
        return f"by {len(lines)} calendar lines, {zones.city(schedule.timezone)}"
    return "; ".join(_line(line, plan) for line, plan in zip(lines, runs.plans(schedule), strict=True))


def _line(line: str, plan: runs.Plan) -> str:
    """One OnCalendar line. Dates stay as they were written: `*-*-01` says as much as any sentence about it."""
    words = _by_weekday(plan) if plan.pattern.years is None and len(plan.pattern.months) == 12 else ""
    return words or _as_written(line.removesuffix(plan.timezone).rstrip(), plan.timezone)


def _by_weekday(plan: runs.Plan) -> str:
    """Words for a pattern that is the same every day, or on some weekdays; empty if it is not that simple."""
    pattern, where = plan.pattern, zones.city(plan.timezone)
    days = _weekdays(pattern)
    rhythm, span, times = _rhythm(pattern), _span(pattern), _times(pattern)
    if days == "every day":
        # An even rhythm is understood without naming a zone.
        return rhythm or (span and f"{span}, {where}") or (times and f"every day at {times}, {where}")
    often = rhythm or span or (times and f"at {times}")
    return f"{often} on {days}, {where}" if often and days else ""


def _rhythm(pattern: Pattern) -> str:
    """`every 15 minutes`, `every 6 hours`: times that lie evenly over the whole day."""
    if pattern.hours == _ALL_HOURS and (often := _within_the_hour(pattern)):
        return often
    if pattern.seconds == (0,) and len(pattern.minutes) == 1 and (step := _step(pattern.hours, 24)) and step < 24:
        past = pattern.minutes[0]
        return f"every {_unit(step * 3600)}" + (f", at {past} minutes past" if past else "")
    return ""


def _span(pattern: Pattern) -> str:
    """`every hour from 09:00 to 17:00`, `every 15 minutes from 09:00 to 17:45`."""
    first, last = pattern.hours[0], pattern.hours[-1]
    often = _within_the_hour(pattern)
    if not often or len(pattern.hours) < 2 or pattern.hours != tuple(range(first, last + 1)):
        return ""
    return f"{often} from {first:02}:00 to {last:02}:{pattern.minutes[-1]:02}"


def _within_the_hour(pattern: Pattern) -> str:
    """`every 15 minutes`, `every hour`: minutes that go evenly round the clock from :00."""
    step = _step(pattern.minutes, 60) if pattern.seconds == (0,) else None
    return f"every {_unit(step * 60)}" if step else ""


def _step(values: tuple[int, ...], size: int) -> int | None:
    """The even distance between `values`, which start at 0 and go round a clock of `size`; or None."""
    step = size // len(values)
    return step if values == tuple(range(0, size, step)) and size % step == 0 else None


def _times(pattern: Pattern) -> str:
    if pattern.seconds != (0,) or len(pattern.hours) * len(pattern.minutes) > _MOST_TIMES:
        return ""
    return listed([f"{hour:02}:{minute:02}" for hour in pattern.hours for minute in pattern.minutes])


def _weekdays(pattern: Pattern) -> str:
    """`every day`, `Monday to Friday`, `Monday and Thursday`, or empty if the day of the month matters as well."""
    # January 2001 began on a Monday, so its days 1 to 7 stand for the week.
    month = pattern.days(2001, 1)
    week = [day - 1 for day in month if day <= 7]
    if month != tuple(day for day in range(1, 32) if (day - 1) % 7 in week):
        return ""
    if len(week) == 7:
        return "every day"
    if len(week) > 2 and week == list(range(week[0], week[-1] + 1)):
        return f"{_WEEKDAYS[week[0]]} to {_WEEKDAYS[week[-1]]}"
    return listed([_WEEKDAYS[day] for day in week])


def _unit(seconds: int) -> str:
    """What follows "every": `hour`, `15 minutes`, `1 hour 30 minutes`."""
    words = durations.long(seconds)
    number, _, unit = words.partition(" ")
    return unit if number == "1" and " " not in unit else words


def _as_written(expression: str, timezone: str) -> str:
    return f"{'; '.join(expression.splitlines())}, {zones.city(timezone)}"
