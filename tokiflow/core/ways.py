"""What is unusual and returns again and again is no trouble but another way that the job goes, for as long as it does.

Each unusual run that begins a row is a sight. Many of these that are about as far out are a way. From then on its runs
are usual; they are sighted all the same, because what was often for an hour only is told again later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tokiflow.core import bounds
from tokiflow.core.baseline import NOWHERE, Baseline
from tokiflow.core.sensitivity import Taste

MOST_SIGHTS = 12
SIGHTED_WITHIN = 250
OFTEN, RARELY = (1.5, 0.04), (4.0, 0.018)
"""So many, and this share of the runs, are no accident but another way that the job goes; either is enough."""
GOES_ON, GOES_ON_WITHIN = 6, 1000
"""So many of so many runs go another way for as long as it is one: as a share, no more than what the memory of weeks
takes for accidents."""
AS_FAR = 0.35
"""On the logarithmic scale: what is nearer by less than this is as far out."""
DAY = 86_400.0


class Sight(NamedTuple):
    """An unusual `place` in run number `run`, `at` seconds since the epoch."""

    run: int
    at: float
    place: float


Sights = tuple[Sight, ...]
"""The last of them, oldest first: MOST_SIGHTS at most."""


def sighted(sights: Sequence[Sight], run: int, baseline: Baseline, place: float) -> Sights:
    """With one more, in the run that `baseline` has just seen."""
    return (*sights, Sight(run, round(baseline.last_at or 0.0), place))[-MOST_SIGHTS:]


def as_far(sights: Sights, run: int, place: float, side: int, centre: float) -> Sights:
    """What was seen lately, before `run`, that is about as far from `centre` as `place`, or farther."""
    least = max(side * place - AS_FAR, side * centre)
    since = run - SIGHTED_WITHIN
    return tuple(sight for sight in sights if sight.run > since and side * sight.place > least)


def are_one(seen: Sights, baseline: Baseline) -> bool:
    """Whether what was `seen` and is here again has returned so often that it is normal: in number, or because it was
    so at this time on the two days before, or in the two weeks before."""
    within = min(baseline.count, SIGHTED_WITHIN)
    if len(seen) + 1 >= min(some + share * within for some, share in (OFTEN, RARELY)):
        return True
    moments = [sight.at for sight in seen]
    return any(
        all(_near(moments, (baseline.last_at or 0.0) - times * period, baseline.every) for times in (1, 2))
        for period in (DAY, 7 * DAY)
        if baseline.every < period / 2
    )


def is_on_one(baseline: Baseline, taste: Taste, place: float) -> bool:
    """Whether a place is usual for no other reason than that it is on such a way."""
    if baseline.returning == NOWHERE:
        return False
    return bool(bounds.of(replace(baseline, returning=NOWHERE), taste, place).side(place))


def that_go_on(baseline: Baseline, sights: Sights, run: int) -> Baseline:
    """The baseline without ways that were sighted too seldom before `run`, once the sights tell of enough runs."""
    since = run - GOES_ON_WITHIN
    if baseline.returning == NOWHERE or not sights or sights[0].run > since:
        return baseline
    above = [sight.place > baseline.centre for sight in sights if sight.run > since]
    low, high = baseline.returning
    going_on = (low if above.count(False) >= GOES_ON else None, high if above.count(True) >= GOES_ON else None)
    return baseline if going_on == baseline.returning else replace(baseline, returning=going_on)


def _near(moments: list[float], moment: float, every: float) -> bool:
    return any(abs(one - moment) <= 0.6 * every for one in moments)
