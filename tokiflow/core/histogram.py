"""How run times are distributed, in buckets that grow with the time: small, and never far from the truth.

A time of `ms` milliseconds falls into bucket ⌈log_γ ms⌉ with γ = (1 + α) / (1 − α), so that the middle of a bucket,
2γⁱ / (γ + 1), is off by no more than α of any time in it; times below a millisecond are in a bucket of their own.
Histograms of two stretches of time add up to that of both, whatever the order: Masson, Rim and Lee, "DDSketch: A Fast
and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", VLDB 2019, §2.

Roll-ups are made by the database, which follows the same rule (`BUCKET_SQL`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

ACCURACY = 0.02
"""α: so much, relatively, a quantile may be off."""

GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GAMMA = math.log(GAMMA)

ZERO = -1
"""The bucket of times below a millisecond."""

BUCKET_SQL = f"case when duration_ms < 1 then {ZERO} else ceil(ln(duration_ms::float8) / {_LOG_GAMMA!r})::int end"
"""The number of the bucket of the column `duration_ms`, in SQL."""

Histogram = Mapping[int, int] | Mapping[str, int]
"""How many times fell into each bucket, by its number. In JSON that is a text, and stays one until it is needed: a year
has many."""


@dataclass(frozen=True, slots=True)
class Bar:
    """So many run times above `low` and up to `high`, in seconds."""

    low: float
    high: float
    count: int


def bucket(ms: float) -> int:
    """The number of the bucket that a time of `ms` milliseconds falls into."""
    return ZERO if ms < 1 else math.ceil(math.log(ms) / _LOG_GAMMA)


@lru_cache(maxsize=4096)
def middle(number: int) -> float:
    """What stands for each time in that bucket: milliseconds."""
    return 0.0 if number == ZERO else float(2 * GAMMA**number / (GAMMA + 1))


def upper_edge(number: int) -> float:
    """The longest time in that bucket: milliseconds."""
    return 0.0 if number == ZERO else float(GAMMA**number)


def of(times: Iterable[float]) -> dict[int, int]:
    """The histogram of times in milliseconds."""
    return dict(Counter(map(bucket, times)))


def merged(histograms: Iterable[Histogram]) -> dict[Any, int]:
    """The histogram of all times in all of `histograms`, which have numbers of the same type."""
    total: dict[Any, int] = {}
    for one in histograms:
        for number, count in one.items():
            total[number] = total.get(number, 0) + count
    return total


def quantile(histogram: Histogram, share: float) -> float | None:
    """The time in milliseconds that `share` (0–1) of the times do not exceed, off by α at most; None without times.

    Between two neighbours it is interpolated as numpy.percentile and percentile_cont do.
    """
    return next(quantiles(histogram, (share,)))


def quantiles(histogram: Histogram, shares: Iterable[float]) -> Iterator[float | None]:
    """`quantile` for each of `shares`."""
    counted = sorted(_numbered(histogram).items())
    total = sum(histogram.values())
    for share in shares:
        if not total:
            yield None
            continue
        rank = share * (total - 1)
        low, part = math.floor(rank), rank - math.floor(rank)
        at = _at_rank(counted, low)
        yield at + part * (_at_rank(counted, low + 1) - at) if part else at


def _at_rank(counted: list[tuple[int, int]], rank: int) -> float:
    """The time that `rank` others precede."""
    for number, count in counted:
        rank -= count
        if rank < 0:
            return middle(number)
    return middle(counted[-1][0])


def bars(histogram: Histogram, most: int = 40) -> list[Bar]:
    """The histogram for the eye: at most `most` bars side by side, the empty ones between them too.

    Neighbouring buckets are joined, equally many for each bar, where there are more of them than bars. Times below a
    millisecond come first, in a bar from 0 to 0.
    """
    rest = {number: count for number, count in _numbered(histogram).items() if count}
    below = rest.pop(ZERO, 0)
    zero = [Bar(0.0, 0.0, below)] if below else []
    if not rest:
        return zero
    first, last = min(rest), max(rest)
    together = math.ceil((last - first + 1) / most)
    counts = Counter({(number - first) // together: 0 for number in range(first, last + 1)})
    for number, count in rest.items():
        counts[(number - first) // together] += count
    edges = [upper_edge(first - 1 + n * together) / 1000 for n in range(len(counts) + 1)]
    return zero + [Bar(edges[n], edges[n + 1], counts[n]) for n in range(len(counts))]


def _numbered(histogram: Histogram) -> dict[int, int]:
    return {int(number): count for number, count in histogram.items()}
