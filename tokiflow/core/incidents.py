"""When trouble is a new incident, when it is the old one again, and when it flaps.

Trouble of the same kind that comes back soon after its incident was resolved reopens that incident: one incident,
not twenty. From the second reopening on it is *flapping*: people are told once, and it takes several good results in
a row (core.status.FLAPPING_SUCCESSES) before it counts as resolved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Opening(StrEnum):
    NEW = "opened"
    AGAIN = "reopened"
    FLAPPING = "flapping"


@dataclass(frozen=True)
class Last:
    """The latest incident of the same class: its kind, when it was resolved, by a person or not, how often it came
    back."""

    kind: str
    resolved_at: datetime
    by_person: bool
    reopened: int


SOONEST = timedelta(minutes=10)
LATEST = timedelta(hours=6)
PERIODS = 3


def reopens_within(period: float) -> timedelta:
    """How soon trouble must come back to be the same trouble: three periods of the job (`period` in seconds),
    at least ten minutes and at most six hours."""
    return min(max(timedelta(seconds=PERIODS * period), SOONEST), LATEST)


def opening(last: Last | None, kind: str, at: datetime, period: float) -> Opening:
    """How trouble of `kind` at `at` opens. What a person has resolved is over: trouble after that is new."""
    if last is None or last.kind != kind or last.by_person or at - last.resolved_at > reopens_within(period):
        return Opening.NEW
    return again(last.reopened + 1)


def again(reopened: int) -> Opening:
    """What the trouble at hand is of an incident that came back so often."""
    if reopened == 0:
        return Opening.NEW
    return Opening.FLAPPING if reopened > 1 else Opening.AGAIN
