from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import hours
from tokiflow.core.hours import Hours

BERLIN = "Europe/Berlin"
NIGHT = Hours(start=time(22), end=time(7), timezone=BERLIN)
OFFICE = Hours(frozenset(range(5)), time(9), time(17), BERLIN)
FRIDAY_NIGHT = Hours(frozenset({4}), time(22), time(6), BERLIN)
WEEKEND = Hours(frozenset({5, 6}), timezone=BERLIN)
ALL = (Hours(), NIGHT, OFFICE, FRIDAY_NIGHT, WEEKEND)


def berlin(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN), fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("chosen", "at", "inside"),
    [
        (Hours(), "2026-11-20T12:00", True),
        (NIGHT, "2026-11-20T21:59", False),
        (NIGHT, "2026-11-20T22:00", True),
        (NIGHT, "2026-11-21T06:59", True),
        (NIGHT, "2026-11-21T07:00", False),
        (OFFICE, "2026-11-20T09:00", True),  # a Friday
        (OFFICE, "2026-11-21T09:00", False),
        (FRIDAY_NIGHT, "2026-11-20T23:00", True),
        (FRIDAY_NIGHT, "2026-11-21T05:00", True),
        (FRIDAY_NIGHT, "2026-11-20T05:00", False),
        (FRIDAY_NIGHT, "2026-11-21T23:00", False),
        (WEEKEND, "2026-11-20T23:59", False),
        (WEEKEND, "2026-11-21T00:00", True),
    ],
)
def test_what_is_among_them(chosen: Hours, at: str, inside: bool) -> None:
    assert chosen.contain(berlin(at)) is inside


@pytest.mark.parametrize(
    ("chosen", "at", "until"),
    [
        (NIGHT, "2026-11-20T23:00", "2026-11-21T07:00"),
        (WEEKEND, "2026-11-21T03:00", "2026-11-23T00:00"),
        (FRIDAY_NIGHT, "2026-11-20T23:00", "2026-11-21T06:00"),
        # The night in which clocks go forward is an hour shorter, and its end stays on the wall.
        (NIGHT, "2026-03-28T23:00", "2026-03-29T07:00"),
    ],
)
def test_when_they_end(chosen: Hours, at: str, until: str) -> None:
    assert chosen.until(berlin(at)) == berlin(until)


def test_an_end_that_clocks_skip_is_when_they_do() -> None:
    short = Hours(start=time(22), end=time(2, 30), timezone=BERLIN)
    assert short.until(berlin("2026-03-29T01:00")) == berlin("2026-03-29T03:00")


def test_an_hour_that_comes_twice_counts_twice() -> None:
    early = Hours(start=time(2), end=time(3), timezone=BERLIN)
    assert early.contain(berlin("2026-10-25T02:30", fold=0))
    assert early.contain(berlin("2026-10-25T02:30", fold=1))
    assert early.until(berlin("2026-10-25T02:30", fold=0)) == berlin("2026-10-25T03:00")


def test_hours_without_an_end_never_end() -> None:
    assert Hours().until(berlin("2026-11-20T12:00")) is None


chosen_hours = st.builds(
    lambda days, edges, zone: Hours(days, edges[0], edges[1], zone),
    st.frozensets(st.integers(0, 6)),
    st.just((None, None))
    | st.tuples(*[st.integers(0, 95).map(lambda n: time(n // 4, n % 4 * 15))] * 2).filter(
        lambda edges: edges[0] != edges[1]
    ),
    st.sampled_from([BERLIN, "America/New_York", "UTC", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
# Around the days on which clocks change, in one zone or another.
moments = st.sampled_from(["2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-04-04", "2026-11-20"]).flatmap(
    lambda day: st.integers(0, 72 * 60).map(
        lambda minutes: datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(minutes=minutes)
    )
)


def slowly_inside(chosen: Hours, at: datetime) -> bool:
    """Step back minute by minute of the wall until they began, if they did."""
    wall = at.astimezone(ZoneInfo(chosen.timezone)).replace(tzinfo=None)
    days = chosen.days or frozenset(range(7))
    if chosen.start is None:
        return wall.weekday() in days
    for _ in range(24 * 60):
        if wall.time() == chosen.start:
            return wall.weekday() in days
        wall -= timedelta(minutes=1)
        if wall.time() == chosen.end:
            return False
    raise AssertionError("neither began nor ended within a day")


@given(chosen_hours, moments)
def test_they_are_what_a_watch_would_say(chosen: Hours, at: datetime) -> None:
    wall = at.astimezone(ZoneInfo(chosen.timezone))
    expected = slowly_inside(chosen, at) if wall.time() != chosen.end else False
    assert chosen.contain(at) is expected


@given(chosen_hours, moments)
def test_they_end_at_the_first_minute_outside(chosen: Hours, at: datetime) -> None:
    if not chosen.contain(at):
        return
    slowly = (at + timedelta(minutes=n) for n in range(1, 8 * 24 * 60))
    assert chosen.until(at) == next((moment for moment in slowly if not chosen.contain(moment)), None)


@pytest.mark.parametrize("chosen", ALL)
def test_they_are_kept_and_read_again(chosen: Hours) -> None:
    assert hours.from_json(hours.to_json(chosen)) == chosen


def test_a_zone_that_is_gone_costs_no_alert() -> None:
    assert hours.from_json({"from": "22:00", "to": "07:00", "timezone": "Atlantis/Port"}).timezone == "UTC"


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"from": "22:00"}, "to", "is missing"),
        ({"to": "22:00"}, "from", "is missing"),
        ({"from": "25:00", "to": "07:00"}, "from", "like 22:00"),
        ({"from": 9, "to": "07:00"}, "from", "like 22:00"),
        ({"from": "07:00", "to": "07:00"}, "to", "the same"),
        ({"days": [7]}, "days", "0 (Monday)"),
        ({"days": "Monday"}, "days", "0 (Monday)"),
        ({"timezone": "Berlin"}, "timezone", "Europe/Berlin"),
    ],
)
def test_what_is_wrong_is_said(values: dict[str, Any], field: str, words: str) -> None:
    assert words in hours.read(values)[1][field][0]


def test_they_are_told_in_words() -> None:
    assert [hours.words(one) for one in ALL] == [
        "at any time",
        "22:00–07:00 in Berlin",
        "09:00–17:00 on weekdays in Berlin",
        "22:00–06:00 on Friday in Berlin",
        "on weekends in Berlin",
    ]
