"""Does a job get worse? What it did lately against what it did in the time before, of the same length.

Chance must not raise a word: too few runs are not judged, one bad run is an incident and no trend, and run times are
compared by quantiles that a single slow run does not move.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LEAST_RUNS = 5
"""So many must have been expected, or timed, in both stretches."""
LEAST_FOR_SLOWEST = 40
"""Of so many runs two are the slowest twentieth: fewer would be judged by a single one."""
LEAST_BAD = 2
"""So many bad runs more than were to be expected."""
LEAST_FALL = 0.05
"""The success rate fell by so much at least (0–1)."""
LEAST_FACTOR = 1.25
"""Run times grew to so many times what they were at least."""
LEAST_SECONDS = 1.0
"""And by so many seconds: nobody minds a tenth of one."""


class What(StrEnum):
    """What got worse: `usual` is the median run time, `slowest` the 95th percentile, where the median did not."""

    SUCCESS = "success"
    USUAL = "usual"
    SLOWEST = "slowest"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some time of a monitor: how many runs were expected, how many succeeded, and how many of these told how long they
    took (`timed`), with quantiles in seconds; None where none did."""

    expected: int
    succeeded: int
    timed: int = 0
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class Worse:
    """From `before` to `lately`: shares (0–1) of success, or seconds. The greater `weight`, the earlier it is told:
    a success rate that fell by a fifth weighs as much as run times that doubled."""

    what: What
    before: float
    lately: float
    weight: float


def judge(before: Stretch, lately: Stretch) -> list[Worse]:
    """What got worse, the worst first; nothing for a job that did not, or of which too little is known."""
    found = [one for one in (_success(before, lately), _times(before, lately)) if one]
    return sorted(found, key=lambda one: -one.weight)


def _success(before: Stretch, lately: Stretch) -> Worse | None:
    if min(before.expected, lately.expected) < LEAST_RUNS:
        return None
    was, now = before.succeeded / before.expected, lately.succeeded / lately.expected
    more_bad = lately.expected * was - lately.succeeded
    if was - now < LEAST_FALL or more_bad < LEAST_BAD:
        return None
    return Worse(What.SUCCESS, was, now, 5 * (was - now))


def _times(before: Stretch, lately: Stretch) -> Worse | None:
    timed = min(before.timed, lately.timed)
    usual = _grew(What.USUAL, before.p50, lately.p50) if timed >= LEAST_RUNS else None
    return usual or (_grew(What.SLOWEST, before.p95, lately.p95) if timed >= LEAST_FOR_SLOWEST else None)


def _grew(what: What, was: float | None, now: float | None) -> Worse | None:
    if was is None or now is None or now < was * LEAST_FACTOR or now - was < LEAST_SECONDS:
        return None
    return Worse(what, was, now, now / max(was, LEAST_SECONDS) - 1)
