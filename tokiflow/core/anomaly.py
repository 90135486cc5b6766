"""Is this run as usual? Each run is judged by what is normal (core/baseline.py) before it may teach.

                      ┌─────────┐ ◀── one run as usual: Settled ──── ┌─────────┐
      as usual,    ┌──│  usual  │ ──── outside the band: Verdict ──▶ │ unusual │ ─┐
      and teaches  └─▶│         │                                    └─────────┘  │
                      │         │ ◀── three runs as usual: Settled ─ ┌─────────┐  │
                      │         │ ──── six above p95: Slower ──────▶ │ slower  │ ─┤
                      └─────────┘                                    └─────────┘  │
                           ▲                                                      │
                           └── ten in a row, at one level: Shift, and learnt ─────┘

**The band.** A value is unusual if it is far from what the last runs did *and* farther out than what was seen in weeks:

- far from the last runs: more than z standard deviations from the median, where the standard deviation comes from the
  MAD and has a floor. This is on the logarithmic scale, unless values clearly scatter by seconds and not by factors;
- farther out than what is remembered: beyond where its tail reaches so rarely. The outermost values tell how it goes
  on (Hill, "A simple general approach to inference about the tail of a distribution", Annals of Statistics 1975), but
  for those beyond a gap (core/memory.py): spikes that lie within the band must not widen it for the next ones.

How rarely follows from how often the job runs. What chance may do once in eight years, on each side, is one run in
3,000 of a daily job, and one in 4.4 million of a minutely one: what runs often must be further off to be told. A band
may be wider than that where it costs nothing: three times as long and a fifth as long are outside all the same.

**The three ways back to peace.** What was unusual doesn't teach, and yet none of it is told forever: ten in a row are a
change of level (`Shift`); what returns again and again is another way the job goes (`_one_of_its_ways`); and a person
may say that it is no problem (`accept`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from statistics import NormalDist
from typing import Any, NamedTuple

from tokiflow.core import baseline as baselines
from tokiflow.core.baseline import Baseline, Measure, interpolated
from tokiflow.core.week import weekday

SLOW_IN_A_ROW = 6
"""Of independent runs 0.05 ** 6 are so: one in 64 million, a job of each minute in 120 years."""
CHANGED_IN_A_ROW = 10
"""So many runs at a new level are the new level."""
CALM_IN_A_ROW = 3
"""So many runs that are not slow end slowness: a slower job still has a quick run now and then."""
HALF_A_DAY, YOUNG = 43_200.0, 8 * 86_400.0
"""Seconds. Who has not seen each weekday yet judges more loosely. Only within half a day slower runs are no season."""
SMALL_SAMPLE = 8
"""The spread of n runs is taken for (1 + SMALL_SAMPLE / n) times what they showed."""
TAIL, TAIL_SHARE = 250, 0.03
"""The slope of a tail is taken from so many values at most, and from this share of all while they are few. What happens
more often is not its tail but another way that the job goes."""
GUESS = 0.6
"""A guess at the slope of a tail that was not seen yet, in standard deviations."""
LIGHT, HEAVY, MOST_HEAVY = 0.65, 0.95, 3.0
"""The slope of a tail against that of an exponential one that begins there: a normal distribution's has 0.57. Up to
LIGHT a tail ends like the normal one (whose squares have an exponential tail), at HEAVY it is exponential. The heavier
it is, the less its beginning says about its end."""
RUNS_A_YEAR = (52.0, 1_051_200.0)
"""From weekly to each half minute: nothing is judged as if it were rarer or more frequent."""
YEAR = 365 * 86_400.0
SPIKE, DROP = 3.0, 1 / 5
"""What is to be found wherever chance allows it."""
ROOM = 0.68
"""A band that ends at this share of the way to a SPIKE or DROP still tells them, though they scatter themselves."""
HOPELESS, STRETCH, STRETCH_BY = 1.3, 1.4, 3.0
"""A tail that ends HOPELESS times farther out than ROOM hides them anyhow. It is trusted less, and taken, gradually,
for up to STRETCH longer."""
SURE = 100
"""From so many runs on, the window ends a floor's reach beyond what it has: two levels a week are no wide scatter."""


class Sensitivity(StrEnum):
    """How much must be wrong before somebody is told."""

    OFF = "off"
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class _Taste(NamedTuple):
    """What it takes to be told. On the logarithmic scale: `floor` is the least standard deviation, `young` how far off
    a run may be before each weekday was seen. `alarms`, how many in a year and on each side may be due to chance;
    `slower`, the least factor over the usual that makes slow runs worth a word; `margin`, how much wider a band is made
    where that hides nothing that must be found."""

    floor: float
    young: float
    alarms: float
    slower: float
    margin: float


_TASTES = {
    Sensitivity.LOW: _Taste(0.15, 1.0, 0.01, 1.5, 1.5),
    Sensitivity.NORMAL: _Taste(0.1, 0.85, 0.12, 1.2, 1.5),
    Sensitivity.HIGH: _Taste(0.06, 0.5, 2.0, 1.1, 1.0),
}
# Who is not told still has the level of the job followed, for the day on which they want to be told.
_TASTES[Sensitivity.OFF] = _TASTES[Sensitivity.NORMAL]


@dataclass(frozen=True)
class Verdict:
    """A run far from usual. All in the unit of the measure: `usual` is the median and `spread` the standard deviation,
    robust and with its floor; `z` says how many of these `value` is away; `low` and `high` bound what would be usual.

    `in_a_row` counts the unusual runs up to this one.
    """

    value: float
    usual: float
    spread: float
    z: float
    low: float
    high: float
    in_a_row: int = 1

    @property
    def too_much(self) -> bool:
        """Too long, too large, too many; else too short, too small, too few."""
        return self.value > self.usual


@dataclass(frozen=True)
class Slower:
    """The last runs, oldest first, all took longer than `p95` of those before; usual were `usual` ± `spread`."""

    values: tuple[float, ...]
    usual: float
    spread: float
    p95: float


@dataclass(frozen=True)
class Shift:
    """For `runs` runs the usual value has been `now`, after `before`. It is learnt, and not told again."""

    runs: int
    before: float
    now: float


@dataclass(frozen=True)
class Settled:
    """As usual again, after `runs` runs that were not. `slower` says that it had been slowness."""

    runs: int
    slower: bool


Finding = Verdict | Slower | Shift | Settled


class Band(NamedTuple):
    """What would be usual, in the unit of the measure."""

    low: float
    high: float


class Told(StrEnum):
    """What is told of and not over."""

    NOTHING = ""
    UNUSUAL = "unusual"
    SLOWER = "slower"


class _Sight(NamedTuple):
    """An unusual `place` in run number `run`, `at` seconds since the epoch."""

    run: int
    at: float
    place: float


class State(NamedTuple):
    """What judging remembers of a measure between runs: serialised about 1.4 KB, never 2.5 KB.

    `streak` are the last CHANGED_IN_A_ROW values of a row that is unusual or slow, all on one `side` (1 above, -1
    below), `length` of it so far, `odd` of these unusual; `calm` runs in it were neither. `sights` are the last unusual
    runs that began a row; `runs` counts all that were judged.
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
    sights: tuple[_Sight, ...] = ()

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
                tuple(_Sight(*sight) for sight in zip(sights[::3], sights[1::3], sights[2::3], strict=True)),
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
    state = state._replace(baseline=baselines.seen(state.baseline, value, at, begun), runs=state.runs + 1)
    state, finding = _judged(state, value, _TASTES[sensitivity])
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
    low, high = _bounds(baseline, _TASTES[sensitivity])
    if low <= baseline.place(value) <= high:
        return None
    return _verdict(baseline, value, low, high)


def band(baseline: Baseline, sensitivity: Sensitivity = Sensitivity.NORMAL) -> Band | None:
    """Between which values a run is usual now; None while there are too few to say so."""
    if not baseline.ready:
        return None
    low, high = _bounds(baseline, _TASTES[sensitivity])
    return Band(baseline.value(low), baseline.value(high))


def accept(state: State, value: float) -> State:
    """The state after somebody said of an unusual run that it is no problem: nothing up to there is told any more."""
    return _quiet(state)._replace(baseline=baselines.accept(state.baseline, value))


def _judged(state: State, value: float, taste: _Taste) -> tuple[State, Finding | None]:
    baseline = state.baseline
    if not baseline.ready:
        return state._replace(baseline=baselines.taught(baseline, value)), None
    place = baseline.place(value)
    low, high = _bounds(baseline, taste)
    side = 1 if place > high else -1 if place < low else 0
    if side and state.side != side:
        seen = _as_far(state, place, side)
        if _one_of_its_ways(state, seen):
            known = baselines.returned(baseline, place, tuple(sight.place for sight in seen))
            return _regular(state._replace(baseline=known, sights=()), value, taste)
    if side:
        return _unusual(state, value, side, _verdict(baseline, value, low, high), taste)
    if place > interpolated(baseline.places, 0.95):
        return _slow(state, value, taste)
    return _regular(state, value, taste)


def _unusual(
    state: State, value: float, side: int, verdict: Verdict, taste: _Taste
) -> tuple[State, Finding | None]:
    if state.side != side:
        begun = _Sight(state.runs, round(state.baseline.last_at or 0.0), state.baseline.place(value))
        state = _dropped(state, taste)._replace(sights=(*state.sights, begun)[-MOST_SIGHTS:])
    state = _longer(state._replace(odd=state.odd + 1, told=Told.UNUSUAL), value, side)
    if _changed(state):
        return _shifted(state)
    return state, replace(verdict, in_a_row=state.odd)


def _slow(state: State, value: float, taste: _Taste) -> tuple[State, Finding | None]:
    """A run above p95 yet within the band. Only a row of them says something, so it teaches when the row is over."""
    settled = Settled(state.length, False) if state.side < 0 else None
    state = _longer(_dropped(state, taste) if state.side < 0 else state, value, 1)
    if _changed(state):
        return _shifted(state) if state.told else (_dropped(state, taste), None)
    if state.told or state.length < SLOW_IN_A_ROW or not _much(state, taste):
        return state, settled
    baseline = state.baseline
    slower = Slower(state.streak[-SLOW_IN_A_ROW:], baseline.usual, _spread(baseline), baseline.quantile(0.95))
    return state._replace(told=Told.SLOWER), slower


def _regular(state: State, value: float, taste: _Taste) -> tuple[State, Finding | None]:
    if state.told is Told.SLOWER and state.calm + 1 < CALM_IN_A_ROW:
        return state._replace(baseline=_taught(state.baseline, taste, value), calm=state.calm + 1), None
    settled = Settled(state.length, state.told is Told.SLOWER) if state.told else None
    state = _dropped(state, taste)
    return state._replace(baseline=_taught(state.baseline, taste, value)), settled


def _taught(baseline: Baseline, taste: _Taste, *values: float, weekdays: str = "") -> Baseline:
    return baselines.taught(baseline, *values, weekdays=weekdays, likely=_by_chance(baseline, taste))


def _longer(state: State, value: float, side: int) -> State:
    streak = (*state.streak, value)[-CHANGED_IN_A_ROW:]
    weekdays = (state.weekdays + str(weekday(state.baseline.day)))[-CHANGED_IN_A_ROW:]
    return state._replace(side=side, streak=streak, weekdays=weekdays, length=state.length + 1, calm=0)


def _dropped(state: State, taste: _Taste) -> State:
    """The row is over. If no run in it was unusual, it was a slow hour. The job is like that sometimes: it teaches."""
    if not state.side:
        return state
    baseline = state.baseline
    if not state.odd:
        baseline = _taught(baseline, taste, *state.streak, weekdays=state.weekdays)
    return _quiet(state)._replace(baseline=baseline)


def _quiet(state: State) -> State:
    return state._replace(told=Told.NOTHING, side=0, streak=(), weekdays="", length=0, odd=0, calm=0)


def _changed(state: State) -> bool:
    """Whether the row is long enough and level: what still grows has no new level yet."""
    if len(state.streak) < CHANGED_IN_A_ROW:
        return False
    places = _streak_places(state)
    half = CHANGED_IN_A_ROW // 2
    first, last = (interpolated(sorted(part), 0.5) for part in (places[:half], places[half:]))
    ordered = sorted(places)
    middle = interpolated(ordered, 0.5)
    spread = baselines.MAD_TO_SIGMA * interpolated(sorted(abs(place - middle) for place in places), 0.5)
    return last - first <= max(LEVEL, spread) and first - last <= max(LEVEL, spread)


def _streak_places(state: State) -> list[float]:
    """Where the runs of the row are, each as of its own weekday."""
    pairs = zip(state.streak, state.weekdays, strict=True)
    return [state.baseline.place(value, int(weekday)) for value, weekday in pairs]


LEVEL = 0.1
"""On the logarithmic scale: halves of a row that differ by less than a tenth are at one level."""


def _shifted(state: State) -> tuple[State, Finding | None]:
    before = state.baseline.usual
    after = baselines.moved(state.baseline, state.streak, state.weekdays)
    return _quiet(state)._replace(baseline=after, sights=()), Shift(state.length, before, after.usual)


MOST_SIGHTS = 12
SIGHTED_WITHIN = 250
RETURNING = 0.04
"""So large a share of the runs, and one or two more, are no accident but another way that the job goes."""
AS_FAR = 0.35
"""On the logarithmic scale: what is nearer by less than this is as far out."""
DAY = 86_400.0


def _as_far(state: State, place: float, side: int) -> list[_Sight]:
    """What was seen lately that is about as far out as `place`, or farther."""
    least = max(side * place - AS_FAR, side * state.baseline.centre)
    since = state.runs - SIGHTED_WITHIN
    return [sight for sight in state.sights if sight.run > since and side * sight.place > least]


def _one_of_its_ways(state: State, seen: list[_Sight]) -> bool:
    """Whether what was `seen` and is here again has returned so often that it is normal: in number, or because it was
    so at this time on the two days before, or in the two weeks before."""
    baseline = state.baseline
    within = min(baseline.count, SIGHTED_WITHIN)
    if len(seen) + 1 >= min(1.5 + RETURNING * within, MOST_SIGHTS):
        return True
    moments = [sight.at for sight in seen]
    return any(
        all(_near(moments, (baseline.last_at or 0.0) - times * period, baseline.every) for times in (1, 2))
        for period in (DAY, 7 * DAY)
        if baseline.every < period / 2
    )


def _near(moments: list[float], moment: float, every: float) -> bool:
    return any(abs(one - moment) <= 0.6 * every for one in moments)


def _much(state: State, taste: _Taste) -> bool:
    """Whether a row of slow runs is worth a word: by a good part over the usual, and over what else happens."""
    baseline = state.baseline
    middle = interpolated(sorted(_streak_places(state)[-SLOW_IN_A_ROW:]), 0.5)
    least = taste.young if HALF_A_DAY < baseline.span < YOUNG else math.log(taste.slower)
    return middle > baseline.centre + least and middle > baseline.memory.quantile(0.995)


def _verdict(baseline: Baseline, value: float, low: float, high: float) -> Verdict:
    spread = _spread(baseline)
    z = (value - baseline.usual) / spread if spread else math.copysign(math.inf, value)
    return Verdict(value, baseline.usual, spread, z, baseline.value(low), baseline.value(high))


LEAST_SPREAD = 0.02
"""Of the usual value. With less, z would be a huge number that says nothing."""


def _spread(baseline: Baseline) -> float:
    """The standard deviation in the unit of the measure: that of places, times how much value there is to a place."""
    return max(baseline.sigma, LEAST_SPREAD) * math.hypot(baseline.usual, 2 * baseline.grain)


def _by_chance(baseline: Baseline, taste: _Taste) -> tuple[float, float]:
    """The places between which a run is by all that is known of its job."""
    centre, chance = baseline.centre, _chance(baseline, taste)
    inflation = 1 + SMALL_SAMPLE / len(baseline.window)
    z = _NORMAL.inv_cdf(1 - chance)
    reach = z * max(_steadied(baseline) * inflation, taste.floor)
    low, high = centre - reach, centre + reach
    if baseline.additive:
        far = z * inflation * _spread(baseline)
        low, high = baseline.place(baseline.usual - far), baseline.place(baseline.usual + far)
    if baseline.memory.total >= SURE:
        edge = z * taste.floor
        low, high = max(low, baseline.places[0] - edge), min(high, baseline.places[-1] + edge)
    low, high = min(low, _tail_end(baseline, -1, chance)), max(high, _tail_end(baseline, 1, chance))
    return low, high


def _bounds(baseline: Baseline, taste: _Taste) -> tuple[float, float]:
    """The places between which a run is usual: what chance does, and more where that costs nothing."""
    low, high = _by_chance(baseline, taste)
    centre = baseline.centre
    if baseline.span < YOUNG:
        low, high = min(low, centre - taste.young), max(high, centre + taste.young)
    low = min(low, centre - min(taste.margin * (centre - low), _room(centre, DROP)))
    high = max(high, centre + min(taste.margin * (high - centre), _room(centre, SPIKE)))
    for (lower, upper), offset in ((baseline.allowed, baseline.offset), (baseline.returning, 0.0)):
        low = low if lower is None else min(low, lower - offset)
        high = high if upper is None else max(high, upper - offset)
    return low, high


def _steadied(baseline: Baseline) -> float:
    """The spread of the window, of which chance has its part: where the memory knows better, up to CHANCE of it."""
    memory, lately = baseline.memory, baseline.sigma
    if memory.total < LONG_KNOWN:
        return lately
    long = (memory.quantile(0.75) - memory.quantile(0.25)) / QUARTILES
    return min(lately, max(long, lately - CHANCE * long))


LONG_KNOWN = 10 * baselines.WINDOW
CHANCE = 0.4
"""The standard deviation that belongs to the median absolute deviation of a full window is off by an eighth, mostly."""
QUARTILES = 1.349
"""Between the quartiles of a normal distribution are so many of its standard deviations: 2 Φ⁻¹(3/4)."""


_NORMAL = NormalDist()


def _chance(baseline: Baseline, taste: _Taste) -> float:
    """How probable it may be, for one run and one side, that it is told although nothing is wrong.

    The first runs are judged like those of a daily job, however fast they come: there are few, and so few by chance.
    Added up over all n, 6 / n² beyond the first fifty is an eighth of a year's alarms.
    """
    fewest, most = RUNS_A_YEAR
    a_year = min(max(YEAR / baseline.every, fewest), most) if baseline.every else most
    return taste.alarms * max(1 / a_year, min(1 / 365, 6 / max(baseline.memory.total, 1) ** 2))


def _tail_end(baseline: Baseline, side: int, chance: float) -> float:
    """The place beyond which lies a run with the probability `chance`, if the tail goes on as it begins."""
    memory, centre = baseline.memory, baseline.centre
    wanted = max(min(round(TAIL_SHARE * memory.total), TAIL), 1)
    edge, size, slope = memory.tail(side, wanted, GUESS * max(baseline.sigma, memory.width))
    # Of a job that grows, the tail begins near the level of today. Of all that is remembered it begins farther out.
    begins = max(side * (edge - centre), side * (edge - memory.quantile(0.5)), memory.width)
    slopes = max(math.log(size / (memory.total * chance)), 0.0)
    light = math.sqrt(begins**2 + 2 * slope * (begins + slope) * slopes) - begins
    exponential = slope * slopes
    reaches = light + _heaviness(slope, begins, size / memory.total) * (exponential - light)
    ends = max(side * (edge - centre), memory.width) + reaches
    hidden = STRETCH_BY * (ends - HOPELESS * _room(centre, SPIKE if side > 0 else DROP))
    return centre + side * (ends + min(max(hidden, 0.0), STRETCH) * max(reaches, 0.0))


def _heaviness(slope: float, begins: float, share: float) -> float:
    """Of a tail that begins there and has this share of all: 0 if it is as light as a normal one, 1 if exponential."""
    if share >= 0.5:
        return 0.0
    against = slope * math.log(0.5 / share) / begins
    return min(max((against - LIGHT) / (HEAVY - LIGHT), 0.0), MOST_HEAVY)


def _room(centre: float, factor: float) -> float:
    """How far from the usual a band may end and yet not hide a run that takes `factor` times as long."""
    return ROOM * abs(math.asinh(factor * math.sinh(centre)) - centre)
