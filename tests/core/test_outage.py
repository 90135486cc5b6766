from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tokiflow.core import outage

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def ago(seconds: float | None) -> datetime | None:
    return None if seconds is None else NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("clock", "door", "blind_for"),
    [
        (None, None, None),  # nothing has begun yet
        (0.5, 2, None),
        (9, 9, None),
        (60, 1, 60),  # the clock was away
        (1, 60, 60),  # nobody could take pings
        (60, 300, 300),
        (0.5, None, None),  # no door was ever there
    ],
)
def test_we_are_blind_when_clock_or_door_was_away(
    clock: float | None, door: float | None, blind_for: float | None
) -> None:
    assert outage.blind_since(ago(clock), ago(door), NOW) == ago(blind_for)


def test_the_gap_ends_when_both_are_seen_again() -> None:
    start = NOW - timedelta(minutes=5)
    assert outage.gap(start, ago(60), ago(1), NOW) is None
    gap = outage.gap(start, ago(1), ago(1), NOW)
    assert gap is not None
    assert gap.length == timedelta(minutes=5)


LOST = outage.Gap(NOW - timedelta(seconds=40), NOW - timedelta(seconds=3))


@pytest.mark.parametrize(
    ("doors", "interruption", "missing"),
    [
        ([], None, False),
        ([1.9], None, False),
        ([7], None, True),  # it may keep pings on its disk
        ([1, 7], None, True),
        ([21], None, False),  # it is gone
        ([1], LOST, False),  # it has reported since the database is back
        ([41], LOST, True),  # it was there when the database was lost, and has not
        ([1, 41], LOST, True),
        ([90], LOST, False),  # it had gone before
        ([41], outage.Gap(NOW - timedelta(seconds=60), NOW - timedelta(seconds=21)), False),  # waited for long enough
    ],
)
def test_a_door_that_may_keep_pings_is_waited_for(
    doors: list[float], interruption: outage.Gap | None, missing: bool
) -> None:
    seen = [NOW - timedelta(seconds=seconds) for seconds in doors]
    assert outage.somebody_is_missing(seen, interruption, NOW) is missing
