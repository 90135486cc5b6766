"""When people are told, and when a delivery is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=30)
MOST_ATTEMPTS = 60
"""With the waits below: about a day of trying before a delivery is given up as dead."""

TRY_LIMIT = timedelta(seconds=30)
"""How long one try may take, however many requests it makes."""

LEASE = timedelta(seconds=60)
"""How long a worker may hold a delivery: long enough for a try and its record, so that two never send at once."""


def next_try(now: datetime, attempts: int, jitter: float, retry_after: float | None = None) -> datetime | None:
    """When to try again after `attempts` failed tries, or None to give up.

    Doubles from five seconds to half an hour, spread by `jitter` (0–1) over the upper half of the wait, and never
    sooner than the other side asked for (`retry_after`, seconds, believed up to an hour).
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    wait = min(FIRST_WAIT * float(2 ** min(attempts - 1, 20)), LONGEST_WAIT)
    spread = wait * (0.5 + 0.5 * jitter)
    asked = timedelta(seconds=min(max(retry_after or 0.0, 0.0), 3600.0))
    return now + max(spread, asked)


def muted(muted_until: datetime | None, now: datetime) -> bool:
    """Whether the incident is silent at `now`."""
    return muted_until is not None and muted_until > now
