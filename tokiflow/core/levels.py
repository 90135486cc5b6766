"""Some jobs have two ways to go: each third run has much more to do. Then each way is judged as a job of its own."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from typing import NamedTuple

from tokiflow.core.memory import ACCIDENTS, FEW, Memory

QUARTILES = 1.349
"""Between the quartiles of a normal distribution are so many of its standard deviations: 2 Φ⁻¹(3/4)."""
APART = 0.45
"""On the logarithmic scale. Nearer than that may be two seconds and three of a clock that tells whole ones."""
STRAYS = 0.0005
"""What is between two levels may hold this share of all. One stray run must not make one level of two: between them,
all would be usual, and teach."""
FEWEST = 10
"""So many values make a level."""


class Level(NamedTuple):
    """One of the ways that a job goes: what is remembered of it, from the place `low` to `high`."""

    memory: Memory
    low: float
    high: float

    @property
    def centre(self) -> float:
        """The median place, to within a bin."""
        return self.memory.quantile(0.5) - self.memory.width / 2

    @property
    def sigma(self) -> float:
        """The spread, from its quartiles."""
        return spread(self.memory)

    def distance(self, place: float) -> float:
        """How far outside a place is; 0 within."""
        return max(self.low - place, place - self.high, 0.0)


def spread(memory: Memory) -> float:
    """The standard deviation that belongs to the distance between the quartiles of what is remembered."""
    return (memory.quantile(0.75) - memory.quantile(0.25)) / QUARTILES


def of(memory: Memory) -> list[Level]:
    """The levels that are clearly apart, lowest first. Most jobs have one.

    What lies alone between them is no level, but an accident of former days.
    """
    parts = [part for part in _parts(memory) if part.total > max(FEW, ACCIDENTS * memory.total)]
    levels = [_level(part) for part in parts]
    joined: list[Level] = []
    for level in levels:
        if joined and not _clear(joined[-1], level):
            bins = {**joined.pop().memory.bins, **level.memory.bins}
            level = _level(Memory(memory.width, bins, sum(bins.values())))
        joined.append(level)
    return joined


def _parts(memory: Memory) -> list[Memory]:
    """The memory, cut wherever there is hardly anything for long, and without that."""
    valleys = _valleys(memory)
    if not valleys:
        return [memory]
    begins, ends = [0, *(end for _, end, _ in valleys)], [*(begin for begin, _, _ in valleys), len(memory.numbers)]
    parts = [{number: memory.bins[number] for number in memory.numbers[a:b]} for a, b in zip(begins, ends, strict=True)]
    return [Memory(memory.width, bins, sum(bins.values())) for bins in parts]


def _valleys(memory: Memory) -> list[tuple[int, int, int]]:
    """The gaps, as indices of bins from `begin` to before `end`, with how many values have strayed into each."""
    numbers, cut, most = memory.numbers, math.ceil(APART / memory.width), STRAYS * memory.total
    if not numbers or numbers[-1] - numbers[0] <= cut:
        return []
    below = [0, *accumulate(memory.bins[number] for number in numbers)]
    found: list[tuple[int, int, int]] = []
    for begin, number in enumerate(numbers, 1):
        end = bisect_right(numbers, number + cut, begin)
        strayed = below[end] - below[begin]
        if end == len(numbers):
            break
        if strayed > most:
            continue
        if not found or begin > found[-1][1]:
            found.append((begin, end, strayed))
        elif strayed < found[-1][2]:
            found[-1] = (begin, end, strayed)
    return found


def _level(part: Memory) -> Level:
    return Level(part, part.numbers[0] * part.width, (part.numbers[-1] + 1) * part.width)


def _clear(low: Level, high: Level) -> bool:
    """Whether the gap says something: as wide a stretch on either side of it holds many values."""
    gap = high.low - low.high
    below = sum(count for number, count in low.memory.bins.items() if (number + 1) * low.memory.width > low.high - gap)
    above = sum(count for number, count in high.memory.bins.items() if number * high.memory.width < high.low + gap)
    return min(below, above) >= FEWEST
