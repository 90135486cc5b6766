"""How well a job does: run times summed up, up time, time between failures and to recovery, and one score of it all.

Every formula is told in words in docs/analytics.md.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tokiflow.core import histogram
from tokiflow.core.histogram import Histogram

Interval = tuple[datetime, datetime]
"""From a moment up to, not including, another."""


@dataclass(frozen=True, slots=True)
class Times:
    """Run times summed up, such that two sums can be added: how many, their sum and the sum of their squares, the
    shortest and the longest (milliseconds), and their histogram. `known` are all of them in order, or none."""

    count: int = 0
    total_ms: int = 0
    squares: float = 0.0
    min_ms: int | None = None
    max_ms: int | None = None
    histogram: Histogram = field(default_factory=dict)
    known: tuple[int, ...] = ()

    @property
    def mean(self) -> float | None:
        """Seconds."""
        return self.total_ms / self.count / 1000 if self.count else None

    @property
    def stddev(self) -> float | None:
        """Of a sample (n − 1), in seconds; None for fewer than two."""
        if self.count < 2:
            return None
        variance = (self.squares - self.total_ms**2 / self.count) / (self.count - 1)
        return math.sqrt(max(0.0, variance)) / 1000

    @property
    def shortest(self) -> float | None:
        """Seconds."""
        return None if self.min_ms is None else self.min_ms / 1000

    @property
    def longest(self) -> float | None:
        """Seconds."""
        return None if self.max_ms is None else self.max_ms / 1000

    def quantile(self, share: float) -> float | None:
        """In seconds: exact where all times are known, else off by `histogram.ACCURACY` at most, and never outside of
        what there was."""
        return self.quantiles(share)[0]

    def quantiles(self, *shares: float) -> list[float | None]:
        """`quantile` for each of `shares`."""
        if self.known:
            return [_interpolated(self.known, share) / 1000 for share in shares]
        low, high = self.min_ms or 0, self.max_ms or 0
        found = histogram.quantiles(self.histogram, shares)
        return [None if one is None else min(max(one, low), high) / 1000 for one in found]


def _interpolated(values: Sequence[int], share: float) -> float:
    """Between two neighbours, as numpy.percentile and percentile_cont do."""
    rank = share * (len(values) - 1)
    low = math.floor(rank)
    return values[low] + (rank - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def added(several: Iterable[Times]) -> Times:
    """All of them together."""
    all_of_them = [one for one in several if one.count]
    if len(all_of_them) == 1:
        return all_of_them[0]
    return Times(
        count=sum(one.count for one in all_of_them),
        total_ms=sum(one.total_ms for one in all_of_them),
        squares=math.fsum(one.squares for one in all_of_them),
        min_ms=min((one.min_ms for one in all_of_them if one.min_ms is not None), default=None),
        max_ms=max((one.max_ms for one in all_of_them if one.max_ms is not None), default=None),
        histogram=histogram.merged(one.histogram for one in all_of_them),
    )


def of(times: Sequence[int]) -> Times:
    """Run times in milliseconds, summed up."""
    if not times:
        return Times()
    squares = math.fsum(one**2 for one in times)
    return Times(len(times), sum(times), squares, min(times), max(times), histogram.of(times))


def z_score(value: float, mean: float | None, stddev: float | None) -> float | None:
    """How many standard deviations `value` is above the mean; None where nothing varies or nothing is known."""
    return (value - mean) / stddev if mean is not None and stddev else None


def success_rate(succeeded: int, failed: int, overran: int, missed: int) -> float | None:
    """0–1 of all runs that ended or should have been; None without any."""
    expected = succeeded + failed + overran + missed
    return succeeded / expected if expected else None


@dataclass(frozen=True, slots=True)
class Uptime:
    """Of `watched` seconds a monitor was `down` for some, in so many `outages`."""

    watched: float
    down: float
    outages: int

    @property
    def share(self) -> float | None:
        """0–1; None where nothing was watched."""
        return (self.watched - self.down) / self.watched if self.watched > 0 else None

    @property
    def mtbf(self) -> float | None:
        """Mean time between failures, in seconds: up time for each outage. None without one."""
        return (self.watched - self.down) / self.outages if self.outages else None

    @property
    def mttr(self) -> float | None:
        """Mean time to recovery, in seconds: down time for each outage, one that goes on with what it took so far."""
        return self.down / self.outages if self.outages else None


def uptime(
    since: datetime,
    until: datetime,
    outages: Iterable[Interval],
    maintenance: Iterable[Interval] = (),
    paused: Iterable[Interval] = (),
) -> Uptime:
    """Up time from `since` up to `until`. Overlapping outages are one.

    Time in maintenance counts as up time, whatever happens meanwhile. Time in which the monitor was paused is not part
    of the period at all. An outage that lies wholly in such time is none.
    """
    return uptimes([since, until], outages, maintenance, paused)[0]


def uptimes(
    edges: Sequence[datetime],
    outages: Iterable[Interval],
    maintenance: Iterable[Interval] = (),
    paused: Iterable[Interval] = (),
) -> list[Uptime]:
    """`uptime` between each of `edges` and the next; they are in order. An outage over an edge is one on both sides."""
    since, until = edges[0], edges[-1]
    watched, down = ([0.0] * (len(edges) - 1) for _ in range(2))
    counts = [0] * (len(edges) - 1)
    for place, length in _parts(without([(since, until)], paused), edges):
        watched[place] += length
    excused = merged([*maintenance, *paused])
    for outage in within(merged(outages), since, until):
        touched = set()
        for place, length in _parts(_cut(outage, excused), edges):
            down[place] += length
            touched.add(place)
        for place in touched:
            counts[place] += 1
    return [Uptime(*one) for one in zip(watched, down, counts, strict=True)]


def _parts(intervals: Iterable[Interval], edges: Sequence[datetime]) -> Iterator[tuple[int, float]]:
    """Between which of `edges` and the next they lie, and for how many seconds."""
    for start, end in intervals:
        place = bisect_right(edges, start) - 1
        while start < end:
            stop = min(end, edges[place + 1])
            yield place, (stop - start).total_seconds()
            start, place = stop, place + 1


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time in the fewest intervals, the earliest first. Empty ones are left out."""
    found: list[Interval] = []
    for start, end in sorted(one for one in intervals if one[0] < one[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def within(intervals: Iterable[Interval], since: datetime, until: datetime) -> list[Interval]:
    """What of each lies from `since` up to `until`, those that lie elsewhere left out."""
    cut = ((max(start, since), min(end, until)) for start, end in intervals)
    return [(start, end) for start, end in cut if start < end]


def without(intervals: Iterable[Interval], holes: Iterable[Interval]) -> list[Interval]:
    """The time of `intervals` that is in none of `holes`, the earliest first."""
    gaps = merged(holes)
    return [part for one in merged(intervals) for part in _cut(one, gaps)]


def _cut(interval: Interval, gaps: Sequence[Interval]) -> Iterator[Interval]:
    """What is left of it; `gaps` are in order and don't overlap."""
    at, end = interval
    for begins, ends in gaps[max(0, bisect_right(gaps, (at, at)) - 1) :]:
        if begins >= end:
            break
        if begins > at:
            yield at, begins
        at = max(at, ends)
    if at < end:
        yield at, end


def seconds(intervals: Iterable[Interval]) -> float:
    """How long they are together; none may overlap."""
    return sum((end - start).total_seconds() for start, end in intervals)


UPTIME_WEIGHT, SUCCESS_WEIGHT, PERFORMANCE_WEIGHT = 0.4, 0.3, 0.3
DIGITS = 9
"""So exact a score is before it is made whole: half a point is one more, whoever reckons and in which order."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a health score: its `share` is 0–1, or None where nothing is known of it."""

    name: str
    weight: float
    share: float | None


@dataclass(frozen=True, slots=True)
class Health:
    """A score 0–100, and the three parts it is made of: uptime, success, performance."""

    score: int
    parts: tuple[Part, Part, Part]


def performance(timed: int, anomalies: int) -> float | None:
    """The share of runs with a known time in which nothing was unlike the usual; None without any."""
    return 1 - min(anomalies, timed) / timed if timed else None


def score(uptime: float | None, success: float | None, performance: float | None) -> Health | None:
    """The health score of three shares (0–1). What is not known is left out, and the others weigh in its place; None
    where neither success nor performance is known: then the job has done nothing to be judged by."""
    made = parts(uptime, success, performance)
    if success is None and performance is None:
        return None
    known = [(part.weight, part.share) for part in made if part.share is not None]
    total = sum(weight * share for weight, share in known) / sum(weight for weight, _ in known)
    return Health(math.floor(round(100 * total, DIGITS) + 0.5), made)


def parts(uptime: float | None, success: float | None, performance: float | None) -> tuple[Part, Part, Part]:
    """What a score is made of."""
    return (
        Part("uptime", UPTIME_WEIGHT, uptime),
        Part("success", SUCCESS_WEIGHT, success),
        Part("performance", PERFORMANCE_WEIGHT, performance),
    )
