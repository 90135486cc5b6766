"""How often what was seen, for long, in a few hundred bytes: a histogram whose bins widen when they become too many.

Bins are equally wide, so on a scale that is logarithmic they are relatively exact (DDSketch: Masson, Rim, Lee, VLDB
2019). When there are more than MOST_BINS, neighbours are joined two by two (UDDSketch: Epicoco and others, 2020). What
is long past fades: every FADES_AFTER all counts are halved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

FIRST_WIDTH = 0.02
MOST_BINS = 48
FADES_AFTER = 28 * 86_400.0
"""Seconds. Four weeks, so that each weekday is remembered a few times."""
FADES_FROM = 400
"""A memory of fewer values doesn't fade: a daily job has 28 runs in four weeks, and none of them to spare."""


class Tail(NamedTuple):
    """The `size` outermost values on one side begin at `edge`, and reach `excess` beyond it, all added up.

    The outermost one counts as if it were the second: a lone value is no tail. For an exponential tail that takes one
    mean from the sum, so `excess / (size - 1)` is unbiased.
    """

    edge: float
    size: int
    excess: float


@dataclass(frozen=True)
class Memory:
    """`bins` from number to count; bin `n` reaches from `n * width` to `(n + 1) * width`."""

    width: float = FIRST_WIDTH
    bins: Mapping[int, int] = field(default_factory=dict)
    total: int = 0
    faded_at: float | None = None

    def add(self, place: float, at: float | None = None) -> Memory:
        """One more value, seen `at` (seconds since the epoch; None: fade nothing)."""
        if at is not None and self.faded_at is not None and at - self.faded_at >= FADES_AFTER:
            return replace(self._faded_if_long(), faded_at=at).add(place)
        bins = dict(self.bins)
        number = math.floor(place / self.width)
        bins[number] = bins.get(number, 0) + 1
        width = self.width
        while len(bins) > MOST_BINS:
            bins, width = _joined(bins), width * 2
        return Memory(width, bins, self.total + 1, at if self.faded_at is None else self.faded_at)

    def faded(self, share: float) -> Memory:
        """The memory with this share of each count, rounded down: what was rare is forgotten."""
        bins = {number: kept for number, count in self.bins.items() if (kept := int(count * share))}
        return replace(self, bins=bins, total=sum(bins.values()))

    def quantile(self, share: float) -> float:
        """The upper edge of the bin below which at least this share of all lies. NaN if nothing was seen."""
        wanted, seen = share * self.total, 0
        for number in sorted(self.bins):
            seen += self.bins[number]
            if seen >= wanted:
                return (number + 1) * self.width
        return math.nan

    def tail(self, side: int, size: int) -> Tail:
        """At least the `size` outermost values above (`side` 1) or below (-1). Raises ValueError if there are none."""
        taken: list[tuple[int, int]] = []
        reached = 0
        for number in sorted(self.bins, reverse=side > 0):
            taken.append((number, self.bins[number]))
            reached += self.bins[number]
            if reached >= size:
                break
        if not taken:
            raise ValueError("an empty memory has no tail")
        last = taken[-1][0]
        excess = sum((abs(number - last) + 0.5) * times for number, times in taken) * self.width
        if taken[0][1] == 1 and len(taken) > 1:
            excess -= abs(taken[0][0] - taken[1][0]) * self.width
        return Tail((last if side > 0 else last + 1) * self.width, reached, excess)

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads; the bins as number, count, number, count…"""
        flat = [part for number in sorted(self.bins) for part in (number, self.bins[number])]
        return {"width": self.width, "bins": flat, "faded_at": self.faded_at}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Memory:
        """The memory that `to_dict` wrote. Raises KeyError or TypeError on anything else."""
        bins = dict(zip(kept["bins"][::2], kept["bins"][1::2], strict=True))
        return cls(kept["width"], bins, sum(bins.values()), kept["faded_at"])

    def _faded_if_long(self) -> Memory:
        return self.faded(0.5) if self.total >= FADES_FROM else self


def _joined(bins: Mapping[int, int]) -> dict[int, int]:
    """The bins of twice the width."""
    wide: dict[int, int] = {}
    for number, count in bins.items():
        wide[number >> 1] = wide.get(number >> 1, 0) + count
    return wide
