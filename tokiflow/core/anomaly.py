"""Is this run as usual? Each run is judged by what is normal (core/baseline.py) before it may teach.

                      ┌─────────┐ ◀── one run as usual: Settled ──── ┌─────────┐
      as usual,    ┌──│  usual  │ ──── outside the band: Verdict ──▶ │ unusual │ ─┐
      and teaches  └─▶│         │                                    └─────────┘  │
                      │         │ ◀── three runs as usual: Settled ─ ┌─────────┐  │
                      │         │ ──── six above p95: Slower ──────▶ │ slower  │ ─┤
                      └─────────┘                                    └─────────┘  │
                           ▲                                                      │
                           └── ten in a row, at one level: Shift, and learnt ─────┘

**The three ways back to peace.** What was unusual doesn't teach, and yet none of it is told forever: ten in a row are a
change of level (`Shift`); what returns again and again is another way the job goes (core/ways.py); and a person
may say that it is no problem (`accept`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from tokiflow.core import bounds, learning, ordered, ways
from tokiflow.core.baseline import Baseline
from tokiflow.core.bounds import Bounds
from tokiflow.core.findings import Finding, Settled, Shift, Slower, Verdict
from tokiflow.core.measure import Measure
from tokiflow.core.sensitivity import TASTES, Sensitivity, Taste
from tokiflow.core.ways import Sight, Sights
from tokiflow.core.week import weekday

SLOW_IN_A_ROW = 6
"""Of independent runs 0.05 ** 6 are so: one in 64 million, a job of each minute in 120 years."""
CHANGED_IN_A_ROW = 10
"""So many runs at a new level are the new level."""
CALM_IN_A_ROW = 3
"""So many runs that are not slow end slowness: a slower job still has a quick run now and then."""
HALF_A_DAY = 43_200.0
"""Seconds. Within half a day, slower runs are no season."""


class Band(NamedTuple):
    """What would be usual, in the unit of the measure."""

    low: float
    high: float


class Told(StrEnum):
    """What is told of and not over."""

    NOTHING = ""
    UNUSUAL = "unusual"
    SLOWER = "slower"


class State(NamedTuple):
    """What judging remembers of a measure between runs: serialised about 1.4 KB, never 2.5 KB.

    `streak` are the last CHANGED_IN_A_ROW values of a row that is unusual or slow, all on one `side` (1 above, -1
    below), `length` of it so far, `odd` of these unusual; `calm` runs in it were neither. `sights` are the last unusual
    runs that began a row, and those that would be but for what returned; `runs` counts all that were judged.
    """

    baseline: Baseline = Baseline()
    runs: int = 0
    told: Told = Told.NOTHING
    side: int = 0
    streak: tuple[float, ...] = ()
    weekdays: str = ""
    length: int = 0
    odd: int = 0
    calm: int = 0
    sights: Sights = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; the version is the baseline's."""
        return {
            "baseline": self.baseline.to_dict(),
            "runs": self.runs,
            "told": self.told.value,
            "side": self.side,
            "streak": list(self.streak),
            "weekdays": self.weekdays,
            "length": self.length,
            "odd": self.odd,
            "calm": self.calm,
            "sights": [part for sight in self.sights for part in sight],
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> State:
        """What `to_dict` wrote. Raises ValueError for another version or anything else: replay the runs."""
        try:
            sights = kept["sights"]
            return cls(
                Baseline.from_dict(kept["baseline"]),
                kept["runs"],
                Told(kept["told"]),
                kept["side"],
                tuple(kept["streak"]),
                kept["weekdays"],
                kept["length"],
                kept["odd"],
                kept["calm"],
                tuple(Sight(*sight) for sight in zip(sights[::3], sights[1::3], sights[2::3], strict=True)),
            )
        except (KeyError, TypeError) as broken:
            raise ValueError("this is no state of a measure; replay its runs") from broken


def fresh(measure: Measure) -> State:
    """The state before the first run."""
    return State(Baseline(measure))


def observe(
    state: State,
    value: float,
    at: datetime,
    sensitivity: Sensitivity = Sensitivity.NORMAL,
    *,
    teaches: bool = True,
    begun: datetime | None = None,
) -> tuple[State, Finding | None]:
    """Judge the next run, learn from it if it is regular, and say what is to be told.

    A run that doesn't teach (it failed, was stopped, is of another kind) is not judged either: it has its own trouble.
    """
    if not teaches or not math.isfinite(value):
        return state, None
    state = state._replace(baseline=learning.seen(state.baseline, value, at, begun), runs=state.runs + 1)
    state, finding = _judged(state, value, TASTES[sensitivity])
    return state, None if sensitivity is Sensitivity.OFF else finding


def replay(
    runs: Iterable[tuple[float, datetime, bool]],
    measure: Measure = Measure.RUN_TIME,
    sensitivity: Sensitivity = Sensitivity.NORMAL,
) -> State:
    """The state after all these runs (value, moment, whether it teaches), oldest first: what `observe` made of them."""
    state = fresh(measure)
    for value, at, teaches in runs:
        state, _ = observe(state, value, at, sensitivity, teaches=teaches)
    return state


def judge(baseline: Baseline, value: float, sensitivity: Sensitivity = Sensitivity.NORMAL) -> Verdict | None:
    """What is unusual about `value`; None if nothing is, or fewer than ten runs were learnt from."""
    if sensitivity is Sensitivity.OFF or not baseline.ready or not math.isfinite(value):
        return None
    place = baseline.place(value)
    found = bounds.of(baseline, TASTES[sensitivity], place)
    return _verdict(baseline, value, found) if found.side(place) else None


def band(baseline: Baseline, sensitivity: Sensitivity = Sensitivity.NORMAL) -> Band | None:
    """Between which values a run is usual now; None while there are too few to say so."""
    if not baseline.ready:
        return None
    low, high = bounds.outer(baseline, TASTES[sensitivity])
    return Band(baseline.value(low), baseline.value(high))


def accept(state: State, value: float) -> State:
    """The state after somebody said of an unusual run that it is no problem: nothing up to there is told any more."""
    return _quiet(state)._replace(baseline=learning.accept(state.baseline, value))


def _judged(state: State, value: float, taste: Taste) -> tuple[State, Finding | None]:
    baseline = ways.that_go_on(state.baseline, state.sights, state.runs)
    state = state._replace(baseline=baseline)
    if not baseline.ready:
        return state._replace(baseline=learning.taught(baseline, value)), None
    place = baseline.place(value)
    found = None if bounds.surely_within(baseline, taste, place) else bounds.of(baseline, taste, place)
    side = found.side(place) if found else 0
    if found and side:
        seen = ways.as_far(state.sights, state.runs, place, side, found.centre)
        if state.side == side or not ways.are_one(seen, baseline):
            return _unusual(state, value, side, found)
        known = learning.returned(baseline, place, tuple(sight.place for sight in seen))
        return _regular(_sighted(state._replace(baseline=known, sights=seen), place), value)
    if found and ways.is_on_one(baseline, taste, place):
        state = _sighted(state, place)
    if place > ordered.quantile(baseline.places, 0.95):
        return _slow(state, value, taste)
    return _regular(state, value)


def _unusual(state: State, value: float, side: int, found: Bounds) -> tuple[State, Finding | None]:
    verdict = _verdict(state.baseline, value, found)
    if state.side != side:
        state = _sighted(_dropped(state), state.baseline.place(value))
    state = _longer(state._replace(odd=state.odd + 1, told=Told.UNUSUAL), value, side)
    if _changed(state):
        return _shifted(state)
    return state, replace(verdict, in_a_row=state.odd)


def _slow(state: State, value: float, taste: Taste) -> tuple[State, Finding | None]:
    """A run above p95 yet within the band. Only a row of them says something, so it teaches when the row is over."""
    settled = Settled(state.length, False) if state.side < 0 else None
    state = _longer(_dropped(state) if state.side < 0 else state, value, 1)
    if _changed(state):
        return _shifted(state) if state.told else (_dropped(state), None)
    if state.told or state.length < SLOW_IN_A_ROW or not _much(state, taste):
        return state, settled
    baseline = state.baseline
    spread = bounds.spread(baseline, baseline.sigma, baseline.usual)
    slower = Slower(state.streak[-SLOW_IN_A_ROW:], baseline.usual, spread, baseline.quantile(0.95))
    return state._replace(told=Told.SLOWER), slower


def _regular(state: State, value: float) -> tuple[State, Finding | None]:
    if state.told is Told.SLOWER and state.calm + 1 < CALM_IN_A_ROW:
        return state._replace(baseline=learning.taught(state.baseline, value), calm=state.calm + 1), None
    settled = Settled(state.length, state.told is Told.SLOWER) if state.told else None
    state = _dropped(state)
    return state._replace(baseline=learning.taught(state.baseline, value)), settled


def _longer(state: State, value: float, side: int) -> State:
    streak = (*state.streak, value)[-CHANGED_IN_A_ROW:]
    weekdays = (state.weekdays + str(weekday(state.baseline.day)))[-CHANGED_IN_A_ROW:]
    return state._replace(side=side, streak=streak, weekdays=weekdays, length=state.length + 1, calm=0)


def _sighted(state: State, place: float) -> State:
    return state._replace(sights=ways.sighted(state.sights, state.runs, state.baseline, place))


def _dropped(state: State) -> State:
    """The row is over. If no run in it was unusual, it was a slow hour. The job is like that sometimes: it teaches."""
    if not state.side:
        return state
    baseline = state.baseline
    if not state.odd:
        baseline = learning.taught(baseline, *state.streak, weekdays=state.weekdays)
    return _quiet(state)._replace(baseline=baseline)


def _quiet(state: State) -> State:
    return state._replace(told=Told.NOTHING, side=0, streak=(), weekdays="", length=0, odd=0, calm=0)


def _changed(state: State) -> bool:
    """Whether the row is long enough and level: what still grows has no new level yet."""
    if len(state.streak) < CHANGED_IN_A_ROW:
        return False
    places = _streak_places(state)
    half = CHANGED_IN_A_ROW // 2
    first, last = (ordered.quantile(sorted(part), 0.5) for part in (places[:half], places[half:]))
    spread = ordered.sigma(sorted(places))
    return last - first <= max(LEVEL, spread) and first - last <= max(LEVEL, spread)


def _streak_places(state: State) -> list[float]:
    """Where the runs of the row are, each as of its own weekday."""
    pairs = zip(state.streak, state.weekdays, strict=True)
    return [state.baseline.place(value, int(weekday)) for value, weekday in pairs]


LEVEL = 0.1
"""On the logarithmic scale: halves of a row that differ by less than a tenth are at one level."""


def _shifted(state: State) -> tuple[State, Finding | None]:
    before = state.baseline.usual
    been = bounds.been(state.baseline, TASTES[Sensitivity.NORMAL])
    after = learning.moved(state.baseline, state.streak, been, state.weekdays)
    return _quiet(state)._replace(baseline=after, sights=()), Shift(state.length, before, after.usual)


def _much(state: State, taste: Taste) -> bool:
    """Whether a row of slow runs is worth a word: by a good part over the usual, and over what else happens or did
    before a change: who goes back on Monday is not slow."""
    baseline = state.baseline
    middle = ordered.quantile(sorted(_streak_places(state)[-SLOW_IN_A_ROW:]), 0.5)
    least = taste.young if HALF_A_DAY < baseline.span < bounds.YOUNG else math.log(taste.slower)
    known = [place for place in (baseline.before[1], baseline.returning[1]) if place is not None]
    return middle > max(baseline.centre + least, baseline.memory.quantile(0.995), *known)


def _verdict(baseline: Baseline, value: float, found: Bounds) -> Verdict:
    usual = baseline.value(found.centre)
    spread = bounds.spread(baseline, found.sigma, usual)
    z = (value - usual) / spread if spread else math.copysign(math.inf, value)
    others = tuple(baseline.value(centre) for centre in found.others)
    day = weekday(baseline.day) if baseline.week.shape else None
    return Verdict(
        value, usual, spread, z, baseline.value(found.low), baseline.value(found.high), weekday=day, others=others
    )
