"""A monitor's runs, judged one after another: each measure by what is normal for it, and how many runs a period has.

core.anomaly judges one value of one measure; here is what a whole run is held against.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, NamedTuple

from tokiflow.core import anomaly, health, learning, sentences
from tokiflow.core.anomaly import State, Told
from tokiflow.core.findings import Finding, Shift, Slower, Verdict
from tokiflow.core.health import Interval
from tokiflow.core.measure import Measure
from tokiflow.core.sensitivity import Sensitivity
from tokiflow.core.status import Kind

RUN_TIME, OUTPUT_SIZE, RUN_COUNT = Measure.RUN_TIME.value, Measure.OUTPUT_SIZE.value, Measure.RUN_COUNT.value
METRIC = "metric:"
MOST_METRICS = 20
"""Of a monitor. The first ones it tells are judged, however many more there are."""
LONGEST_NAME = 80
"""Letters of a measure's name, with `metric:`."""

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FEW = 4
"""A period in which fewer runs are expected says nothing that a missed run doesn't."""
LATE = timedelta(minutes=5)
"""So long after its end a period may still get runs: then it is judged, whether or not another run has come."""
MOST_APART = 0.05
"""Of a period. If less of it counts than all but this, it is not known how many runs it should have had."""


class Run(NamedTuple):
    """A run that finished `at`. `run_time` in seconds and `output` in bytes; None is unknown.

    `good`: it was a success. Others have their own trouble, and only count.
    """

    at: datetime
    good: bool
    run_time: float | None = None
    output: float | None = None
    metrics: Mapping[str, Any] = {}

    @property
    def begun(self) -> datetime:
        """When it began; if nobody knows, when it finished."""
        try:
            return self.at - timedelta(seconds=self.run_time or 0.0)
        except (OverflowError, ValueError):
            return self.at


class Said(NamedTuple):
    """A person said that this value of `measure`, of a run that finished `at`, is no problem."""

    at: datetime
    measure: str
    value: float


class Found(NamedTuple):
    """What was found out about `measure` when a run finished, or a period ended, `at`."""

    measure: str
    finding: Finding
    at: datetime

    @property
    def kind(self) -> Kind | None:
        """The kind of trouble it is, if it is any."""
        if isinstance(self.finding, Verdict):
            return Kind.ANOMALY
        return Kind.DEGRADED if isinstance(self.finding, Slower) else None

    @property
    def of_run(self) -> bool:
        """Whether it is about the run at hand, and not about a period."""
        return self.measure != RUN_COUNT

    @property
    def words(self) -> str:
        """In numbers: `took 3 s; usually 12 m ± 40 s (z = −18)`."""
        which, name = measure_of(self.measure), self.measure.removeprefix(METRIC)
        if isinstance(self.finding, Shift):
            return sentences.shifted(self.finding, which, name)
        return sentences.unusual(self.finding, which, name)

    @property
    def usual_words(self) -> str:
        """What would be usual: `Usual is from 9 m to 15 m.`; nothing where words say it already."""
        if not isinstance(self.finding, Verdict):
            return ""
        which = measure_of(self.measure)
        low, high = (sentences.amount(end, which) for end in (self.finding.low, self.finding.high))
        days, others = sentences.on_days(self.finding), sentences.or_others(self.finding, which)
        return f"Usual is from {low} to {high}{days}{others}."

    def told(self) -> dict[str, Any] | None:
        """As it is kept with the run (runs.findings); None if there is nothing to keep."""
        found, which = self.finding, self.measure
        numbers: tuple[float | None, ...]
        if isinstance(found, Verdict):
            numbers = (found.value, found.usual, found.spread, found.z, found.low, found.high)
            return _told(which, "anomaly", found.too_much, numbers, self.words)
        if isinstance(found, Slower):
            value = found.values[-1]
            z = (value - found.usual) / found.spread if found.spread else math.inf
            return _told(which, "degraded", True, (value, found.usual, found.spread, z, None, found.p95), self.words)
        if isinstance(found, Shift):
            numbers = (found.now, found.before, None, None, None, None)
            return _told(which, "shift", found.now > found.before, numbers, self.words)
        return None


def _told(measure: str, kind: str, high: bool, numbers: tuple[float | None, ...], words: str) -> dict[str, Any]:
    names = ("value", "usual", "spread", "z", "low", "high")
    return {
        "measure": measure,
        "kind": kind,
        "direction": "high" if high else "low",
        **{name: _finite(number) for name, number in zip(names, numbers, strict=True)},
        "words": words,
    }


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


class Usual(NamedTuple):
    """What was normal on a day, in the unit of the measure."""

    low: float
    usual: float
    high: float


@dataclass
class Count:
    """Runs counted since `since`, for one period, while the schedule was `plan` (None: nobody noted it). `whole`: we
    have been counting from its beginning."""

    since: datetime
    length: timedelta
    runs: int
    whole: bool
    plan: str | None = None

    @property
    def until(self) -> datetime:
        """When the period is over."""
        return self.since + self.length


@dataclass
class Notebook:
    """What is known of one monitor while its runs are judged. `period`: by what runs are counted, if they are, and
    `plan` the schedule in words: with another one, how many there used to be says nothing.

    Days are those of `zone`, and a run is of the day on which it began. In the times `apart` nobody knows how many runs
    there should have been. `said` is accepted as soon as the runs have come to it. `usual` says of the run at hand that
    nothing about it was unlike the usual. `bands` are by measure and day.
    """

    sensitivity: Sensitivity = Sensitivity.NORMAL
    keeps_output: bool = True
    period: timedelta | None = None
    plan: str = ""
    zone: tzinfo = UTC
    apart: Sequence[Interval] = ()
    said: Sequence[Said] = ()
    states: dict[str, State] = field(default_factory=dict)
    count: Count | None = None
    usual: bool = True
    bands: dict[tuple[str, datetime], Usual] = field(default_factory=dict)

    def judge(self, run: Run) -> list[Found]:
        """What is to be told of `run`, after which it has taught what it can."""
        found = list(self._counted(run.at))
        values = list(self._values(run)) if run.good else []
        for measure, value in values:
            found += self._observe(measure, value, run.at, run.begun)
        self._recall(run.at)
        seen = [self.states[measure] for measure, _ in values]
        if RUN_COUNT in self.states:
            seen.append(self.states[RUN_COUNT])
        self.usual = self.sensitivity is Sensitivity.OFF or not any(state.told for state in seen)
        return found

    def accept(self, measure: str, value: float) -> None:
        """A person said that `value` is no problem."""
        state = self.states.get(measure)
        if state is None:
            return
        slow, weekdays = (state.streak, state.weekdays) if state.told is Told.SLOWER else ((), "")
        state = anomaly.accept(state, value)
        # Slow runs are within the band: only by teaching do they become normal.
        self.states[measure] = state._replace(baseline=learning.taught(state.baseline, *slow, weekdays=weekdays))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: the states by measure (models.Baseline.measures)."""
        kept = {measure: state.to_dict() for measure, state in self.states.items()}
        if self.count:
            counting = [self.count.since.timestamp(), self.count.length.total_seconds(), self.count.runs]
            kept.setdefault(RUN_COUNT, anomaly.fresh(Measure.RUN_COUNT).to_dict())
            kept[RUN_COUNT]["counting"] = [*counting, self.count.whole, self.count.plan]
        return kept

    def read(self, kept: Mapping[str, Any]) -> None:
        """Take up what `to_dict` wrote. Raises ValueError for another version, or anything else: replay the runs."""
        try:
            self.states = {measure: State.from_dict(state) for measure, state in kept.items()}
            counting = kept.get(RUN_COUNT, {}).get("counting")
            if counting:
                since, length, *rest = counting
                self.count = Count(datetime.fromtimestamp(since, UTC), timedelta(seconds=length), *rest)
        except (TypeError, AttributeError, OverflowError) as broken:
            raise ValueError("these are no states of measures; replay the runs") from broken

    def _recall(self, now: datetime) -> None:
        """Accept what people said by `now`, as far as so much is known that it means anything."""
        kept = []
        for one in self.said:
            state = self.states.get(one.measure)
            if one.at <= now and state and state.baseline.ready:
                self.accept(one.measure, one.value)
            else:
                kept.append(one)
        self.said = kept

    def _values(self, run: Run) -> Iterator[tuple[str, float]]:
        if run.run_time is not None:
            yield RUN_TIME, run.run_time
        # Who has never printed anything is not known to print nothing.
        if self.keeps_output and (run.output is not None or OUTPUT_SIZE in self.states):
            yield OUTPUT_SIZE, run.output or 0.0
        room = MOST_METRICS - sum(measure.startswith(METRIC) for measure in self.states)
        for name, value in run.metrics.items():
            measure = f"{METRIC}{name}"
            if isinstance(value, bool) or not isinstance(value, int | float) or len(measure) > LONGEST_NAME:
                continue
            if measure not in self.states:
                if not room:
                    continue
                room -= 1
            yield measure, float(value)

    def _observe(self, measure: str, value: float, at: datetime, begun: datetime) -> Iterator[Found]:
        state = self.states.get(measure) or anomaly.fresh(measure_of(measure))
        state, finding = anomaly.observe(state, value, at, self.sensitivity, begun=begun.astimezone(self.zone))
        self.states[measure] = state
        band = anomaly.band(state.baseline, self.sensitivity)
        if band:
            # If another day goes on, or has ended, that is the one whose band it is.
            day = datetime.combine(date.fromordinal(state.baseline.day), time(), self.zone).astimezone(UTC)
            self.bands[measure, day] = Usual(band.low, state.baseline.usual, band.high)
        if finding:
            yield Found(measure, finding, at)

    def over(self, now: datetime) -> list[Found]:
        """What is to be told at `now` of the period at hand, if that is over. Asked again, there is nothing new."""
        found: list[Found] = []
        last = self.count
        if last is not None and self._is_of_plan(last) and last.until + LATE <= now:
            found += self._counted_to_its_end(last)
            begun = _floor(now - LATE, last.length)
            self.count = Count(begun, last.length, 0, last.runs > 0 and begun == last.until, self.plan)
        self._recall(now)
        return found

    def _counted(self, at: datetime) -> Iterator[Found]:
        """Count the run. The first one of a period judges the period before, if nobody has."""
        last = self.count
        if last is not None and not self._is_of_plan(last):
            self.states.pop(RUN_COUNT, None)
            self.count = last = None
        if self.period is None:
            return
        begun = _floor(at, self.period)
        if last is None:
            self.count = Count(begun, self.period, 1, whole=False, plan=self.plan)
        elif begun == last.since:
            last.runs += 1
        elif begun > last.since:
            self.count = Count(begun, self.period, 1, last.runs > 0 and begun == last.until, self.plan)
            yield from self._counted_to_its_end(last)

    def _is_of_plan(self, count: Count) -> bool:
        return count.length == self.period and count.plan in (self.plan, None)

    def _counted_to_its_end(self, count: Count) -> Iterator[Found]:
        """Judge a period that was counted from its beginning. An empty one is not: its silence is told as missed, and
        after it nobody knows whether the job was off."""
        apart = health.seconds(health.within(health.merged(self.apart), count.since, count.until))
        if count.whole and count.runs and apart <= MOST_APART * count.length.total_seconds():
            yield from self._observe(RUN_COUNT, float(count.runs), count.until, count.since)


def period_for(seconds: float) -> timedelta | None:
    """By which period the runs of a job are counted that runs each `seconds`: an hour or a day; None if it is rare."""
    return next((one for one in (HOUR, DAY) if seconds and one.total_seconds() / seconds >= FEW), None)


def measure_of(name: str) -> Measure:
    """The kind of measure `name` is: `metric:rows` is a metric."""
    return Measure.METRIC if name.startswith(METRIC) else Measure(name)


def _floor(at: datetime, length: timedelta) -> datetime:
    seconds = length.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)
