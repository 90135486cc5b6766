from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tokiflow.core import incidents
from tokiflow.core.incidents import Last, Opening

T = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "within"),
    [(60, timedelta(minutes=10)), (3600, timedelta(hours=3)), (86_400, timedelta(hours=6))],
)
def test_the_same_trouble_comes_back_within_three_periods(period: float, within: timedelta) -> None:
    assert incidents.reopens_within(period) == within


@pytest.mark.parametrize(
    ("last", "after_minutes", "opening"),
    [
        (None, 0, Opening.NEW),
        (Last("failed", T, by_person=False, reopened=0), 5, Opening.AGAIN),
        (Last("failed", T, by_person=False, reopened=1), 5, Opening.FLAPPING),
        (Last("failed", T, by_person=False, reopened=0), 11, Opening.NEW),
        (Last("failed", T, by_person=True, reopened=0), 5, Opening.NEW),
        (Last("missed", T, by_person=False, reopened=0), 5, Opening.NEW),
    ],
)
def test_trouble_opens_anew_again_or_flaps(last: Last | None, after_minutes: int, opening: Opening) -> None:
    assert incidents.opening(last, "failed", T + timedelta(minutes=after_minutes), 60) is opening
