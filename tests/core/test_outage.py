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
