"""When the next ping is expected: hand-made tables for awkward clocks, and what parse refuses.

Every table is in UTC on the right-hand side, worked out from the published changes of the zones:
Berlin 2027: +1 → +2 on 28 March at 01:00 UTC, back on 31 October at 01:00 UTC. New York 2027: −5 → −4 on 14 March at
07:00 UTC, back on 7 November at 06:00 UTC. Lord Howe 2027: +11 → +10:30 on 3 April at 15:00 UTC, forward on
2 October at 15:30 UTC. Apia left out 30 December 2011 at 10:00 UTC, −10 → +14.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tokiflow.core import schedule
from tokiflow.core.schedule import Calendar, Cron, Every
from tokiflow.errors import Invalid

BERLIN, NEW_YORK, LORD_HOWE, APIA = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# expression, zone, moment, the next runs
CRON_TABLE = [
    # Forward: a fixed time that is skipped runs at once, several of them run once, and the day after is itself again.
    ("30 2 * * *", BERLIN, "2027-03-27 02:00", ["2027-03-28 01:00", "2027-03-29 00:30"]),
    ("0,30 2 * * *", BERLIN, "2027-03-27 02:00", ["2027-03-28 01:00", "2027-03-29 00:00", "2027-03-29 00:30"]),
    ("30 2,3 * * *", BERLIN, "2027-03-27 12:00", ["2027-03-28 01:00", "2027-03-28 01:30", "2027-03-29 00:30"]),
    ("0 3 * * *", BERLIN, "2027-03-27 12:00", ["2027-03-28 01:00", "2027-03-29 01:00"]),
    # Forward, with a star: what the wall clock never shows does not run.
    ("*/30 2 * * *", BERLIN, "2027-03-27 12:00", ["2027-03-29 00:00", "2027-03-29 00:30"]),
    ("0 */2 * * *", BERLIN, "2027-03-27 22:30", ["2027-03-27 23:00", "2027-03-28 02:00", "2027-03-28 04:00"]),
    ("*/20 * * * *", BERLIN, "2027-03-28 00:30", ["2027-03-28 00:40", "2027-03-28 01:00", "2027-03-28 01:20"]),
    # Back: a fixed time runs the first time only, a starred one both times.
    ("30 2 * * *", BERLIN, "2027-10-30 12:00", ["2027-10-31 00:30", "2027-11-01 01:30"]),
    ("*/30 2 * * *", BERLIN, "2027-10-30 12:00", [f"2027-10-31 {t}" for t in ("00:00", "00:30", "01:00", "01:30")]),
    ("30 * * * *", BERLIN, "2027-10-30 23:45", ["2027-10-31 00:30", "2027-10-31 01:30", "2027-10-31 02:30"]),
    # From within the second 02:00–03:00 a fixed time must not come out before the moment asked about.
    ("30 2 * * *", BERLIN, "2027-10-31 01:00", ["2027-11-01 01:30"]),
    ("15,45 2 * * *", BERLIN, "2027-10-31 01:00", ["2027-11-01 01:15", "2027-11-01 01:45"]),
    ("30 2 * * *", NEW_YORK, "2027-03-13 12:00", ["2027-03-14 07:00", "2027-03-15 06:30"]),
    ("30 1 * * *", NEW_YORK, "2027-11-06 12:00", ["2027-11-07 05:30", "2027-11-08 06:30"]),
    ("*/30 1 * * *", NEW_YORK, "2027-11-07 05:15", ["2027-11-07 05:30", "2027-11-07 06:00", "2027-11-07 06:30"]),
    # Half an hour: 02:00–02:30 is skipped, 01:30–02:00 comes twice.
    ("15 2 * * *", LORD_HOWE, "2027-10-02 12:00", ["2027-10-02 15:30", "2027-10-03 15:15"]),
    ("45 1 * * *", LORD_HOWE, "2027-04-03 12:00", ["2027-04-03 14:45", "2027-04-04 15:15"]),
    ("*/15 * * * *", LORD_HOWE, "2027-04-03 14:30", [f"2027-04-03 {t}" for t in ("14:45", "15:00", "15:15", "15:30")]),
    ("0 * * * *", LORD_HOWE, "2027-10-02 14:00", ["2027-10-02 14:30", "2027-10-02 16:00", "2027-10-02 17:00"]),
    # cronsim loses this one: from 01:00 it steps an hour to 02:30, on to 03:30, and passes 03:00 by.
    ("0 */3 * * *", LORD_HOWE, "2027-10-02 14:00", ["2027-10-02 16:00", "2027-10-02 19:00"]),
    # A day that never was.
    ("0 12 * * *", APIA, "2011-12-29 00:00", ["2011-12-29 22:00", "2011-12-30 10:00", "2011-12-30 22:00"]),
    ("0 * * * *", APIA, "2011-12-30 08:30", ["2011-12-30 09:00", "2011-12-30 10:00", "2011-12-30 11:00"]),
    ("0 12 30 * *", APIA, "2011-12-01 00:00", ["2011-12-30 10:00", "2012-01-29 22:00"]),
    # Leap days, ends of months, and the rule that two starless day fields mean either.
    ("0 0 28,29 2 *", "UTC", "2027-12-01 00:00", ["2028-02-28 00:00", "2028-02-29 00:00", "2029-02-28 00:00"]),
    ("0 0 L 2 *", "UTC", "2027-12-01 00:00", ["2028-02-29 00:00", "2029-02-28 00:00"]),
    ("0 0 L * *", "UTC", "2100-02-01 00:00", ["2100-02-28 00:00", "2100-03-31 00:00"]),
    ("0 9 LW * *", "UTC", "2027-10-01 00:00", ["2027-10-29 09:00", "2027-11-30 09:00"]),
    ("0 0 13 * 5", "UTC", "2027-08-10 00:00", ["2027-08-13 00:00", "2027-08-20 00:00"]),
    ("0 0 * * 5L", "UTC", "2027-10-01 00:00", ["2027-10-29 00:00", "2027-11-26 00:00"]),
    ("0 0 * * MON#1", "UTC", "2027-10-05 00:00", ["2027-11-01 00:00", "2027-12-06 00:00"]),
    ("0 0 * * 7", "UTC", "2027-10-05 00:00", ["2027-10-10 00:00", "2027-10-17 00:00"]),
    ("@daily", BERLIN, "2027-07-01 12:00", ["2027-07-01 22:00"]),
    ("@weekly", "UTC", "2027-10-05 00:00", ["2027-10-10 00:00"]),
    ("@yearly", "UTC", "2027-10-05 00:00", ["2028-01-01 00:00"]),
    # Over the end of a year, where our own cache of zones is cut.
    ("*/30 * * * *", BERLIN, "2027-12-31 23:45", ["2028-01-01 00:00", "2028-01-01 00:30"]),
]
CALENDAR_TABLE = [
    ("Mon..Fri 09:00", BERLIN, "2027-10-29 12:00", ["2027-11-01 08:00", "2027-11-02 08:00"]),
    # OnCalendar leaves a skipped time out and plans a repeated one the first time only.
    ("02:30", BERLIN, "2027-03-27 12:00", ["2027-03-29 00:30"]),
    ("02:30", BERLIN, "2027-10-30 12:00", ["2027-10-31 00:30", "2027-11-01 01:30"]),
    ("02:30", BERLIN, "2027-10-31 01:10", ["2027-11-01 01:30"]),
    ("hourly", BERLIN, "2027-10-30 23:30", ["2027-10-31 00:00", "2027-10-31 02:00"]),
    ("02:15", LORD_HOWE, "2027-10-02 12:00", ["2027-10-03 15:15"]),
    ("12:00", APIA, "2011-12-29 00:00", ["2011-12-29 22:00", "2011-12-30 22:00"]),
    ("*-02~1 00:00", "UTC", "2027-12-01 00:00", ["2028-02-29 00:00", "2029-02-28 00:00"]),
    ("*:*:0/20", "UTC", "2027-12-01 00:00:05", ["2027-12-01 00:00:20", "2027-12-01 00:00:40", "2027-12-01 00:01:00"]),
    # Several lines, one of them in a zone of its own.
    ("Mon..Fri 09:00\n10:00 UTC", BERLIN, "2027-10-29 06:00", ["2027-10-29 07:00", "2027-10-29 10:00"]),
    ("2027-12-24 10:00\nSun 12:00", "UTC", "2027-12-23 00:00", ["2027-12-24 10:00", "2027-12-26 12:00"]),
]


def runs_after(plan: schedule.Schedule, moment: datetime, count: int) -> list[datetime]:
    found: list[datetime] = []
    for _ in range(count):
        found.append(schedule.next_after(plan, found[-1] if found else moment))
    return found


@pytest.mark.parametrize(("expression", "zone", "moment", "expected"), CRON_TABLE)
def test_cron_runs_as_the_table_says(expression, zone, moment, expected):
    plan = schedule.parse("cron", expression=expression, timezone=zone)
    assert runs_after(plan, utc(moment), len(expected)) == [utc(text) for text in expected]


@pytest.mark.parametrize(("expression", "zone", "moment", "expected"), CALENDAR_TABLE)
def test_calendar_runs_as_the_table_says(expression, zone, moment, expected):
    plan = schedule.parse("calendar", expression=expression, timezone=zone)
    assert runs_after(plan, utc(moment), len(expected)) == [utc(text) for text in expected]


@pytest.mark.parametrize(
    ("kind", "row"), [("cron", row) for row in CRON_TABLE] + [("calendar", row) for row in CALENDAR_TABLE]
)
def test_going_back_finds_the_same_runs(kind, row):
    expression, zone, moment, expected = row
    plan = schedule.parse(kind, expression=expression, timezone=zone)
    runs = [utc(text) for text in expected]
    after = runs[-1] + timedelta(microseconds=1)
    for run in reversed(runs):
        assert schedule.previous_before(plan, after) == run
        after = run
    earlier = schedule.previous_before(plan, after)
    assert earlier is not None
    assert earlier <= utc(moment)


def test_every_counts_from_the_moment_and_has_no_times_of_its_own():
    moment = utc("2027-03-28 00:59:30.250")
    assert schedule.next_after(Every(60), moment) == moment + timedelta(seconds=60)
    assert schedule.previous_before(Every(60), moment) is None


def test_next_is_strictly_after_and_previous_strictly_before():
    hourly = Cron("0 * * * *", "UTC")
    noon, second = utc("2027-01-01 12:00"), timedelta(seconds=1)
    assert schedule.next_after(hourly, noon) == noon + timedelta(hours=1)
    assert schedule.next_after(hourly, noon - timedelta(microseconds=1)) == noon
    assert schedule.previous_before(hourly, noon) == noon - timedelta(hours=1)
    assert schedule.previous_before(hourly, noon + timedelta(microseconds=1)) == noon
    assert schedule.previous_before(hourly, noon + second) == noon


def test_a_moment_in_any_zone_gives_an_answer_in_utc():
    moment = datetime(2027, 1, 1, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    answer = schedule.next_after(Cron("0 * * * *", "UTC"), moment)
    assert answer == utc("2027-01-01 13:00")
    assert answer.tzinfo is UTC


@pytest.mark.parametrize("plan", [Every(60), Cron("0 2 * * *", BERLIN), Calendar("02:00", BERLIN)])
def test_a_moment_without_a_zone_is_refused(plan):
    naive = utc("2027-01-01 00:00").replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        schedule.next_after(plan, naive)
    with pytest.raises(ValueError, match="aware"):
        schedule.previous_before(plan, naive)


@pytest.mark.parametrize("plan", [Every(60), Cron("0 2 * * *", BERLIN), Calendar("02:00", BERLIN)])
@pytest.mark.parametrize("text", ["0001-01-01 00:00", "9999-12-31 23:59"])
def test_moments_at_the_ends_of_the_calendar_are_refused_and_not_a_crash(plan, text):
    with pytest.raises(ValueError, match="outside the years"):
        schedule.next_after(plan, utc(text))


@pytest.mark.parametrize("text", ["0002-01-02 00:00", "1883-11-18 17:00", "9000-06-01 00:00"])
def test_moments_long_ago_and_far_ahead_are_answered(text):
    for plan in (Cron("0 2 * * *", NEW_YORK), Calendar("02:00", NEW_YORK)):
        assert timedelta() < schedule.next_after(plan, utc(text)) - utc(text) <= timedelta(hours=25)


def test_the_ledger_holds_its_end_but_not_its_start():
    hourly, start = Cron("0 * * * *", "UTC"), utc("2027-01-01 00:00")
    day = schedule.expected_between(hourly, start, start + timedelta(days=1))
    assert (len(day), day[0], day[-1]) == (24, utc("2027-01-01 01:00"), utc("2027-01-02 00:00"))
    assert schedule.expected_between(hourly, start, start) == []
    assert len(schedule.expected_between(hourly, start, start + timedelta(days=365), limit=50)) == 50
    assert schedule.expected_between(Every(3600), start, start + timedelta(hours=3)) == day[:3]


def test_a_year_of_runs_is_counted_without_walking_through_them():
    start, year = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=365)
    assert schedule.count_between(Every(30), start, start + year) == 365 * 2880
    assert schedule.count_between(Cron("* * * * *", "Europe/Berlin"), start, start + year) == 525_600
    assert schedule.count_between(Calendar("*:*:*", "UTC"), start, start + year) == 365 * 86_400
    assert schedule.count_between(Cron("0 3 * * *", "UTC"), start, start) == 0
    assert schedule.count_between(Cron("0 3 * * *", "UTC"), start + year, start) == 0


@pytest.mark.parametrize(
    ("plan", "seconds"),
    [
        (Every(90), 90),
        (Cron("*/5 9-17 * * *", BERLIN), 300),
        (Cron("0 2 * * 1-5", BERLIN), 86_400),
        (Cron("@yearly", BERLIN), 365 * 86_400),
        (Calendar("hourly", BERLIN), 3600),
    ],
)
def test_the_period_is_the_usual_distance_between_runs(plan, seconds):
    assert schedule.period_seconds(plan, utc("2027-02-01 00:00")) == seconds


@pytest.mark.parametrize("plan", [Every(60), Cron("0 2 * * *", BERLIN), Calendar("02:00\nSun 04:00", BERLIN)])
def test_a_schedule_survives_the_api_form_and_the_columns(plan):
    form: dict[str, Any] = schedule.to_dict(plan)
    again = schedule.parse(
        form["kind"], seconds=form.get("seconds"), expression=form.get("expression"), timezone=form.get("timezone")
    )
    columns = (form.get("seconds"), form.get("expression"), form.get("timezone"))
    assert again == plan == schedule.from_columns(form["kind"], *columns)


def test_columns_that_make_no_schedule_are_refused():
    for columns in [("cron", 60, None, None), ("every", None, "* * * * *", "UTC"), ("hourly", 60, "x", "UTC")]:
        with pytest.raises(ValueError, match="no schedule"):
            schedule.from_columns(*columns)


# kind, seconds, expression, timezone, the field that is wrong, a part of the sentence
REFUSED = [
    (None, 60, None, None, "kind", "every, cron or calendar"),
    (["cron"], 60, None, None, "kind", "every, cron or calendar"),
    ("every", None, None, None, "seconds", "whole number"),
    ("every", "60", None, None, "seconds", "whole number"),
    ("every", True, None, None, "seconds", "whole number"),
    ("every", float("nan"), None, None, "seconds", "whole number"),
    ("every", float("inf"), None, None, "seconds", "whole number"),
    ("every", 60.5, None, None, "seconds", "whole number"),
    ("every", 29, None, None, "seconds", "shortest is every 30"),
    ("every", 1e300, None, None, "seconds", "longest"),
    ("every", 365 * 86_400 + 1, None, None, "seconds", "365 days"),
    ("cron", None, None, "UTC", "expression", "such as 0 2 * * *"),
    ("cron", None, "  ", "UTC", "expression", "such as 0 2 * * *"),
    ("cron", None, "0 2 * * *\0", "UTC", "expression", "plain letters"),
    ("cron", None, "٠ 2 * * *", "UTC", "expression", "plain letters"),
    ("cron", None, "0 " * 600, "UTC", "expression", "longer than 500"),
    ("cron", None, "60 2 * * *", "UTC", "expression", "0 to 59"),
    ("cron", None, "0 24 * * *", "UTC", "expression", "0 to 23"),
    ("cron", None, "0 0 * 13 *", "UTC", "expression", "JAN to DEC"),
    ("cron", None, "0 0 * * FRI-MON", "UTC", "expression", "SUN to SAT"),
    ("cron", None, "0 0 32 * *", "UTC", "expression", "1 to 31"),
    ("cron", None, "0 2 *", "UTC", "expression", "3 of the fields"),
    ("cron", None, "0 0 2 * * *", "UTC", "expression", "Leave out the seconds"),
    ("cron", None, "0 2 * * * root /usr/bin/backup", "UTC", "expression", "the command"),
    ("cron", None, "0 2 ? * *", "UTC", "expression", "instead of ?"),
    ("cron", None, "@reboot", "UTC", "expression", "@hourly"),
    ("cron", None, "0 0 31 2 *", "UTC", "expression", "never fires"),
    ("cron", None, "0 0 29 2 *", "UTC", "expression", "1,461 days"),
    ("cron", None, "0 0 * 2 MON#5", "UTC", "expression", "days pass"),
    ("cron", None, "0 0 * 1 MON#1", "UTC", "expression", "371 days"),
    ("cron", None, "0 2 * * *", None, "timezone", "such as Europe/Berlin"),
    ("cron", None, "0 2 * * *", "", "timezone", "such as Europe/Berlin"),
    ("cron", None, "0 2 * * *", 5, "timezone", "such as Europe/Berlin"),
    ("cron", None, "0 2 * * *", "europe/berlin", "timezone", "Did you mean Europe/Berlin?"),
    ("cron", None, "0 2 * * *", "Berlin", "timezone", "Did you mean Europe/Berlin?"),
    ("cron", None, "0 2 * * *", "Europe", "timezone", "no time zone"),
    ("cron", None, "0 2 * * *", "../../etc/passwd", "timezone", "no time zone"),
    ("cron", None, "0 2 * * *", "/etc/localtime", "timezone", "no time zone"),
    ("cron", None, "0 2 * * *", "UTC\0", "timezone", "no time zone"),
    ("cron", None, "0 2 * * *", "Mars/Olympus", "timezone", "no time zone"),
    ("calendar", None, "", "UTC", "expression", "Mon..Fri 09:00"),
    ("calendar", None, "Funday 09:00", "UTC", "expression", "Mon to Sun"),
    ("calendar", None, "25:00", "UTC", "expression", "0 to 23"),
    ("calendar", None, "09:00\n09:61", "UTC", "expression", "Line 2"),
    ("calendar", None, "09:00 Mars/Olympus", "UTC", "expression", "cannot be read"),
    ("calendar", None, "Mon *-*-* 09:00:00.5", "UTC", "expression", "without decimals"),
    ("calendar", None, "*-02-30", "UTC", "expression", "never fires"),
    ("calendar", None, "*-02-29", "UTC", "expression", "1,461 days"),
    ("calendar", None, "2027-12-24 10:00", "UTC", "expression", "comes to an end"),
    ("calendar", None, "~" * 150 + "1", "UTC", "expression", "cannot be read"),
    ("calendar", None, "," * 300, "UTC", "expression", "longer than 200"),
    ("calendar", None, "\n".join(["09:00"] * 21), "UTC", "expression", "at most 20 lines"),
]


@pytest.mark.parametrize(("kind", "seconds", "expression", "timezone", "field", "why"), REFUSED)
def test_what_cannot_be_used_is_refused_with_what_to_write_instead(kind, seconds, expression, timezone, field, why):
    with pytest.raises(Invalid) as refused:
        schedule.parse(kind, seconds=seconds, expression=expression, timezone=timezone)
    assert list(refused.value.fields) == [f"schedule.{field}"]
    [sentence] = refused.value.fields[f"schedule.{field}"]
    assert why in sentence
    assert sentence.endswith((".", "?"))


def test_two_mistakes_are_named_at_once():
    with pytest.raises(Invalid) as refused:
        schedule.parse("cron", expression="61 * * * *", timezone="Nowhere")
    assert set(refused.value.fields) == {"schedule.expression", "schedule.timezone"}


def test_what_was_typed_carelessly_is_tidied():
    assert schedule.parse("cron", expression="  0\t2 * *  MON ", timezone=" UTC ") == Cron("0 2 * * MON", "UTC")
    assert schedule.parse("calendar", expression="\r\n Mon  09:00 \r\n\n10:00", timezone="UTC") == Calendar(
        "Mon 09:00\n10:00", "UTC"
    )
    assert schedule.parse("every", seconds=60.0) == Every(60)


def test_ten_megabytes_are_refused_at_once():
    huge = "* " * 5_000_000
    started = time.process_time()
    for kind in ("cron", "calendar"):
        with pytest.raises(Invalid):
            schedule.parse(kind, expression=huge, timezone=huge)
    assert time.process_time() - started < 0.5
