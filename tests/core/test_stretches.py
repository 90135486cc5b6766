"""Which days a report is about, and when it is sent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tokiflow import errors
from tokiflow.core import stretches
from tokiflow.core.stretches import Stretch

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


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
    found = stretches.month(first, zone, NOW)
    assert (found.since, found.until) == (at(since), at(until))
    assert len(found.days) == days
    assert found.edges == sorted(set(found.edges))
    assert found.words == f"{first:%B %Y}"
    assert Stretch.from_json(found.to_json()) == found


def test_a_month_that_goes_on_ends_now() -> None:
    found = stretches.month(date(2026, 11, 5), "Europe/Berlin", NOW)
    assert (found.until, found.words, len(found.days)) == (NOW, "November 2026, so far", 20)


def test_the_last_days_are_those_of_the_monitors_page() -> None:
    found = stretches.last_days(NOW, "Europe/Berlin")
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
    assert stretches.between(first, last, "UTC", NOW).words == words


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
        stretches.read(asked, "Europe/Berlin", NOW)
    assert [*told.value.fields] == [field]


def test_without_a_word_it_is_the_month_before() -> None:
    assert stretches.read({}, "UTC", NOW).words == "October 2026"
    # In Auckland it is December already.
    assert stretches.read({}, "Pacific/Auckland", at("2026-11-30T11:30")).words == "November 2026"


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
    assert stretches.next_sending(at(after), zone) == at(expected)


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "UTC", "Pacific/Pago_Pago", "Europe/Berlin"])
@pytest.mark.parametrize("to", ["Pacific/Kiritimati", "UTC", "America/Los_Angeles"])
def test_whoever_moves_gets_each_month_once(zone: str, to: str) -> None:
    planned = stretches.next_sending(NOW, zone)
    moved = stretches.moved(planned, zone, to)
    assert stretches.month_before(moved, to) == stretches.month_before(planned, zone)
    assert stretches.moved(moved, to, zone) == planned
    assert stretches.month_before(stretches.next_sending(moved, to), to) == date(2026, 12, 1)
