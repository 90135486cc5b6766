"""How a baseline learns: from a regular run, from a new level, from what returns, and from what a person says."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime

from tokiflow.core import week
from tokiflow.core.baseline import NOWHERE, WINDOW, Baseline, Limits
from tokiflow.core.measure import bounded, first_grain, place_of
from tokiflow.core.memory import Memory
from tokiflow.core.moments import Moments

SLOWEST_TO_NOTICE = 0.05
"""How much of a new gap between runs counts for the usual gap."""


def learn(baseline: Baseline, value: float, at: datetime) -> Baseline:
    """The baseline after a regular run. What is no number teaches nothing."""
    if not math.isfinite(value):
        return baseline
    return taught(seen(baseline, value, at), value)


def seen(baseline: Baseline, value: float, at: datetime, begun: datetime | None = None) -> Baseline:
    """The baseline before it judges `value`: it knows when that came, and of which day it is: that of `begun` or `at`,
    in its own zone.

    Unusual or not, the value says something of its weekday: who has never seen a weekend may find it unusual.
    """
    every, first_at, last_at = _times(baseline, at)
    place = baseline.seen_as(value)
    day = _day(baseline, place, begun or at)
    now = baseline.week.add(place, day)
    before, after = baseline.week.shape, now.shape
    if before != after:
        day = _day(replace(baseline, week=now), place, begun or at)
    baseline = replace(baseline, week=now, day=day, every=every, first_at=first_at, last_at=last_at)
    if before == after:
        return baseline
    moved_by = max(abs(now.offset(one) - (before[one] if before else 0.0)) for one in range(week.WEEK))
    return _reminded(baseline) if moved_by >= RESHAPED else baseline


def _times(baseline: Baseline, at: datetime) -> tuple[float, float, float]:
    """The usual gap between runs, the first moment and the last. A moment before the last changes nothing."""
    now, every = at.timestamp(), baseline.every
    first, last = (now if one is None else one for one in (baseline.first_at, baseline.last_at))
    gap = now - last
    if gap <= 0:
        return every, first, last
    every = every + SLOWEST_TO_NOTICE * (gap - every) if every else gap
    return round(every, 1) or every, first, now


def _day(baseline: Baseline, place: float, at: datetime) -> int:
    """That of `at`, or the one before as long as it goes on: some people's Sunday ends a few hours later than ours."""
    day = at.toordinal()
    if baseline.day != day - 1 or at.hour >= LATEST_TURN or baseline.every > OFTEN or not baseline.week.shape:
        return day
    away, farther = (abs(place - baseline.week.offset(week.weekday(one)) - baseline.centre) for one in (day - 1, day))
    return day - 1 if away < farther else day


LATEST_TURN, OFTEN = 12, 4 * 3600.0
"""The hour until which a day may go on, and how often a job must run, in seconds, to say so."""
WILD = 5.0
"""Standard deviations."""
RESHAPED = 0.15
"""On the logarithmic scale: if weekdays differ otherwise by so much, the memory of weeks is worth nothing."""


def _reminded(baseline: Baseline) -> Baseline:
    """The baseline, of which the memory knows no more than the window. What is wild, now that weekdays are known, may
    have been trouble that was within a wider band."""
    memory, reach = Memory(), WILD * max(baseline.sigma, 0.1)
    for place in baseline.places:
        if abs(place - baseline.centre) <= reach:
            memory = memory.add(place, baseline.last_at)
    return replace(baseline, memory=memory, before=NOWHERE, returning=NOWHERE)


def taught(baseline: Baseline, *values: float, weekdays: str = "") -> Baseline:
    """The baseline after more regular values of the time it knows of, of its day or of these weekdays."""
    grain, raw, log, memory = baseline.grain, baseline.raw, baseline.log, baseline.memory
    window, weekdays = baseline.window, weekdays or str(week.weekday(baseline.day)) * len(values)
    for value, weekday in zip(values, weekdays, strict=True):
        grain = grain or first_grain(baseline.measure, value)
        place = place_of(value, grain)
        raw, log = raw.add(bounded(value)), log.add(place)
        memory = memory.add(place - baseline.week.offset(int(weekday)), baseline.last_at)
        window = (*window[-WINDOW + 1 :], place)
    fresh = memory.faded_at == baseline.memory.faded_at
    return replace(
        baseline,
        grain=grain,
        raw=raw,
        log=log,
        window=window,
        weekdays=(baseline.weekdays + weekdays)[-WINDOW:],
        memory=memory,
        before=baseline.before if fresh else NOWHERE,
        returning=baseline.returning if fresh else NOWHERE,
    )


def moved(baseline: Baseline, values: tuple[float, ...], before: Limits, weekdays: str = "") -> Baseline:
    """The baseline after a change of level, of which these are the first values.

    The old level, between the places `before`, stays usual for a while: a job that does more each weekend goes back on
    Monday. But it tells nothing of how the new one scatters.
    """
    fresh = replace(baseline, raw=Moments(), log=Moments(), window=(), weekdays="", memory=Memory())
    return replace(taught(fresh, *values, weekdays=weekdays), before=before, returning=NOWHERE)


def accept(baseline: Baseline, value: float) -> Baseline:
    """The baseline after a person said that `value` is no problem: nothing up to there is one from now on."""
    if not math.isfinite(value) or not baseline.window:
        return baseline
    return replace(
        baseline, allowed=_wider(baseline.allowed, baseline.seen_as(value), baseline.centre + baseline.offset)
    )


def returned(baseline: Baseline, place: float, seen: tuple[float, ...]) -> Baseline:
    """The baseline after a place returned so often that it is normal. `seen` are those it had when it wasn't yet."""
    memory = baseline.memory
    for one in seen:
        memory = memory.add(one)
    margin = max(AROUND, 2 * baseline.sigma)
    outer = place + (margin if place > baseline.centre else -margin)
    return replace(baseline, memory=memory, returning=_wider(baseline.returning, outer, baseline.centre))


AROUND = 0.15
"""On the logarithmic scale: what has returned may be a little farther out the next time."""


def _wider(limits: Limits, place: float, centre: float) -> Limits:
    low, high = limits
    if place < centre:
        return (place if low is None else min(place, low), high)
    return (low, place if high is None else max(place, high))
