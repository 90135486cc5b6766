"""Maintenance: what is planned when, through changes of the clock, and when it is quiet again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import maintenance
from tokiflow.core.maintenance import Listed, Once, Plan, Repeating, Span
from tokiflow.core.schedule import Cron

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def span(start: str, end: str, words: str = "") -> Span:
    return Span(utc(start), utc(end), words)


def nightly(expression: str = "0 2 * * *", hours: float = 4, **bounds: datetime) -> Repeating:
    return Repeating(Cron(expression, "Europe/Berlin"), int(hours * HOUR), **bounds)


UPGRADE = Once(span("2026-11-22 02:00", "2026-11-22 06:00"))
CALENDAR = Listed((span("2026-11-22 05:00", "2026-11-22 08:00", "disk"), span("2026-11-22 05:30", "2026-11-22 07:00")))


@pytest.mark.parametrize(
    ("plan", "at", "until"),
    [
        (UPGRADE, utc("2026-11-22 01:59:59"), None),
        (UPGRADE, utc("2026-11-22 02:00"), utc("2026-11-22 06:00")),
        (UPGRADE, utc("2026-11-22 05:59:59"), utc("2026-11-22 06:00")),
        (UPGRADE, utc("2026-11-22 06:00"), None),
        (CALENDAR, utc("2026-11-22 06:00"), utc("2026-11-22 08:00")),
        (Listed(CALENDAR.spans, since=utc("2026-11-22 05:10")), utc("2026-11-22 06:00"), utc("2026-11-22 07:00")),
        (nightly(), berlin("2026-11-22 01:59:59.999999"), None),
        (nightly(), berlin("2026-11-22 02:00"), berlin("2026-11-22 06:00")),
        (nightly(), berlin("2026-11-22 05:59:59.999999"), berlin("2026-11-22 06:00")),
        (nightly(), berlin("2026-11-22 06:00"), None),
        # Clocks go forward at 02:00: four real hours, begun as soon as there is a time.
        (nightly(), berlin("2027-03-28 03:00"), berlin("2027-03-28 07:00")),
        (nightly("0 0 * * *"), berlin("2027-03-28 01:00"), berlin("2027-03-28 05:00")),
        # They go back at 03:00: the second 02:30 is held too, and it ends an hour earlier by the wall clock.
        (nightly("0 1 * * *", 3), utc("2026-10-25 01:30"), berlin("2026-10-25 03:00")),
        (nightly(since=berlin("2026-11-22 02:00")), berlin("2026-11-22 03:00"), berlin("2026-11-22 06:00")),
        (nightly(since=berlin("2026-11-22 02:01")), berlin("2026-11-22 03:00"), None),
        (nightly(until=berlin("2026-11-22 04:00")), berlin("2026-11-22 03:00"), berlin("2026-11-22 04:00")),
        (nightly(until=berlin("2026-11-22 02:00")), berlin("2026-11-22 03:00"), None),
    ],
)
def test_what_is_planned_at_a_moment(plan: Plan, at: datetime, until: datetime | None) -> None:
    held = maintenance.covering(plan, at)
    assert (held.ends_at if held else None) == until
    assert maintenance.ends_at([plan], at) == until


def test_windows_that_meet_or_overlap_are_one() -> None:
    night, morning = nightly(), Once(Span(berlin("2026-11-22 06:00"), berlin("2026-11-22 08:00")))
    afternoon = Once(Span(berlin("2026-11-22 08:00:01"), berlin("2026-11-22 09:00")))
    at = berlin("2026-11-22 03:00")
    assert maintenance.ends_at([afternoon, morning, night], at) == berlin("2026-11-22 08:00")
    assert maintenance.ends_at([], at) is None


def test_working_days_without_a_gap_end_at_the_weekend() -> None:
    week = nightly("0 0 * * 1-5", 24)
    assert maintenance.ends_at([week], berlin("2026-11-24 12:00")) == berlin("2026-11-28 00:00")


def test_what_never_ends_is_not_followed_for_ever() -> None:
    at = berlin("2026-11-24 12:00")
    end = maintenance.ends_at([nightly("0 0 * * *", 24)], at)
    assert end is not None
    assert timedelta(days=99) < end - at < timedelta(days=101)


@pytest.mark.parametrize(
    ("plan", "starts"),
    [
        (UPGRADE, [utc("2026-11-22 02:00")]),
        (CALENDAR, [utc("2026-11-22 05:00"), utc("2026-11-22 05:30")]),
        (
            nightly("0 2 * * 0", since=berlin("2026-11-29 02:00")),
            [berlin("2026-11-29 02:00"), berlin("2026-12-06 02:00")],
        ),
        (nightly("0 2 * * 0", until=berlin("2026-11-29 02:00")), [berlin("2026-11-22 02:00")]),
        (Repeating(Cron("0 0 1 1 *", "UTC"), HOUR, since=utc("9990-06-01 00:00")), []),
    ],
)
def test_what_comes_next(plan: Plan, starts: list[datetime]) -> None:
    assert [one.starts_at for one in maintenance.following(plan, utc("2026-11-20 12:00"), 2)] == starts


MINUTES = st.integers(0, 300)


@given(
    spans=st.lists(st.tuples(MINUTES, st.integers(1, 60)), max_size=12),
    every=st.sampled_from([20, 30, 60]),
    lasts=st.integers(1, 90),
    at=MINUTES,
)
def test_it_is_quiet_in_the_first_minute_that_nothing_holds(
    spans: list[tuple[int, int]], every: int, lasts: int, at: int
) -> None:
    noon = utc("2026-11-20 12:00")
    calendar = [Span(noon + timedelta(minutes=m), noon + timedelta(minutes=m + length)) for m, length in spans]
    plans: list[Plan] = [Listed(calendar), *map(Once, calendar)]
    if lasts < every:
        plans.append(Repeating(Cron(f"*/{every} * * * *" if every < 60 else "0 * * * *", "UTC"), lasts * 60))

    def held(minute: int) -> bool:
        planned = any(m <= minute < m + length for m, length in spans)
        return planned or (lasts < every and minute % every < lasts)

    moment = noon + timedelta(minutes=at)
    quiet = next(minute for minute in range(at, 2_000) if not held(minute))
    found = maintenance.ends_at(plans, moment)
    assert found == (noon + timedelta(minutes=quiet) if quiet > at else None)
