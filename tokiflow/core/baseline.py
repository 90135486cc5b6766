"""What is normal for a monitor: its run time, how much it prints, how often it runs, or a number of its own.

Learnt run by run (core/learning.py) in constant space (under 2 KB as JSON), in three ways that complete each other:

- **moments** (core/moments.py): count, mean and variance since the last change, as they are and on a logarithmic scale;
- **a window** of the last WINDOW regular values, exact: median, MAD and percentiles. It follows what changes slowly;
- **a memory** of weeks (core/memory.py): what also happens, each Sunday or once in a thousand runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tokiflow.core import levels, ordered, week
from tokiflow.core.levels import Level
from tokiflow.core.measure import Measure, first_grain, place_of, value_at
from tokiflow.core.memory import Memory
from tokiflow.core.moments import Moments
from tokiflow.core.week import Week

VERSION = 3
WINDOW = 96
"""Four days of an hourly job, three months of a daily one."""
ENOUGH = 10
"""So many runs are needed before any is judged."""
ENOUGH_FOR_SHAPE = 20
CLEARLY = 0.1
"""By so much must the skew be less."""
WIDE = 0.25
"""A standard deviation on the logarithmic scale. Of a narrower scatter both scales say the same."""

Limits = tuple[float | None, float | None]
"""Places, below and above; None: no such limit."""
NOWHERE: Limits = (None, None)


@dataclass(frozen=True)
class Baseline:
    """What is normal on `day`, that of the last run (an ordinal). `every` is the usual gap between runs in seconds.

    `window` holds places as they were, oldest first, and `weekdays` a digit for each. All else has them as they would
    be on a common day: where weekdays differ, those of big days count that much less (core/week.py).

    `allowed` are the outermost places, as they were, of which a person said that they are no problem; `before` those
    between which the job was until its level changed; `returning` those that came again so often that they are another
    way the job goes. The last two hold until the memory of weeks has what goes on.
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
    allowed: Limits = NOWHERE
    before: Limits = NOWHERE
    returning: Limits = NOWHERE

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
        return ordered.median(sorted(abs(self.value(place) - middle) for place in self.places))

    @property
    def offset(self) -> float:
        """How much farther out places are on a day such as this one."""
        return self.week.offset(week.weekday(self.day))

    @cached_property
    def known(self) -> Limits:
        """The outermost places that are usual whatever the last runs and the memory say."""
        lows, highs = zip(self.before, self.returning, strict=True)
        allowed = [place - self.offset if place is not None else None for place in self.allowed]
        low = min((place for place in (*lows, allowed[0]) if place is not None), default=None)
        return low, max((place for place in (*highs, allowed[1]) if place is not None), default=None)

    def quantile(self, share: float) -> float:
        """Such a share (0–1) of the last WINDOW regular values is not above this, on such a day. NaN if there are
        none."""
        at = share * (len(self.places) - 1)
        return ordered.quantile([self.value(place) for place in self.places[max(math.floor(at), 0) :][:2]], at % 1)

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
        return ordered.median(self.places)

    @cached_property
    def sigma(self) -> float:
        """The spread of places: the standard deviation that belongs to their median absolute deviation."""
        return ordered.sigma(self.places)

    @cached_property
    def levels(self) -> list[Level]:
        """The ways that the job has gone, one mostly, by all that is remembered."""
        return levels.of(self.memory)

    @cached_property
    def additive(self) -> bool:
        """Whether values scatter by seconds and not by factors: clearly less skewed as they are than as logarithms."""
        if len(self.window) < ENOUGH_FOR_SHAPE or self.sigma < WIDE:
            return False
        shape = [ordered.quantile(self.places, share) for share in (0.05, 0.5, 0.95)]
        return abs(ordered.skew(*map(self.value, shape))) + CLEARLY < abs(ordered.skew(*shape))

    def place(self, value: float, weekday: int | None = None) -> float:
        """Where a value is on the scale on which it is judged, if it is of this day or of another weekday."""
        return self.seen_as(value) - (self.offset if weekday is None else self.week.offset(weekday))

    def seen_as(self, value: float) -> float:
        """The place of a value, whatever the day."""
        return place_of(value, self.grain or first_grain(self.measure, value))

    def value(self, place: float) -> float:
        """The value that is at a place on such a day."""
        return value_at(place + self.offset, self.grain)

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
            "before": list(self.before),
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
                (kept["before"][0], kept["before"][1]),
                (kept["returning"][0], kept["returning"][1]),
            )
        except (KeyError, TypeError, IndexError) as broken:
            raise ValueError("this is no baseline; learn it anew from the runs") from broken
