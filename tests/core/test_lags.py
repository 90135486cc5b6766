"""How long it takes from trouble to the message about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tokiflow.core import ids, lags

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("promised", "sent", "lag"),
    [
        (0.3, 0.5, 0.5),
        (590, 600, 600),
        (3600, 3601, 1),
        (0.3, 7200, 7200),
        (0, -0.2, 0),
    ],
    ids=["at once", "noticed late", "held back", "tried for long", "clocks that differ"],
)
def test_the_lag_counts_from_what_happened_unless_it_was_held_back(promised: float, sent: float, lag: float) -> None:
    found = lags.lag(NOON, NOON + timedelta(seconds=promised), NOON + timedelta(seconds=sent))
    assert found == timedelta(seconds=lag)


def test_an_id_tells_when_it_was_made() -> None:
    before = datetime.now(UTC)
    assert abs(ids.made_at(ids.new()) - before) < timedelta(seconds=5)
    assert ids.made_at(ids.earliest(NOON)) == NOON
