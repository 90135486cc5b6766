"""Between which values a run is usual, and how sure one can be of that.

**The band.** A value is unusual if it is far from what the last runs did *and* farther out than what was seen in weeks:

- far from the last runs: more than z standard deviations from the median, where the standard deviation comes from the
  MAD and has a floor. This is on the logarithmic scale, unless values clearly scatter by seconds and not by factors;
- farther out than what is remembered: beyond where its tail reaches so rarely (core/tails.py), as the outermost values
  tell, but for those beyond a gap (core/memory.py): spikes within the band must not widen it for the next ones.

Where a job has levels that are clearly apart (core/levels.py), each has a band of its own, and what lies between them
is unusual. Where weekdays differ (core/week.py), the band is that of the day.

How rarely follows from how often the job runs. What chance may do once in eight years, on each side, is one run in
3,000 of a daily job, and one in 4.4 million of a minutely one: what runs often must be further off to be told. A band
may be wider than that where it costs nothing: three times as long and a fifth as long are outside all the same.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from statistics import NormalDist
from typing import NamedTuple

from tokiflow.core import levels, ordered, tails
from tokiflow.core.baseline import WINDOW, Baseline
from tokiflow.core.learning import AROUND
from tokiflow.core.levels import Level
from tokiflow.core.memory import Memory
from tokiflow.core.sensitivity import Taste

YOUNG = 8 * 86_400.0
"""Seconds. Who has not seen each weekday yet judges more loosely."""
SMALL_SAMPLE = 8
"""The spread of n runs is taken for (1 + SMALL_SAMPLE / n) times what they showed."""
RUNS_A_YEAR = (52.0, 1_051_200.0)
"""From weekly to each half minute: nothing is judged as if it were rarer or more frequent."""
YEAR = 365 * 86_400.0
SPIKE, DROP = 3.0, 1 / 5
"""What is to be found wherever chance allows it."""
ROOM = 0.68
"""A band that ends at this share of the way to a SPIKE or DROP still tells them, though they scatter themselves."""
MOST = 0.98
"""Where they scatter more, it ends where so many of them would be told."""
LONG_KNOWN = 10 * WINDOW
CHANCE = 0.4
"""The standard deviation that belongs to the median absolute deviation of a full window is off by an eighth, mostly."""
KNOWN = 50
"""So many runs must be known before some of them are another level."""
SURE = 100
"""From so many runs on, the window ends a floor's reach beyond what it has: two levels a week are no wide scatter."""


class Bounds(NamedTuple):
    """The places outside of which a run is told.

    `centre` and `sigma` are of what it was held against; `others` the centres of the other ways that the job goes.
    """

    low: float
    high: float
    centre: float
    sigma: float
    others: tuple[float, ...] = ()

    def side(self, place: float) -> int:
        """1 above, -1 below, 0 within."""
        return (place > self.high) - (place < self.low)


def surely_within(baseline: Baseline, taste: Taste, place: float) -> bool:
    """Whether a place is within the floor's reach of the usual one, as most are: no band is narrower."""
    floor = _NORMAL.inv_cdf(1 - _chance(baseline, taste)) * taste.floor
    return abs(place - baseline.centre) <= floor and len(_levels(baseline)) < 2


def of(baseline: Baseline, taste: Taste, place: float) -> Bounds:
    """Of the band that is nearest to `place`."""
    found = _levels(baseline)
    if len(found) < 2:
        return _whole(baseline, taste)
    nearest = min(found, key=lambda level: level.distance(place))
    others = tuple(level.centre for level in found if level is not nearest)
    bounds = _of_level(baseline, taste, nearest, first=nearest is found[0], last=nearest is found[-1])
    lower, upper = baseline.known
    least, most = baseline.centre if lower is None else lower, baseline.centre if upper is None else upper
    if least <= place <= most:
        bounds = bounds._replace(low=min(bounds.low, place), high=max(bounds.high, place))
    return bounds._replace(others=others)


def _levels(baseline: Baseline) -> list[Level]:
    """Known when there is enough to know them by."""
    return baseline.levels if baseline.memory.total >= KNOWN and baseline.span >= YOUNG else []


BEYOND = 1000.0
"""A place that no value has."""


def outer(baseline: Baseline, taste: Taste) -> tuple[float, float]:
    """The places between which the whole band is, with all that may lie between its levels."""
    return of(baseline, taste, -BEYOND).low, of(baseline, taste, BEYOND).high


def been(baseline: Baseline, taste: Taste) -> tuple[float, float]:
    """The places between which the job has been: no more than what chance does, and hardly more than what was seen.

    It is what stays usual after a change of level. The rest of a band is room that costs nothing, where it was.
    """
    found = _levels(baseline)
    if len(found) < 2:
        low, high = _by_chance(baseline, taste)
        first = last = baseline.memory
    else:
        low, high = _level_by_chance(baseline, taste, found[0]).low, _level_by_chance(baseline, taste, found[-1]).high
        first, last = found[0].memory, found[-1].memory
    guess, around = tails.GUESS * baseline.sigma, max(AROUND, baseline.sigma)
    low = max(low, tails.reached(first, -1, guess) - around)
    high = min(high, tails.reached(last, 1, guess) + around)
    for lower, upper in (baseline.before, baseline.returning):
        low, high = low if lower is None else min(low, lower), high if upper is None else max(high, upper)
    return low, high


def _whole(baseline: Baseline, taste: Taste) -> Bounds:
    """Of a job with one level: what chance does, and more where that costs nothing."""
    low, high = _by_chance(baseline, taste)
    centre = baseline.centre
    if baseline.span < YOUNG:
        low, high = min(low, centre - taste.young), max(high, centre + taste.young)
    places = baseline.places
    low, high = _lower(baseline, taste, low, centre, places), _higher(baseline, taste, high, centre, places)
    return Bounds(low, high, centre, baseline.sigma)


def _of_level(baseline: Baseline, taste: Taste, level: Level, *, first: bool, last: bool) -> Bounds:
    """Of one level of several. Towards the next one it is no wider than chance has it."""
    low, high, centre, sigma, _ = _level_by_chance(baseline, taste, level)
    places = _lately(baseline, level)
    reach = INNER * _reach(baseline, taste, level)
    low = _lower(baseline, taste, low, centre, places) if first else max(low, centre - reach)
    high = _higher(baseline, taste, high, centre, places) if last else min(high, centre + reach)
    return Bounds(low, high, centre, sigma)


def _level_by_chance(baseline: Baseline, taste: Taste, level: Level) -> Bounds:
    chance, sigma = _chance(baseline, taste), level.sigma
    lately = _lately(baseline, level)
    centre = ordered.quantile(lately, 0.5) if lately else level.centre
    reach = _reach(baseline, taste, level)
    guess = tails.GUESS * sigma
    below, above = _tail_ends(level.memory, chance, centre, (guess, guess))
    return Bounds(min(centre - reach, below), max(centre + reach, above), centre, sigma)


INNER = 1.1
"""Towards the next level, one ends at so many times what a normal distribution reaches, however long its tail seems:
what is put in between two levels hides what comes after it."""


def _reach(baseline: Baseline, taste: Taste, level: Level) -> float:
    z = _NORMAL.inv_cdf(1 - _chance(baseline, taste))
    return z * max(level.sigma * (1 + SMALL_SAMPLE / level.memory.total), taste.floor)


def _lately(baseline: Baseline, level: Level) -> list[float]:
    places = baseline.places
    return places[bisect_left(places, level.low) : bisect_right(places, level.high)]


def _lower(baseline: Baseline, taste: Taste, low: float, centre: float, places: list[float]) -> float:
    """The lower end, lowered as far as hides nothing, and to what is known to be no problem. `places` are lately."""
    known = baseline.known[0]
    if places:
        room = min(_room(centre, DROP), _way(centre, DROP) - ordered.quantile(places, MOST) + centre)
        low = min(low, centre - min(taste.margin * (centre - low), room))
    return low if known is None else min(low, known)


def _higher(baseline: Baseline, taste: Taste, high: float, centre: float, places: list[float]) -> float:
    known = baseline.known[1]
    if places:
        room = min(_room(centre, SPIKE), _way(centre, SPIKE) - centre + ordered.quantile(places, 1 - MOST))
        high = max(high, centre + min(taste.margin * (high - centre), room))
    return high if known is None else max(high, known)


def _by_chance(baseline: Baseline, taste: Taste) -> tuple[float, float]:
    """The places between which a run is by all that is known of its job, if that has one level."""
    centre, memory, chance = baseline.centre, baseline.memory, _chance(baseline, taste)
    inflation = 1 + SMALL_SAMPLE / len(baseline.window)
    z = _NORMAL.inv_cdf(1 - chance)
    reach = z * max(_steadied(baseline) * inflation, taste.floor)
    low, high = centre - reach, centre + reach
    if baseline.additive:
        far = z * inflation * spread(baseline, baseline.sigma, baseline.usual)
        low, high = baseline.place(baseline.usual - far), baseline.place(baseline.usual + far)
    if memory.total >= SURE:
        edge = z * taste.floor
        low, high = max(low, baseline.places[0] - edge), min(high, baseline.places[-1] + edge)
    guesses = (tails.guess(baseline.places, -1, baseline.sigma), tails.guess(baseline.places, 1, baseline.sigma))
    below, above = _tail_ends(memory, chance, centre, guesses)
    return min(low, below), max(high, above)


def _steadied(baseline: Baseline) -> float:
    """The spread of the window, of which chance has its part: where the memory knows better, up to CHANCE of it."""
    lately = baseline.sigma
    if baseline.memory.total < LONG_KNOWN:
        return lately
    long = levels.spread(baseline.memory)
    return min(lately, max(long, lately - CHANCE * long))


LEAST_SPREAD = 0.02
"""Of the usual value. With less, z would be a huge number that says nothing."""


def spread(baseline: Baseline, sigma: float, usual: float) -> float:
    """The standard deviation in the unit of the measure: that of places, times how much value there is to a place."""
    return max(sigma, LEAST_SPREAD) * math.hypot(usual, 2 * baseline.grain)


_NORMAL = NormalDist()


def _chance(baseline: Baseline, taste: Taste) -> float:
    """How probable it may be, for one run and one side, that it is told although nothing is wrong.

    The first runs are judged like those of a daily job, however fast they come: there are few, and so few by chance.
    Added up over all n, 6 / n² beyond the first fifty is an eighth of a year's alarms.
    """
    fewest, most = RUNS_A_YEAR
    a_year = min(max(YEAR / baseline.every, fewest), most) if baseline.every else most
    return taste.alarms * max(1 / a_year, min(1 / 365, 6 / max(baseline.memory.total, 1) ** 2))


def _tail_ends(memory: Memory, chance: float, centre: float, guesses: tuple[float, float]) -> tuple[float, float]:
    """Where what is remembered ends, below and above."""
    below = tails.end(memory, -1, chance, centre, guesses[0], _room(centre, DROP))
    return below, tails.end(memory, 1, chance, centre, guesses[1], _room(centre, SPIKE))


def _room(centre: float, factor: float) -> float:
    """How far from the usual a band may end and yet not hide a run that takes `factor` times as long."""
    return ROOM * _way(centre, factor)


def _way(centre: float, factor: float) -> float:
    """How far from the usual it is to `factor` times as long."""
    return abs(math.asinh(factor * math.sinh(centre)) - centre)
