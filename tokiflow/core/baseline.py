"""What is normal for a monitor: its run time, how much it prints, how often it runs, or a number of its own.

Learnt run by run in constant space (under 2 KB as JSON), in three ways that complete each other:

- **moments** (Welford, Technometrics 1962): count, mean and variance since the last change, as they are and on a
  logarithmic scale;
- **a window** of the last WINDOW regular values, exact: median, MAD and percentiles. It follows what changes slowly;
- **a memory** of weeks (core/memory.py): what also happens, each Sunday or once in a thousand runs.

Run times differ by factors, not by seconds, so values are judged by their place on a logarithmic scale,
asinh(value / 2 grain). Far above the grain that is the logarithm, and equal distances are equal factors. Below it is a
plain line through zero: there is an absolute floor, zero has a place, and so have negative numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from tokiflow.core import week
from tokiflow.core.memory import Memory
from tokiflow.core.week import Week

VERSION = 2
WINDOW = 96
"""Four days of an hourly job, three months of a daily one."""
ENOUGH = 10
"""So many runs are needed before any is judged."""
MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, for a normal distribution: 1 / Φ⁻¹(3/4)."""
MEAN_TO_SIGMA = 1.2533
"""Mean absolute deviation to standard deviation: √(π / 2)."""
DECIMALS, DIGITS = 5, 5
"""Decimals of a place, and digits of the value that it stands for: 12 minutes come back as 12 minutes."""
SLOWEST_TO_NOTICE = 0.05
"""How much of a new gap between runs counts for the usual gap."""

SMALLEST, LARGEST = 1e-30, 1e30
"""What lies beyond is judged as if it were these."""
ENOUGH_FOR_SHAPE = 20
CLEARLY = 0.1
"""By so much must the skew be less."""
WIDE = 0.25
"""A standard deviation on the logarithmic scale. Of a narrower scatter both scales say the same."""


class Measure(StrEnum):
    """What is measured: seconds, bytes, runs in a period, or a number that the job tells."""

    RUN_TIME = "run_time"
    OUTPUT_SIZE = "output_size"
    RUN_COUNT = "run_count"
    METRIC = "metric"


_GRAINS = {Measure.RUN_TIME: 0.1, Measure.OUTPUT_SIZE: 50.0, Measure.RUN_COUNT: 3.0}
"""Below about this, differences mean little: a tenth of a second, a line of output, three runs."""
_GRAIN_OF_FIRST = 0.05
"""A metric may be of any size. Its grain is this share of the first one that isn't zero."""


Limits = tuple[float | None, float | None]
"""Places, below and above; None: no such limit."""


class Moments(NamedTuple):
    """Welford's count, mean, and sum of squared distances from the mean."""

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    def add(self, value: float) -> Moments:
        """With one more value."""
        n = self.n + 1
        delta = value - self.mean
        mean = self.mean + delta / n
        return Moments(n, mean, self.m2 + delta * (value - mean))

    @property
    def variance(self) -> float:
        """Of the sample (n − 1), 0 for fewer than two values."""
        return self.m2 / (self.n - 1) if self.n > 1 else 0.0

    @property
    def stddev(self) -> float:
        """Of the sample, in the unit of the values."""
        return math.sqrt(self.variance)


@dataclass(frozen=True)
class Baseline:
    """What is normal on `day`, that of the last run (an ordinal). `every` is the usual gap between runs in seconds.

    `window` holds places as they were, oldest first, and `weekdays` a digit for each. All else has them as they would
    be on a common day: where weekdays differ, those of big days count that much less (core/week.py).

    `allowed` are the outermost places, as they were, of which a person said that they are no problem; `returning` those
    that came again so often that they are another way the job goes, until the memory of weeks has them.
    """

    measure: Measure = Measure.RUN_TIME
    grain: float = 0.0
    raw: Moments = field(default_factory=Moments)
    log: Moments = field(default_factory=Moments)
    window: tuple[float, ...] = ()
    weekdays: str = ""
    memory: Memory = field(default_factory=Memory)
    week: Week = field(default_factory=Week)
    day: int = 0
    every: float = 0.0
    first_at: float | None = None
    last_at: float | None = None
    allowed: Limits = (None, None)
    returning: Limits = (None, None)

    @property
    def count(self) -> int:
        """How many runs it was learnt from since the last change of level."""
        return self.raw.n

    @property
    def ready(self) -> bool:
        """Whether there were enough runs to judge another by them."""
        return self.count >= ENOUGH

    @property
    def span(self) -> float:
        """Seconds from the first run to the last."""
        return (self.last_at or 0.0) - (self.first_at or 0.0)

    @property
    def usual(self) -> float:
        """The median, in the unit of the values."""
        return self.quantile(0.5)

    @property
    def mad(self) -> float:
        """The median absolute deviation, in the unit of the values."""
        middle = self.usual
        return _median(sorted(abs(self.value(place) - middle) for place in self.places))

    @property
    def offset(self) -> float:
        """How much farther out places are on a day such as this one."""
        return self.week.offset(week.weekday(self.day))

    def quantile(self, share: float) -> float:
        """Such a share (0–1) of the last WINDOW regular values is not above this, on such a day. NaN if there are
        none."""
        at = share * (len(self.places) - 1)
        return interpolated([self.value(place) for place in self.places[max(math.floor(at), 0) :][:2]], at % 1)

    @cached_property
    def places(self) -> list[float]:
        """The window as on a common day, sorted."""
        if not self.week.shape:
            return sorted(self.window)
        days = map(int, self.weekdays)
        return sorted(place - self.week.offset(day) for place, day in zip(self.window, days, strict=True))

    @cached_property
    def centre(self) -> float:
        """The median place."""
        return _median(self.places)

    @cached_property
    def sigma(self) -> float:
        """The spread of places: the standard deviation that belongs to their median absolute deviation.

        If that is 0, as where a clock tells whole seconds, it is the one that belongs to their mean absolute deviation
        (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993).
        """
        centre = self.centre
        # Falls, then rises: two runs, which sort() joins in one pass.
        away = sorted([abs(place - centre) for place in self.places])
        return MAD_TO_SIGMA * _median(away) or MEAN_TO_SIGMA * sum(away) / max(len(away), 1)

    @cached_property
    def additive(self) -> bool:
        """Whether values scatter by seconds and not by factors: clearly less skewed as they are than as logarithms."""
        if len(self.window) < ENOUGH_FOR_SHAPE or self.sigma < WIDE:
            return False
        shape = [interpolated(self.places, share) for share in (0.05, 0.5, 0.95)]
        return abs(_skew([self.value(place) for place in shape])) + CLEARLY < abs(_skew(shape))

    def place(self, value: float, weekday: int | None = None) -> float:
        """Where a value is on the scale on which it is judged, if it is of this day or of another weekday."""
        return self.seen_as(value) - (self.offset if weekday is None else self.week.offset(weekday))

    def seen_as(self, value: float) -> float:
        """The place of a value, whatever the day."""
        return _place(value, self.grain or _first_grain(self.measure, value))

    def value(self, place: float) -> float:
        """The value that is at a place on such a day."""
        return float(f"{math.sinh(place + self.offset) * 2 * self.grain:.{DIGITS}g}")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, about 1 KB, with its version."""
        return {
            "version": VERSION,
            "measure": self.measure.value,
            "grain": self.grain,
            "raw": list(self.raw),
            "log": list(self.log),
            "window": list(self.window),
            "weekdays": self.weekdays,
            "memory": self.memory.to_dict(),
            "week": self.week.to_list(),
            "day": self.day,
            "every": self.every,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "allowed": list(self.allowed),
            "returning": list(self.returning),
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Baseline:
        """What `to_dict` wrote. Raises ValueError for another version or anything else: learn it anew from the runs."""
        if kept.get("version") != VERSION:
            raise ValueError(
                f"a baseline of version {kept.get('version')!r} cannot be read; learn it anew from the runs"
            )
        try:
            return cls(
                Measure(kept["measure"]),
                kept["grain"],
                Moments(*kept["raw"]),
                Moments(*kept["log"]),
                tuple(kept["window"]),
                kept["weekdays"],
                Memory.from_dict(kept["memory"]),
                Week.from_list(kept["week"]),
                kept["day"],
                kept["every"],
                kept["first_at"],
                kept["last_at"],
                (kept["allowed"][0], kept["allowed"][1]),
                (kept["returning"][0], kept["returning"][1]),
            )
        except (KeyError, TypeError, IndexError) as broken:
            raise ValueError("this is no baseline; learn it anew from the runs") from broken


def learn(baseline: Baseline, value: float, at: datetime) -> Baseline:
    """The baseline after a regular run. What is no number teaches nothing."""
    if not math.isfinite(value):
        return baseline
    return taught(seen(baseline, value, at), value)


def passed(baseline: Baseline, at: datetime) -> Baseline:
    """The baseline after any run, of which it takes only when it was. A moment before the last one changes nothing."""
    now = at.timestamp()
    if baseline.last_at is None:
        return replace(baseline, first_at=now, last_at=now)
    gap = now - baseline.last_at
    if gap <= 0:
        return baseline
    every = baseline.every + SLOWEST_TO_NOTICE * (gap - baseline.every) if baseline.every else gap
    return replace(baseline, every=round(every, 1) or every, last_at=now)


def seen(baseline: Baseline, value: float, at: datetime, begun: datetime | None = None) -> Baseline:
    """The baseline before it judges `value`: it knows when that came, and of which day it is: that of `begun` or `at`,
    in its own zone.

    Unusual or not, the value says something of its weekday: who has never seen a weekend may find it unusual.
    """
    baseline = passed(baseline, at)
    place = baseline.seen_as(value)
    day = _day(baseline, place, begun or at)
    now = baseline.week.add(place, day)
    before, after = baseline.week.shape, now.shape
    if before == after:
        return replace(baseline, week=now, day=day)
    baseline = replace(baseline, week=now)
    baseline = replace(baseline, day=_day(baseline, place, begun or at))
    moved_by = max(abs(now.offset(day) - (before[day] if before else 0.0)) for day in range(week.WEEK))
    return _reminded(baseline) if moved_by >= RESHAPED else baseline


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
    return replace(baseline, memory=memory, returning=(None, None))


def taught(baseline: Baseline, *values: float, weekdays: str = "") -> Baseline:
    """The baseline after more regular values of the time it knows of, of its day or of these weekdays."""
    grain, raw, log, memory = baseline.grain, baseline.raw, baseline.log, baseline.memory
    window, weekdays = baseline.window, weekdays or str(week.weekday(baseline.day)) * len(values)
    for value, weekday in zip(values, weekdays, strict=True):
        grain = grain or _first_grain(baseline.measure, value)
        place = _place(value, grain)
        raw, log = raw.add(min(max(value, -LARGEST), LARGEST)), log.add(place)
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
        returning=baseline.returning if fresh else (None, None),
    )


def moved(baseline: Baseline, values: tuple[float, ...], before: Limits, weekdays: str = "") -> Baseline:
    """The baseline after a change of level, of which these are the first values.

    The old level, between the places `before`, stays usual for a while: a job that does more each weekend goes back on
    Monday. But it tells nothing of how the new one scatters.
    """
    fresh = replace(baseline, raw=Moments(), log=Moments(), window=(), weekdays="", memory=Memory(), returning=before)
    learnt = taught(fresh, *values, weekdays=weekdays)
    return replace(learnt, returning=before)


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


def interpolated(ordered: list[float], share: float) -> float:
    """A quantile of sorted numbers, linear between neighbours (Hyndman and Fan's type 7, as NumPy and PostgreSQL)."""
    if not ordered:
        return math.nan
    at = share * (len(ordered) - 1)
    below = math.floor(at)
    if below + 1 >= len(ordered):
        return ordered[-1]
    return ordered[below] + (at - below) * (ordered[below + 1] - ordered[below])


def _skew(shape: list[float]) -> float:
    """Of three quantiles: 0 if the middle one is in the middle, 1 or -1 if it is at an end (Kelley)."""
    low, middle, high = shape
    return (high + low - 2 * middle) / (high - low) if high > low else 0.0


def _first_grain(measure: Measure, value: float) -> float:
    return _GRAINS.get(measure) or max(abs(value) * _GRAIN_OF_FIRST, SMALLEST if value else 0.0)


def _place(value: float, grain: float) -> float:
    return round(math.asinh(_bounded(value) / (2 * grain)), DECIMALS) if grain else 0.0


def _bounded(value: float) -> float:
    return min(max(value, -LARGEST), LARGEST)


def _median(ordered: list[float]) -> float:
    half, odd = divmod(len(ordered), 2)
    if not ordered:
        return math.nan
    return ordered[half] if odd else (ordered[half - 1] + ordered[half]) / 2
