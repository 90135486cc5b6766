"""Where a tail ends that has been seen only as far as it has reached.

The outermost values tell how it goes on (Hill, "A simple general approach to inference about the tail of a
distribution", Annals of Statistics 1975): like a normal one, like an exponential one, or like a power.
"""

from __future__ import annotations

import math

from tokiflow.core import ordered
from tokiflow.core.memory import Memory, Tail

FEWEST, MOSTLY, TAIL, TAIL_SHARE = 8, 12, 250, 0.03
"""The slope of a tail is taken from so many values, or one in MOSTLY of the first; then from this share, up to TAIL.
What happens more often is not its tail but another way that the job goes."""
GUESS = 0.6
"""A guess at the slope of a tail that was not seen yet, in standard deviations."""
LEAN, LEANS_MOST = 1.5, 1.4
"""So many times as far as a side reaches farther out than a normal distribution's, the slope may be more; at most so
many standard deviations."""
LEANS_UNTIL = 96
"""So many runs tell of their tail themselves. What leans by chance would hide the first spikes, which then teach."""
LIGHT, HEAVY, POWER, LONGEST = 0.65, 0.95, 1.3, 3.0
"""The slope of a tail against that of an exponential one that begins there: a normal distribution's has 0.57. Up to
LIGHT a tail ends like the normal one (whose squares have an exponential tail), at HEAVY it is exponential, and at POWER
that of a power, if there are enough values to be sure; never LONGEST times as long as an exponential one."""
HOPELESS, STRETCH, STRETCH_BY = 1.3, 1.4, 3.0
"""A tail that ends HOPELESS times farther out than ROOM hides them anyhow. It is trusted less, and taken, gradually,
for up to STRETCH longer."""
FARTHEST, FEW_KNOWN = 1.5, 4.6
"""On the logarithmic scale, no band ends farther out than so many times what was seen: where a job of ten thousand runs
never took more than five times as long, sixteen times is told. Where little was seen, it may be more: the outermost of
few runs says little of how far the next may go."""


def guess(places: list[float], side: int, sigma: float) -> float:
    """The slope that a tail may have by how the rest scatters, that is `places`, sorted, whose spread is `sigma`."""
    if len(places) >= LEANS_UNTIL:
        return GUESS * sigma
    leans = LEAN * (ordered.outward(places, side) - ordered.OUTWARD * sigma)
    return GUESS * sigma + min(max(leans, 0.0), LEANS_MOST * sigma)


def end(memory: Memory, side: int, chance: float, centre: float, guess: float, room: float) -> float:
    """The place beyond which lies a run with the probability `chance`, if the tail goes on as it begins.

    Above (`side` 1) or below (-1) the usual place, `centre`. `guess` is what one thinks of its slope before it was
    seen. What is to be found is found if the end is no farther away than `room`.
    """
    edge, size, slope, last = _seen(memory, side, guess)
    # Of a job that grows, the tail begins near the level of today. Of all that is remembered it begins farther out.
    begins = max(side * (edge - centre), side * (edge - memory.quantile(0.5)), memory.width)
    slopes = max(math.log(size / (memory.total * chance)), 0.0)
    light = math.sqrt(begins**2 + 2 * slope * (begins + slope) * slopes) - begins
    exponential = slope * slopes
    heaviness = _heaviness(slope, begins, size / memory.total)
    reaches = light + min(max((heaviness - LIGHT) / (HEAVY - LIGHT), 0.0), 1.0) * (exponential - light)
    surely = heaviness * (1 - 1 / math.sqrt(size + 1))
    if surely > HEAVY:
        power = begins * math.expm1(slope / (begins + slope) * slopes)
        reaches += min((surely - HEAVY) / (POWER - HEAVY), 1.0) * (min(power, LONGEST * exponential) - reaches)
    ends = max(side * (edge - centre), memory.width) + reaches
    hidden = STRETCH_BY * (ends - HOPELESS * room)
    ends += min(max(hidden, 0.0), STRETCH) * max(reaches, 0.0)
    farthest = (FARTHEST + FEW_KNOWN / math.cbrt(memory.total)) * max(side * (last - centre), memory.width)
    return centre + side * min(ends, farthest)


def reached(memory: Memory, side: int, guess: float) -> float:
    """The outermost place that was seen above (`side` 1) or below (-1), accidents aside."""
    return _seen(memory, side, guess).last


def _seen(memory: Memory, side: int, guess: float) -> Tail:
    wanted = max(min(round(TAIL_SHARE * memory.total), TAIL), min(FEWEST, memory.total // MOSTLY), 1)
    return memory.tail(side, wanted, max(guess, GUESS * memory.width))


def _heaviness(slope: float, begins: float, share: float) -> float:
    """The slope of a tail that begins there and has this share of all, against that of an exponential one."""
    return slope * math.log(0.5 / share) / begins if share < 0.5 else 0.0
