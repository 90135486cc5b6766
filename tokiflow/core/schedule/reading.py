"""What people and programs write as a schedule: checked, and where it is wrong, said what to write instead.

Whatever comes in, the answer is a Schedule or Invalid, after bounded work.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import pairwise
from typing import NoReturn

from tokiflow.core.schedule import runs, zones
from tokiflow.core.schedule.kinds import LONGEST_EVERY, SHORTEST_EVERY, Calendar, Cron, Every, Schedule
from tokiflow.core.schedule.pattern import NotAnExpression, Pattern, of_cron
from tokiflow.errors import Invalid

LONGEST_CRON = 500
LONGEST_LINE = 200
MOST_LINES = 20
MOST_DAYS_APART = 366
_CYCLE_START, _CYCLE_END = date(2000, 1, 1), date(2028, 1, 1)

_NEVER = "This never fires: none of its months has such a day. Choose a day that exists."
_CRON_HINTS = {
    "Bad minute": "The minute, the first field, is 0 to 59, for example */15.",
    "Bad hour": "The hour, the second field, is 0 to 23, for example 9-17.",
    "Bad day-of-month": "The day of the month, the third field, is 1 to 31 in a month that has it, or L for the last.",
    "Bad month": "The month, the fourth field, is 1 to 12 or JAN to DEC.",
    "Bad day-of-week": "The weekday, the fifth field, is 0 to 7 or SUN to SAT, such as 1-5, 5L or MON#1.",
}
_CALENDAR_HINTS = {
    "Bad day-of-week": "Weekdays are Mon to Sun, such as Mon..Fri or Mon,Thu.",
    "Bad year": "Write * for the year.",
    "Bad month": "The month is 1 to 12 or *.",
    "Bad day-of-month": "The day of the month is 1 to 31, * or, counted from the end, as in *-*~1.",
    "Bad hour": "The hour is 0 to 23 or *.",
    "Bad minute": "The minute is 0 to 59, *, or a step such as 0/15.",
    "Bad second": "The second is 0 to 59, without decimals.",
    "Bad date": "A date is written *-*-01 or *-12-24.",
    "Bad time": "A time is written 09:00 or 09:00:30.",
    "Wrong number of fields": "A line is weekday, date and time, such as Mon..Fri *-*-* 09:00.",
}


class _Refused(ValueError):
    """Why one value cannot be used, and what to write instead."""


def parse(kind: object, *, seconds: object = None, expression: object = None, timezone: object = None) -> Schedule:
    """The schedule that was described.

    `kind` is "every" (with `seconds`), "cron" or "calendar" (with `expression` and `timezone`); what belongs to
    another kind is ignored. Raises Invalid with sentences under "schedule.kind", "schedule.seconds",
    "schedule.expression" and "schedule.timezone".
    """
    if kind == Every.kind:
        return _every(seconds)
    if kind == Cron.kind:
        return Cron(*_expression_in_zone(_cron_text, expression, timezone))
    if kind == Calendar.kind:
        return Calendar(*_expression_in_zone(_calendar_text, expression, timezone))
    raise Invalid({"schedule.kind": ["Choose every, cron or calendar."]})


def _every(seconds: object) -> Every:
    try:
        return Every(_seconds(seconds))
    except _Refused as refused:
        raise Invalid({"schedule.seconds": [str(refused)]}) from refused


def _seconds(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Refused("Write a whole number of seconds, such as 3600 for every hour.")
    if value < SHORTEST_EVERY:
        raise _Refused(f"The shortest is every {SHORTEST_EVERY} seconds.")
    if value > LONGEST_EVERY:
        raise _Refused(f"The longest is every 365 days, which is {LONGEST_EVERY} seconds.")
    return value


def _expression_in_zone(read: Callable[[object, str], str], expression: object, timezone: object) -> tuple[str, str]:
    """Both values checked, so that somebody with two mistakes hears of both at once."""
    wrong: dict[str, list[str]] = {}
    zone, text = "UTC", ""
    try:
        zone = _zone(timezone)
    except _Refused as refused:
        wrong["schedule.timezone"] = [str(refused)]
    try:
        text = read(expression, zone)
    except _Refused as refused:
        wrong["schedule.expression"] = [str(refused)]
    if wrong:
        raise Invalid(wrong)
    return text, zone


def _zone(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Refused("Write the time zone the expression is meant in, such as Europe/Berlin or UTC.")
    name = value.strip()
    if zones.exists(name):
        return name
    meant = zones.closest(name)
    if meant:
        raise _Refused(f"There is no time zone of that name. Did you mean {meant}?")
    raise _Refused("There is no time zone of that name. Write one such as Europe/Berlin, America/New_York or UTC.")


def _cron_text(value: object, zone: str) -> str:
    text = " ".join(_text(value, LONGEST_CRON, "0 2 * * * for every day at 02:00").split())
    _refuse_shape(text)
    try:
        plans = runs.plans(Cron(text, zone))
    except NotAnExpression as error:
        raise _Refused(_cron_mistake(text, str(error))) from error
    _refuse_rare([plan.pattern for plan in plans])
    return text


def _refuse_shape(text: str) -> None:
    """Refuse what is not five cron fields or an alias, before any library looks at it."""
    if text.startswith("@") and text.lower() not in runs.ALIASES:
        raise _Refused(f"Of the names with @ these can be used: {', '.join(runs.ALIASES)}.")
    fields = text.split()
    if not text.startswith("@") and len(fields) != 5:
        _refuse_fields(fields)
    if "?" in text:
        raise _Refused("Write * instead of ?: cron here has five fields and no question mark.")


def _cron_mistake(text: str, found: str) -> str:
    """What is wrong with five fields. The library also calls a day bad that none of the named months has."""
    if found == "Bad day-of-month" and _can_be_read(f"0 0 {text.split()[2]} 1 *"):
        return _NEVER
    return f"This cron expression cannot be read. {_CRON_HINTS.get(found, '')}".strip()


def _can_be_read(expression: str) -> bool:
    try:
        of_cron(expression)
    except NotAnExpression:
        return False
    return True


def _refuse_fields(fields: list[str]) -> NoReturn:
    wanted = "cron has five: minute, hour, day of the month, month, weekday"
    if len(fields) == 6 and all(field[0] in "*0123456789" for field in fields):
        raise _Refused(f"This has 6 fields; {wanted}. Leave out the seconds or the year.")
    if len(fields) > 5:
        raise _Refused(f"This has {len(fields)} fields; {wanted}. Leave out the user and the command.")
    raise _Refused(f"This has {len(fields)} of the fields; {wanted}, such as 0 2 * * *.")


def _calendar_text(value: object, zone: str) -> str:
    text = _text(value, MOST_LINES * (LONGEST_LINE + 1), "Mon..Fri 09:00")
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_LINES:
        raise _Refused(f"Write at most {MOST_LINES} lines.")
    for number, line in enumerate(lines, start=1):
        where = f"Line {number}" if len(lines) > 1 else "This calendar expression"
        _check_line(line, zone, where)
    schedule = Calendar("\n".join(lines), zone)
    _refuse_rare([plan.pattern for plan in runs.plans(schedule)])
    return schedule.expression


def _check_line(line: str, zone: str, where: str) -> None:
    if len(line) > LONGEST_LINE:
        raise _Refused(f"{where} is longer than {LONGEST_LINE} characters. Split it into several lines.")
    try:
        runs.plans(Calendar(line, zone))
    except NotAnExpression as error:
        hint = _CALENDAR_HINTS.get(str(error), "")
        raise _Refused(f"{where} cannot be read. {hint}".strip()) from error


def _text(value: object, longest: int, example: str) -> str:
    """The value as a text worth looking at: not empty, not huge, and nothing unprintable in it."""
    if not isinstance(value, str) or not value or (len(value) <= longest and not value.strip()):
        raise _Refused(f"Write an expression, such as {example}.")
    if len(value) > longest:
        raise _Refused(f"This is longer than {longest} characters. Write an expression such as {example}.")
    if not all(character.isascii() and (character.isprintable() or character in "\t\r\n") for character in value):
        raise _Refused(f"Write plain letters, digits and signs only, such as {example}.")
    return value


def _refuse_rare(patterns: list[Pattern]) -> None:
    """Refuse what never fires, ends, or lets more than 366 days pass."""
    lasting = [pattern for pattern in patterns if pattern.years is None]
    apart = _most_days_apart(lasting)
    if apart is not None and apart <= MOST_DAYS_APART:
        return
    if len(lasting) < len(patterns):
        raise _Refused("A schedule that names years comes to an end. Write * for the year, or leave it out.")
    if apart is None:
        raise _Refused(_NEVER)
    raise _Refused(
        f"This lets up to {apart:,} days pass between runs; at most {MOST_DAYS_APART} can be watched. "
        "Choose a date that every year has."
    )


def _most_days_apart(patterns: list[Pattern]) -> int | None:
    """The longest wait between two days with a run, or None if there is no such day.

    Looked at over 28 years, after which dates meet the same weekdays again and everything repeats.
    """
    days = _days_with_a_run(patterns)
    if not days:
        return None
    again = days[0] + _CYCLE_END.toordinal() - _CYCLE_START.toordinal()
    return max(after - before for before, after in pairwise([*days, again]))


def _days_with_a_run(patterns: list[Pattern]) -> list[int]:
    """The first and the last matching day of each month of the cycle, as ordinals: between them it is never long."""
    found: list[int] = []
    for year in range(_CYCLE_START.year, _CYCLE_END.year):
        for month in range(1, 13):
            days = [day for pattern in patterns for day in pattern.days(year, month)]
            found += [date(year, month, day).toordinal() for day in sorted({min(days), max(days)})] if days else []
    return found
