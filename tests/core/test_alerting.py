from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tokiflow.adapters import http, mail
from tokiflow.core import alerting

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


@given(st.integers(1, alerting.MOST_ATTEMPTS - 1), st.floats(0, 1), st.none() | st.floats(-10, 10_000))
def test_the_next_try_is_never_too_soon_nor_too_late(attempts: int, jitter: float, retry_after: float | None) -> None:
    again = alerting.next_try(NOW, attempts, jitter, retry_after)
    assert again is not None
    wait = again - NOW
    assert wait >= alerting.FIRST_WAIT / 2
    assert wait >= timedelta(seconds=min(retry_after or 0, 3600))
    assert wait <= max(alerting.LONGEST_WAIT, timedelta(hours=1))


def test_waits_grow() -> None:
    waits = [alerting.next_try(NOW, attempts, 0.5) for attempts in range(1, 12)]
    assert waits == sorted(waits, key=lambda moment: moment or NOW)


def test_after_about_a_day_it_is_given_up() -> None:
    assert alerting.next_try(NOW, alerting.MOST_ATTEMPTS, 0.5) is None
    total = sum(
        ((alerting.next_try(NOW, attempts, 0.5) or NOW) - NOW for attempts in range(1, alerting.MOST_ATTEMPTS)),
        timedelta(0),
    )
    assert timedelta(hours=12) < total < timedelta(hours=36)


def test_a_request_ends_within_its_try_and_a_try_within_its_lease() -> None:
    request = timedelta(seconds=max(http.TIME_LIMIT, mail.TIME_LIMIT))
    assert request <= alerting.TRY_LIMIT
    assert alerting.TRY_LIMIT * 2 <= alerting.LEASE, "as long again to write down what came of it"
