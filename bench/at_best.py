"""What is possible at all: what the best judge there can be would find, who knows how the run times are drawn.

Neyman and Pearson ("On the Problem of the Most Efficient Tests of Statistical Hypotheses", 1933): of all rules that cry
with the probability a where nothing is wrong, none finds more than the one that cries where q(x) / p(x), the density of
what is to be found against that of what is usual, is largest. Here a is one run in a year's, all of it for what is
looked for: spikes alone, or drops alone. A run that takes k times as long has q(u) = p(u − ln k), where u = ln x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

STEP, FROM, TO = 0.002, -4.0, 9.0
"""Of ln x, where the usual run time is about 1: from a fiftieth of it to 8,000 times."""

Density = Callable[[float, float], float]
"""Of u = ln x, by u and the scatter of the series, whatever the day: who judges knows the season and the drift."""


def lognormal(u: float, scatter: float) -> float:
    """Normal, about 0."""
    return _normal(u, 0, scatter)


def steady(u: float, scatter: float) -> float:
    """That of a normal x about 1."""
    return math.exp(u) * _normal(math.exp(u), 1, scatter)


def bimodal(u: float, scatter: float) -> float:
    """Seven runs in ten take 1, the others 6."""
    return 0.7 * _normal(u, 0, scatter) + 0.3 * _normal(u, math.log(6), scatter)


def heavy(u: float, _: float) -> float:
    """Pareto's, with the exponent 3: an exponential one."""
    return 3 * math.exp(-3 * u) if u >= 0 else 0.0


@cache
def found(density: Density, scatter: float, factor: float, chance: float) -> float:
    """The share that is found, at best, of runs that take `factor` times as long, if `chance` of all others is told."""
    cells = []
    for number in range(round((TO - FROM) / STEP)):
        u = FROM + number * STEP
        usual, wanted = density(u, scatter), density(u - math.log(factor), scatter)
        if wanted:
            cells.append((wanted / usual if usual else math.inf, usual * STEP, wanted * STEP))
    share, left = 0.0, chance
    for _, usual, wanted in sorted(cells, reverse=True):
        if usual >= left:
            return min(share + wanted * left / usual, 1.0)
        share, left = share + wanted, left - usual
    return min(share, 1.0)


def _normal(u: float, mean: float, deviation: float) -> float:
    return math.exp(-(((u - mean) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))
