"""How often what was seen, for long, in a few hundred bytes: a histogram whose bins widen when they become too many.

Bins are equally wide, so on a scale that is logarithmic they are relatively exact (DDSketch: Masson, Rim, Lee, VLDB
2019). When there are more than MOST_BINS, neighbours are joined two by two (UDDSketch: Epicoco and others, 2020). What
is long past fades: every FADES_AFTER all counts are halved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

FIRST_WIDTH = 0.02
MOST_BINS = 48
FAR = 6.0
"""Slopes. By chance a gap is that long once in e ** 6, 400 times."""
FEW, ACCIDENTS = 3, 0.006
"""So many values, and this share of all, are accidents if they lie beyond a gap; more are how the job goes at times."""
NEAR = 0.1
"""On the logarithmic scale. What is farther from all else is alone."""
DOUBTFUL = 0.05
"""This share of a tail, its outermost values, says nothing of its slope. Where something goes wrong often, some of that
stays just within the band, and by and by would move it out for all the rest."""
LONGEST_STEP = 0.4
"""On the logarithmic scale: from two seconds to three."""
GUESS = 5
"""So many values is it worth what one thinks of a tail before it was seen."""
FADES_AFTER = 28 * 86_400.0
"""Seconds. Four weeks, so that each weekday is remembered a few times."""
FADES_FROM = 400
"""A memory of fewer values doesn't fade: a daily job has 28 runs in four weeks, and none of them to spare."""


class Tail(NamedTuple):
    """The `size` outermost values on one side lie beyond `edge`, and grow rarer by a factor of e with each `slope`.

    `last` is how far the outermost of them is, accidents aside.
    """

    edge: float
    size: int
    slope: float
    last: float


@dataclass(frozen=True)
class Memory:
    """`bins` from number to count; bin `n` reaches from `n * width` to `(n + 1) * width`."""

    width: float = FIRST_WIDTH
    bins: Mapping[int, int] = field(default_factory=dict)
    total: int = 0
    faded_at: float | None = None

    @cached_property
    def numbers(self) -> list[int]:
        """Of the bins, in order."""
        return sorted(self.bins)

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
        """The memory with this share of each count. What is rounded off goes to the next bin, so that of what is rare
        such a share remains, too; what was alone is forgotten."""
        bins: dict[int, int] = {}
        over, last = 0.0, -math.inf
        for number in self.numbers:
            over = self.bins[number] * share + (over if (number - last) * self.width <= NEAR else 0.0)
            last = number
            if kept := int(over):
                bins[number] = kept
                over -= kept
        return replace(self, bins=bins, total=sum(bins.values()))

    def quantile(self, share: float) -> float:
        """The upper edge of the bin below which at least this share of all lies. NaN if nothing was seen."""
        wanted, seen = share * self.total, 0
        for number in self.numbers:
            seen += self.bins[number]
            if seen >= wanted:
                return (number + 1) * self.width
        return math.nan

    def tail(self, side: int, size: int, guess: float) -> Tail:
        """At least the `size` outermost values above (`side` 1) or below (-1), whose slope is near `guess`, one thinks.

        In an exponential tail, the gap below the i outermost values times i is as long as the slope, on average
        (Rényi, 1953), whichever of these gaps are looked at. So where it is FAR longer, what follows is something else:
        a few accidents tell nothing of the tail, and what is more is another way that the job goes, whose tail it is.
        Neither does the outermost value alone. Raises ValueError if there are no values.
        """
        taken, step = self._outermost(side, size)
        beyond = reached = sum(count for _, count in taken)
        first = until = taken[0][0]
        counted, excess, last = GUESS, GUESS * guess, taken[-1][0]
        for (number, count), (following, _) in zip(taken, [*taken[1:], taken[-1]], strict=True):
            if beyond > DOUBTFUL * size:
                counted += count
                excess += count * min(step / 2 * self.width, guess)
            beyond -= count
            rest = beyond * abs(following - number) * self.width
            gap = abs(following - number) > 2 * step and rest > excess * math.expm1(FAR / counted)
            if gap and beyond <= max(FEW, ACCIDENTS * self.total):
                excess -= beyond * abs(until - first) * self.width
                reached -= beyond
                last = number
                break
            if gap:
                first, until, reached, counted, excess = following, following, beyond, GUESS, GUESS * guess
                continue
            if beyond <= 1:
                break
            if beyond > DOUBTFUL * size:
                excess += rest
                until = following
        inner, outer = (0, 1) if side > 0 else (1, 0)
        return Tail((first + inner) * self.width, reached, excess / counted, (last + outer) * self.width)

    def _outermost(self, side: int, size: int) -> tuple[list[tuple[int, int]], int]:
        """The bins, from within outwards, that hold at least the `size` outermost values; how far within is the next.

        That is far where a clock tells whole seconds. Farther than LONGEST_STEP it is another way that the job goes.
        """
        taken: list[tuple[int, int]] = []
        for number in reversed(self.numbers) if side > 0 else self.numbers:
            if size <= 0:
                step = abs(number - taken[-1][0])
                return taken[::-1], step if step * self.width <= LONGEST_STEP else 1
            taken.append((number, self.bins[number]))
            size -= self.bins[number]
        if not taken:
            raise ValueError("an empty memory has no tail")
        return taken[::-1], 1

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads; the bins as number, count, number, count…"""
        flat = [part for number in self.numbers for part in (number, self.bins[number])]
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
