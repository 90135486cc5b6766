"""Some jobs have two ways to go: each third run has much more to do. Then each way is judged as a job of its own."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

from tokiflow.core.memory import ACCIDENTS, FEW, Memory

QUARTILES = 1.349
"""Between the quartiles of a normal distribution are so many of its standard deviations: 2 Φ⁻¹(3/4)."""
APART = 0.45
"""On the logarithmic scale. Nearer than that may be two seconds and three of a clock that tells whole ones."""
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
    """The memory, cut wherever there is nothing for long."""
    cut = math.ceil(APART / memory.width)
    numbers = memory.numbers
    cuts = [at + 1 for at, (number, following) in enumerate(pairwise(numbers)) if following - number > cut]
    if not cuts:
        return [memory]
    parts = [{number: memory.bins[number] for number in numbers[a:b]} for a, b in pairwise([0, *cuts, len(numbers)])]
    return [Memory(memory.width, bins, sum(bins.values())) for bins in parts]


def _level(part: Memory) -> Level:
    return Level(part, part.numbers[0] * part.width, (part.numbers[-1] + 1) * part.width)


def _clear(low: Level, high: Level) -> bool:
    """Whether the gap says something: as wide a stretch on either side of it holds many values."""
    gap = high.low - low.high
    below = sum(count for number, count in low.memory.bins.items() if (number + 1) * low.memory.width > low.high - gap)
    above = sum(count for number, count in high.memory.bins.items() if number * high.memory.width < high.low + gap)
    return min(below, above) >= FEWEST
