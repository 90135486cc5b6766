from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import rates
from tokiflow.core.rates import Rate

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("60/minute burst 30", Rate(60, 60, 30)),
        ("60 per minute, burst 30", Rate(60, 60, 30)),
        ("5/second", Rate(5, 1, 2)),
        ("1/hour", Rate(1, 3600, 1)),
        ("1000/DAYS burst 1", Rate(1000, 86_400, 1)),
        (" Unlimited ", None),
    ],
)
def test_rates_are_written_as_people_would(text: str, rate: Rate | None) -> None:
    assert rates.parse(text) == rate


def test_a_rate_is_said_in_words() -> None:
    assert rates.describe(Rate(60, 60, 30)) == "60 a minute, and 30 at once"
    assert rates.describe(Rate(1000, 3600, 5)) == "1,000 an hour, and 5 at once"


def admitted(rate: Rate, moments: list[float]) -> list[bool]:
    """Which of pings at these moments, in seconds, are let in."""
    next_at, found = None, []
    for seconds in moments:
        ruling = rates.admit(rate, next_at, NOW + timedelta(seconds=seconds))
        next_at = ruling.next_at
        found.append(ruling.allowed)
    return found


def test_a_burst_is_let_in_and_then_one_for_each_interval() -> None:
    rate = Rate(60, 60, 30)
    assert admitted(rate, [0.0] * 40) == [True] * 30 + [False] * 10
    assert admitted(rate, [*[0.0] * 31, 0.9, 1.0, 1.0, 2.0]) == [*[True] * 30, False, False, True, False, True]


def test_who_is_refused_hears_when_to_come_back() -> None:
    rate = Rate(60, 60, 2)
    after = rates.admit(rate, rates.admit(rate, None, NOW).next_at, NOW).next_at
    refused = rates.admit(rate, after, NOW)
    assert (refused.allowed, refused.wait) == (False, 1.0)
    assert rates.admit(rate, refused.next_at, NOW + timedelta(seconds=refused.wait)).allowed


@given(
    st.integers(1, 100), st.integers(1, 50),
    st.lists(st.floats(0, 30, allow_nan=False), max_size=200).map(sorted),
)  # fmt: skip
def test_no_window_ever_lets_in_more_than_a_burst_and_its_share(count: int, burst: int, moments: list[float]) -> None:
    """The slow, obvious reference: count what was let in between any two moments."""
    rate = Rate(count, 10, burst)
    let_in = [at for at, allowed in zip(moments, admitted(rate, moments), strict=True) if allowed]
    for first in range(len(let_in)):
        for last in range(first, len(let_in)):
            most = burst + (let_in[last] - let_in[first]) * count / 10
            assert last - first + 1 <= most + 1e-3
