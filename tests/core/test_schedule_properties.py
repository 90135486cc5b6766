"""Schedules against the libraries they follow, and against somebody who walks through every minute with a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oncalendar import BaseIterator, OnCalendar

from tokiflow.core import schedule
from tokiflow.core.schedule import Calendar, Cron, Every
from tokiflow.errors import Invalid

MINUTE = timedelta(minutes=1)
WHOLE_HOURS = ["UTC", "Europe/Berlin", "America/New_York", "Africa/Casablanca", "America/Santiago", "Asia/Kathmandu"]
ZONES = [*WHOLE_HOURS, "Australia/Lord_Howe", "Pacific/Apia", "Antarctica/Troll", "America/Havana", "Asia/Beirut"]
WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

SOME_DAY = datetime(2005, 1, 1, tzinfo=UTC)
moments = st.integers(0, 30 * 365 * 86_400 * 1000).map(lambda passed: SOME_DAY + timedelta(milliseconds=passed))


@st.composite
def fields(draw, low: int, high: int, *extra: str) -> str:
    """One cron field: a star, steps, a number, a list or a range."""
    value = st.integers(low, high)
    form = draw(st.sampled_from(["*", "*/", "one", "list", "range", "range/", *extra]))
    if form == "*/":
        return f"*/{draw(st.integers(1, high))}"
    if form == "one":
        return str(draw(value))
    if form == "list":
        return ",".join(str(item) for item in draw(st.lists(value, min_size=1, max_size=4)))
    if form.startswith("range"):
        first, last = sorted(draw(st.tuples(value, value)))
        return f"{first}-{last}" + (f"/{draw(st.integers(1, 12))}" if form == "range/" else "")
    return form


days = st.one_of(st.just("*"), fields(1, 31, "L", "LW"))
months = st.one_of(st.just("*"), fields(1, 12, "JAN", "MAR-OCT"))
weekdays = st.one_of(st.just("*"), fields(0, 7, "MON#1", "5L", "2#3", "SAT,SUN", "MON-FRI"))
cron_texts = st.builds(" ".join, st.tuples(fields(0, 59), fields(0, 23), days, months, weekdays))


@st.composite
def calendar_texts(draw) -> str:
    """One OnCalendar line."""
    weekday = draw(st.sampled_from(["", "Mon..Fri ", "Sat,Sun ", "Wed "]))
    date = draw(st.sampled_from(["", "*-*-* ", "*-*-01 ", "*-*~1 ", "*-03,10-20..31 ", "*-*-1..7 "]))
    hour, minute, second = draw(st.integers(0, 23)), draw(st.integers(0, 59)), draw(st.integers(0, 59))
    clock = draw(
        st.sampled_from([f"{hour}:{minute}", "*:00", "*:0/15", f"{hour}:{minute}:{second}", f"0/{hour + 1}:5"])
    )
    return f"{weekday}{date}{clock}"


def accepted(kind: str, expression: str, zone: str) -> Cron | Calendar:
    try:
        plan = schedule.parse(kind, expression=expression, timezone=zone)
    except Invalid:
        assume(False)
    assert not isinstance(plan, Every)
    return plan


def is_second_time(moment: datetime, zone: str) -> bool:
    return moment.astimezone(ZoneInfo(zone)).fold == 1


@given(cron_texts, st.sampled_from(WHOLE_HOURS), moments)
@settings(deadline=None, max_examples=300)
def test_cron_agrees_with_cronsim(expression, zone, moment):
    plan = accepted("cron", expression, zone)
    # Asked within a repeated hour, cronsim answers for the first time round, with a run that is over.
    assume(not is_second_time(moment, zone))
    expected = next(CronSim(expression, moment.astimezone(ZoneInfo(zone)))).astimezone(UTC)
    assert schedule.next_after(plan, moment) == expected


@given(st.lists(calendar_texts(), min_size=1, max_size=3), st.sampled_from(ZONES), moments)
@settings(deadline=None, max_examples=300)
def test_calendars_agree_with_oncalendar(lines, zone, moment):
    plan = accepted("calendar", "\n".join(lines), zone)
    assume(not is_second_time(moment, zone))
    expected = next(OnCalendar("\n".join(lines), moment.astimezone(ZoneInfo(zone)))).astimezone(UTC)
    assert schedule.next_after(plan, moment) == expected


def walls_named(iterator, start: datetime, end: datetime) -> set[datetime]:
    """The wall times an expression names, by a library that is told nothing of zones."""
    return set(takewhile(lambda wall: wall < end, iterator(start - timedelta(seconds=1))))


def walked(walls: set[datetime], zone: str, start: datetime, end: datetime, *, once: bool, late: bool):
    """Somebody looks at the clock on the wall every minute and writes down when a run starts."""
    runs, moment, before = [], start, None
    while moment < end:
        local = moment.astimezone(ZoneInfo(zone))
        wall = local.replace(tzinfo=None, fold=0)
        starts = wall in walls and not (once and local.fold)
        makes_up = late and before is not None and any(before < missed < wall for missed in walls)
        if starts or makes_up:
            runs.append(moment)
        before, moment = max(wall, before or wall), moment + MINUTE
    return runs


# One day before a change of the clocks, and a stretch in peace.
NEAR_CHANGES = [
    ("Europe/Berlin", datetime(2027, 3, 27, 12, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2027, 10, 30, 12, tzinfo=UTC)),
    ("America/New_York", datetime(2027, 3, 13, 12, tzinfo=UTC)),
    ("America/New_York", datetime(2027, 11, 6, 12, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2027, 4, 3, 0, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2027, 10, 2, 0, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 29, 12, tzinfo=UTC)),
    ("Antarctica/Troll", datetime(2027, 3, 27, 12, tzinfo=UTC)),
    ("America/Havana", datetime(2027, 11, 6, 12, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2027, 3, 27, 6, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2027, 12, 31, 6, tzinfo=UTC)),
]
near_changes = st.sampled_from(NEAR_CHANGES)


@given(fields(0, 59), fields(0, 23), near_changes)
@settings(deadline=None, max_examples=150)
def test_cron_agrees_with_somebody_who_walks_through_every_minute(minute, hour, near):
    zone, start = near
    end = start + timedelta(days=2)
    expression = f"{minute} {hour} * * *"
    day = timedelta(days=1)
    naive = (start - day).replace(tzinfo=None), (end + 2 * day).replace(tzinfo=None)
    walls = walls_named(lambda wall: CronSim(expression, wall), *naive)
    fixed = not minute.startswith("*") and not hour.startswith("*")
    expected = walked(walls, zone, start, end, once=fixed, late=fixed)
    plan = accepted("cron", expression, zone)
    assert schedule.expected_between(plan, start - MINUTE, end - MINUTE) == expected


@given(st.sampled_from(["*:00", "*:0/15", "02:30", "1..3:0/20", "00:30", "0/2:5"]), near_changes)
@settings(deadline=None, max_examples=66)
def test_calendars_agree_with_somebody_who_walks_through_every_minute(expression, near):
    zone, start = near
    end, day = start + timedelta(days=2), timedelta(days=1)
    naive = (start - day).replace(tzinfo=None), (end + 2 * day).replace(tzinfo=None)
    walls = walls_named(lambda wall: BaseIterator(expression, wall), *naive)
    expected = walked(walls, zone, start, end, once=True, late=False)
    assert schedule.expected_between(Calendar(expression, zone), start - MINUTE, end - MINUTE) == expected


@given(cron_texts, near_changes, st.integers(-3 * 86_400_000, 0), st.integers(0, 3 * 86_400_000))
@settings(deadline=None, max_examples=200)
def test_as_many_runs_are_counted_as_are_listed(expression, near, before, after):
    zone, change = near
    start, end = change + timedelta(milliseconds=before), change + timedelta(milliseconds=after)
    plan = accepted("cron", expression, zone)
    assert schedule.count_between(plan, start, end) == len(schedule.expected_between(plan, start, end))


@given(st.lists(calendar_texts(), min_size=1, max_size=3), near_changes, st.integers(0, 5 * 86_400_000))
@settings(deadline=None, max_examples=200)
def test_runs_of_several_lines_are_counted_once(lines, near, length):
    zone, change = near
    start = change - timedelta(days=2)
    end = start + timedelta(milliseconds=length)
    plan = accepted("calendar", "\n".join(lines), zone)
    assert schedule.count_between(plan, start, end) == len(schedule.expected_between(plan, start, end))


@given(st.sampled_from(["cron", "calendar"]), cron_texts, calendar_texts(), st.sampled_from(ZONES), moments)
@settings(deadline=None, max_examples=300)
def test_next_and_previous_are_inverse(kind, cron, calendar, zone, moment):
    plan = accepted(kind, cron if kind == "cron" else calendar, zone)
    after = schedule.next_after(plan, moment)
    assert after > moment
    before = schedule.previous_before(plan, after)
    assert before is not None
    assert before <= moment
    assert schedule.next_after(plan, before) == after
    assert schedule.previous_before(plan, after + timedelta(microseconds=1)) == after


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.text()), st.just({}),
    cron_texts, calendar_texts(), st.text("*/,-#LW0123456789 @~.:\n", max_size=40), st.sampled_from(ZONES),
)  # fmt: skip


def what_parse_says(kind, **values) -> schedule.Schedule | dict[str, list[str]]:
    try:
        return schedule.parse(kind, **values)
    except Invalid as refused:
        return refused.fields


@given(st.one_of(st.sampled_from(["every", "cron", "calendar"]), anything), anything, anything, anything)
@settings(deadline=None, max_examples=500)
def test_parse_gives_a_schedule_or_says_what_is_wrong(kind, seconds, expression, timezone):
    said = what_parse_says(kind, seconds=seconds, expression=expression, timezone=timezone)
    if isinstance(said, dict):
        assert said
        assert all(name.startswith("schedule.") for name in said)
    else:
        assert schedule.next_after(said, SOME_DAY) > SOME_DAY


@given(st.text("*/,-#LW0123456789 MONJA", max_size=40), st.text("*/,-~.:0123456789 MonTUC\n", max_size=40))
@settings(deadline=None, max_examples=500)
def test_nearly_right_expressions_give_a_schedule_or_say_what_is_wrong(cron, calendar):
    for kind, text in (("cron", cron), ("calendar", calendar)):
        said = what_parse_says(kind, expression=text, timezone="Europe/Berlin")
        assert not isinstance(said, dict) or list(said) == ["schedule.expression"]


@given(anything, anything, cron_texts)
@settings(deadline=None, max_examples=300)
def test_describe_never_raises_and_preview_speaks_of_every_accepted_expression(expression, timezone, cron):
    for odd in (Every(expression), Cron(expression, timezone), Calendar(expression, timezone)):
        assert isinstance(schedule.describe(odd), str)
    plan = accepted("cron", cron, "Europe/Berlin")
    shown = schedule.preview(plan, datetime(2027, 3, 27, tzinfo=UTC), count=3)
    assert len(shown.runs) == 3
    assert shown.words
    assert not shown.words.endswith(".")
