"""Which days a report is about, when it is sent, and what it says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from tokiflow import errors
from tokiflow.core import reports
from tokiflow.core.health import Uptime
from tokiflow.core.reports import Line, Report, Stretch

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
DAY = 86_400


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "first", "since", "until", "days"),
    [
        ("UTC", date(2026, 2, 1), "2026-02-01T00:00", "2026-03-01T00:00", 28),
        ("UTC", date(2024, 2, 1), "2024-02-01T00:00", "2024-03-01T00:00", 29),
        ("Europe/Berlin", date(2026, 3, 1), "2026-02-28T23:00", "2026-03-31T22:00", 31),
        ("Europe/Berlin", date(2026, 10, 1), "2026-09-30T22:00", "2026-10-31T23:00", 31),
        ("Asia/Kolkata", date(2026, 4, 1), "2026-03-31T18:30", "2026-04-30T18:30", 30),
        ("America/St_Johns", date(2025, 12, 1), "2025-12-01T03:30", "2026-01-01T03:30", 31),
        # The clock jumps at midnight: that day begins at one o'clock.
        ("America/Asuncion", date(2023, 10, 1), "2023-10-01T04:00", "2023-11-01T03:00", 31),
        # A Friday that never was.
        ("Pacific/Apia", date(2011, 12, 1), "2011-12-01T10:00", "2011-12-31T10:00", 30),
    ],
    ids=lambda one: str(one),
)
def test_a_month_is_that_of_the_reader(zone: str, first: date, since: str, until: str, days: int) -> None:
    found = reports.month(first, zone, NOW)
    assert (found.since, found.until) == (at(since), at(until))
    assert len(found.days) == days
    assert found.edges == sorted(set(found.edges))
    assert found.words == f"{first:%B %Y}"
    assert Stretch.from_json(found.to_json()) == found


def test_a_month_that_goes_on_ends_now() -> None:
    found = reports.month(date(2026, 11, 5), "Europe/Berlin", NOW)
    assert (found.until, found.words, len(found.days)) == (NOW, "November 2026, so far", 20)


def test_the_last_days_are_those_of_the_monitors_page() -> None:
    found = reports.last_days(NOW, "Europe/Berlin")
    assert (found.since, found.until, found.words) == (NOW - timedelta(days=30), NOW, "the last 30 days")
    assert len(found.days) == 31


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2026, 10, 5), date(2026, 10, 5), "5 October 2026"),
        (date(2026, 10, 1), date(2026, 10, 14), "1–14 October 2026"),
        (date(2026, 9, 28), date(2026, 10, 4), "28 September – 4 October 2026"),
        (date(2025, 12, 30), date(2026, 1, 2), "30 December 2025 – 2 January 2026"),
        (date(2026, 11, 19), date(2026, 12, 24), "19 November – 24 December 2026, so far"),
    ],
    ids=str,
)
def test_days_are_called_as_people_do(first: date, last: date, words: str) -> None:
    assert reports.between(first, last, "UTC", NOW).words == words


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"period": "2026-13"}, "period"),
        ({"period": "yesterday"}, "period"),
        ({"period": "2026-12"}, "period"),
        ({"period": "1999-12"}, "period"),
        ({"period": "9999-12"}, "period"),
        ({"period": "dates"}, "from"),
        ({"period": "dates", "from": "2026-10-01"}, "until"),
        ({"period": "dates", "from": "2026-10-02", "until": "2026-10-01"}, "until"),
        ({"period": "dates", "from": "2025-01-01", "until": "2026-10-01"}, "until"),
        ({"period": "dates", "from": "0001-01-01", "until": "0001-01-02"}, "from"),
        ({"period": "dates", "from": "2999-01-01", "until": "9999-12-31"}, "until"),
        ({"period": "dates", "from": "2026-12-01", "until": "2026-12-02"}, "from"),
        ({"period": "dates", "from": "1.10.2026", "until": "2026-10-02"}, "from"),
    ],
    ids=str,
)
def test_what_makes_no_stretch_is_told_by_its_field(asked: dict[str, str], field: str) -> None:
    with pytest.raises(errors.Invalid) as told:
        reports.read(asked, "Europe/Berlin", NOW)
    assert [*told.value.fields] == [field]


def test_without_a_word_it_is_the_month_before() -> None:
    assert reports.read({}, "UTC", NOW).words == "October 2026"
    # In Auckland it is December already.
    assert reports.read({}, "Pacific/Auckland", at("2026-11-30T11:30")).words == "November 2026"


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        ("UTC", "2026-11-20T14:30", "2026-12-01T07:00"),
        ("UTC", "2026-12-01T06:59", "2026-12-01T07:00"),
        ("UTC", "2026-12-01T07:00", "2027-01-01T07:00"),
        ("Europe/Berlin", "2026-03-20T00:00", "2026-04-01T05:00"),
        ("Europe/Berlin", "2026-10-20T00:00", "2026-11-01T06:00"),
        # New York leaves summer time on the first of November, five hours before.
        ("America/New_York", "2026-10-31T12:00", "2026-11-01T12:00"),
        ("Pacific/Kiritimati", "2026-10-30T00:00", "2026-10-31T17:00"),
        ("Pacific/Pago_Pago", "2026-10-30T00:00", "2026-11-01T18:00"),
        ("Asia/Kathmandu", "2026-12-31T20:00", "2027-01-01T01:15"),
    ],
)
def test_it_is_sent_on_the_first_at_seven_where_the_reader_is(zone: str, after: str, expected: str) -> None:
    assert reports.next_sending(at(after), zone) == at(expected)


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "UTC", "Pacific/Pago_Pago", "Europe/Berlin"])
@pytest.mark.parametrize("to", ["Pacific/Kiritimati", "UTC", "America/Los_Angeles"])
def test_whoever_moves_gets_each_month_once(zone: str, to: str) -> None:
    planned = reports.next_sending(NOW, zone)
    moved = reports.moved(planned, zone, to)
    assert reports.month_before(moved, to) == reports.month_before(planned, zone)
    assert reports.moved(moved, to, zone) == planned
    assert reports.month_before(reports.next_sending(moved, to), to) == date(2026, 12, 1)


# --- what it says -----------------------------------------------------------------------------------------------


def line(
    name: str = "Backup", downs: tuple[float, ...] = (0, 0), runs: tuple[int, int, int, int] = (10, 0, 0, 0)
) -> Line:
    days = [Uptime(DAY, down, int(down > 0)) for down in downs]
    watched, down = sum(one.watched for one in days), sum(downs)
    return Line(
        uuid4(), name, name.lower(), (), Uptime(watched, down, sum(one.outages for one in days)),
        sum(runs), *runs, incidents=0, p95=None, score=90, days=days,
    )  # fmt: skip


def test_colour_is_spent_on_what_is_below_99_percent() -> None:
    fine = line(downs=(60, 0), runs=(99, 1, 0, 0))
    assert not fine.often_down
    assert not fine.often_bad
    poor = line(downs=(0.03 * DAY, 0), runs=(98, 1, 1, 0))
    assert poor.often_down
    assert poor.often_bad
    assert not UNKNOWN.often_down
    assert not UNKNOWN.often_bad


def test_the_worst_comes_first_and_what_had_no_run_is_not_the_worst() -> None:
    down, fails, fine = line("Down", downs=(60, 0)), line("Fails", runs=(9, 1, 0, 0)), line("Fine")
    idle = line("Idle", runs=(0, 0, 0, 0))
    found = reports.worst_first([UNKNOWN, idle, fine, fails, down])
    assert [one.name for one in found] == ["Down", "Fails", "Fine", "Idle", "New"]


def report(*lines: Line, tag: str = "") -> Report:
    days = Stretch(at("2026-10-01T00:00"), at("2026-10-03T00:00"), "UTC", "1–2 October 2026")
    return Report("Harbour Freight", tag, days, NOW, reports.worst_first(lines))


UNKNOWN = Line(uuid4(), "New", "new", (), Uptime(0, 0, 0), 0, 0, 0, 0, 0, 0, None, None, [Uptime(0, 0, 0)] * 2)


@pytest.mark.parametrize(
    ("found", "sentences"),
    [
        (report(), ["There are no monitors yet."]),
        (report(tag="db"), ["No monitor is tagged db."]),
        (
            report(UNKNOWN),
            ["Nothing was expected of these monitors then: they are newer, were paused, or have never been heard of."],
        ),
        (
            report(line(), UNKNOWN),
            ["The one monitor was up all the time.", "All 10 runs succeeded.", "Nothing stands out."],
        ),
        (
            report(line(), line("Sync", runs=(1_499, 1, 0, 0))),
            [
                "All 2 monitors were up all the time.",
                "Of 1,510 runs, 99.93 % succeeded: 1 failed.",
                "Sync did worst: 99.93 % of its runs succeeded.",
            ],
        ),
        (
            report(line(), line("Sync", (0, 8_640), (5, 2, 1, 2))),
            [
                "2 monitors were up 97.5 % of the time: 1 outage took 2 h 24 min in all.",
                "Of 20 runs, 75 % succeeded: 2 failed, 1 overran and 2 were missed.",
                "Sync was down longest, 2 h 24 min in 1 outage; the worst day was Friday, 2 October.",
            ],
        ),
        (
            report(line(downs=(0, 0), runs=(0, 0, 0, 0))),
            ["The one monitor was up all the time.", "No run was expected.", "Nothing stands out."],
        ),
    ],
    ids=["none", "no-such-tag", "nothing-known", "all-well", "failed", "down", "no-runs"],
)
def test_three_sentences_say_what_matters(found: Report, sentences: list[str]) -> None:
    assert found.sentences == sentences


def test_the_worst_is_first_and_the_unknown_last() -> None:
    found = report(UNKNOWN, line("Fine"), line("Failing", runs=(5, 5, 0, 0)), line("Down", (60, 0)), line("Also fine"))
    assert [one.name for one in found.lines] == ["Down", "Failing", "Also fine", "Fine", "New"]
    assert [(one.day, one.monitors, one.down) for one in found.worst_days] == [(date(2026, 10, 1), 1, 60)]
    assert (found.total.uptime.watched, found.total.expected) == (8 * DAY, 40)


def test_many_days_are_joined_to_weeks_and_none_is_lost() -> None:
    days = [Uptime(DAY, n, 1) for n in range(366)]
    joined = list(reports.weeks(days, 7))
    assert len(joined) == 53
    assert sum(one.down for one in joined) == sum(range(366))
