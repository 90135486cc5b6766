"""How well Tokiflow knows what is normal: labelled series, judged run by run, beside plain 3-sigma Welford.

    python -m bench.anomaly                      all of it, a few minutes
    python -m bench.anomaly --seeds 1 --only daily
    python -m bench.anomaly --first-seed 100     other series of the same kinds

Each kind of series is made several times, from a seed and with a scatter and a usual run time of its own. It is judged
twice: clean, where each alarm is false; and with runs three times as long and runs five times as short put in, which
are to be found. An alarm is whatever begins an incident: the first unusual run of a row, or slowness. Beside it stands
what could be found at best (bench/at_best.py).
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from bench import at_best, table
from tokiflow.core import anomaly
from tokiflow.core.baseline import ENOUGH
from tokiflow.core.findings import Slower, Verdict
from tokiflow.core.measure import Measure
from tokiflow.core.moments import Moments
from tokiflow.core.sensitivity import Sensitivity

START = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday."""
SCATTERS = (0.01, 0.03, 0.05, 0.1, 0.15)
"""Standard deviations of the logarithm: from 1 % to 15 % of the run time."""
SPIKE, DROP = 3.0, 1 / 5
INJECTED = 0.01
"""Of all runs, half of them spikes, half drops."""
WARM_UP = 50
GROWTH, GROWS_FROM = 1.01, timedelta(days=14)
"""Slow growth is one percent a run, after two weeks and a hundred runs."""
YEAR, MONTHS = 365 * 86_400.0, 12


@dataclass(frozen=True)
class Pace:
    """How often the jobs run, and how many runs of them are judged."""

    name: str
    every: timedelta
    runs: int
    seeds: int


PACES = (
    Pace("daily", timedelta(days=1), 730, 10),
    Pace("hourly", timedelta(hours=1), 8760, 4),
    Pace("minutely", timedelta(minutes=1), 120_960, 3),
)


@dataclass(frozen=True)
class Moment:
    """Of the run that is to be made: when, at what share of the whole series, and how its series scatters."""

    at: datetime
    share: float
    scatter: float


Maker = Callable[[random.Random, Moment], float | None]


def lognormal(draw: random.Random, now: Moment) -> float:
    """Scatters by factors around 1."""
    return math.exp(draw.gauss(0, now.scatter))


def steady(draw: random.Random, now: Moment) -> float:
    """Scatters evenly around 1."""
    return max(draw.gauss(1, now.scatter), 0.01)


def bimodal(draw: random.Random, now: Moment) -> float:
    """Each third run has much more to do."""
    return lognormal(draw, now) * (6 if draw.random() < 0.3 else 1)


def weekly(draw: random.Random, now: Moment) -> float:
    """Twice as long at weekends."""
    return lognormal(draw, now) * (2 if now.at.weekday() > 4 else 1)


def drift(draw: random.Random, now: Moment) -> float:
    """Half as long again at the end as at the beginning."""
    return lognormal(draw, now) * (1 + now.share / 2)


def shift(draw: random.Random, now: Moment) -> float:
    """Twice as long from the middle on."""
    return lognormal(draw, now) * (2 if now.share >= 0.5 else 1)


def heavy(draw: random.Random, now: Moment) -> float:
    """A Pareto tail: one run in a thousand takes ten times as long."""
    return draw.paretovariate(3)


def failures(draw: random.Random, now: Moment) -> float | None:
    """Three runs in ten fail, mostly at once: None."""
    return None if draw.random() < 0.3 else lognormal(draw, now)


MAKERS: dict[str, Maker] = {
    "steady": steady,
    "log-normal": lognormal,
    "bimodal": bimodal,
    "weekly season": weekly,
    "drift": drift,
    "level shift": shift,
    "heavy tail": heavy,
    "30 % failures": failures,
}
DENSITIES: dict[str, at_best.Density] = dict.fromkeys(MAKERS, at_best.lognormal) | {
    "steady": at_best.steady,
    "bimodal": at_best.bimodal,
    "heavy tail": at_best.heavy,
}
"""How they are drawn, but for what depends on the day."""


@dataclass(frozen=True)
class Run:
    """A run of a series. `put_in` is SPIKE, DROP or 1; `changed` says that it comes soon after a change of level."""

    at: datetime
    value: float
    fine: bool = True
    put_in: float = 1.0
    changed: bool = False


class Watcher:
    """Tokiflow, at normal sensitivity."""

    def __init__(self) -> None:
        self.state = anomaly.fresh(Measure.RUN_TIME)
        self.sensitivity = Sensitivity.NORMAL

    def alarm(self, run: Run) -> bool:
        """Whether this run begins an incident."""
        self.state, found = anomaly.observe(self.state, run.value, run.at, self.sensitivity, teaches=run.fine)
        return isinstance(found, Slower) or (isinstance(found, Verdict) and found.in_a_row == 1)


class Plain:
    """Three standard deviations from the mean, by Welford, as one would write it in an afternoon."""

    def __init__(self) -> None:
        self.moments, self.before = Moments(), False

    def alarm(self, run: Run) -> bool:
        """Whether this run begins an incident."""
        moments = self.moments
        self.moments = moments.add(run.value)
        far = moments.n >= ENOUGH and abs(run.value - moments.mean) > 3 * moments.stddev
        begins, self.before = far and not self.before, far
        return begins


@dataclass
class Tally:
    """What was found. `years` are years of one monitor, clean."""

    years: float = 0.0
    false: int = 0
    false_beside: int = 0
    """Among what was put in."""
    there: dict[float, int] = field(default_factory=lambda: {SPIKE: 0, DROP: 0})
    found: dict[float, int] = field(default_factory=lambda: {SPIKE: 0, DROP: 0})
    possible: dict[float, float] = field(default_factory=lambda: {SPIKE: 0.0, DROP: 0.0})
    """What the best judge there can be would find, with one false alarm a year."""
    changes: int = 0
    grew: int = 0
    grew_told: int = 0

    def recall(self, kind: float) -> float:
        """What share of this kind was found."""
        return self.found[kind] / self.there[kind] if self.there[kind] else math.nan

    def at_best(self, kind: float) -> float:
        """What share of this kind could be found."""
        return self.possible[kind] / self.there[kind] if self.there[kind] else math.nan

    @property
    def precision(self) -> float:
        """What share of the alarms was right."""
        right = sum(self.found.values()) + self.changes
        return right / (right + self.false_beside) if right + self.false_beside else math.nan


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    asked = _asked(arguments)
    with ProcessPoolExecutor() as processes:
        for pace in PACES:
            if asked.only in pace.name:
                print(f"\n### {pace.name.capitalize()} jobs\n")
                print(report(pace, asked.seeds or pace.seeds, asked.first_seed, processes.map), flush=True)


def report(pace: Pace, seeds: int, first: int, each: Callable[..., Iterable[list[str]]] = map) -> str:
    """The table of one pace, and what it covers. `each` may do several of its rows at once."""
    rows = list(each(partial(_measured, pace, range(first, first + seeds)), MAKERS))
    years = pace.runs * pace.every.total_seconds() / YEAR * seeds
    head = (
        "series", "false a month", "false a year", "3× found", "at best", "÷5 found", "at best", "precision",
        "growth told", "plain: false a month", "3×", "÷5", "precision",
    )  # fmt: skip
    return f"{table.markdown(head, rows)}\n\n{years:.2g} monitor-years of each series."


def _measured(pace: Pace, seeds: range, name: str) -> list[str]:
    ours, plain = Tally(), Tally()
    for seed in seeds:
        for tally, judge in ((ours, Watcher), (plain, Plain)):
            measure(tally, judge, name, MAKERS[name], pace, seed)
    return _row(name, ours, plain)


def measure(tally: Tally, judge: type[Watcher] | type[Plain], name: str, maker: Maker, pace: Pace, seed: int) -> None:
    """Judge a series three times: clean, with spikes and drops, and growing."""
    label = f"{name} {pace.name} {seed}"
    watcher = judge()
    for run in series(label, maker, pace):
        tally.false += watcher.alarm(run) and not run.changed
    tally.years += pace.runs * pace.every.total_seconds() / YEAR
    chance = pace.every.total_seconds() / YEAR
    possible = {kind: at_best.found(DENSITIES[name], _nature(label)[2], kind, chance) for kind in (SPIKE, DROP)}
    _find(tally, judge(), injected(label, series(label, maker, pace)), possible)
    tally.grew += 1
    grows_from = max(2 * WARM_UP, GROWS_FROM // pace.every)
    tally.grew_told += _growth_told(judge(), growing(series(label, maker, pace), grows_from), grows_from)


def series(label: str, maker: Maker, pace: Pace) -> Iterator[Run]:
    """The runs of one series: the same for the same label."""
    draw, usual, scatter = _nature(label)
    for number in range(pace.runs):
        at = START + number * pace.every
        share = number / pace.runs
        value = maker(draw, Moment(at, share, scatter))
        changed = maker is shift and 0 <= number - pace.runs / 2 <= anomaly.CHANGED_IN_A_ROW
        yield Run(at, usual * (0.1 if value is None else value), value is not None, changed=changed)


def _nature(label: str) -> tuple[random.Random, float, float]:
    """What the runs are drawn from, their usual time and how they scatter."""
    draw = random.Random(label)
    return draw, math.exp(draw.uniform(0, math.log(7200))), draw.choice(SCATTERS)


def injected(label: str, clean: Iterator[Run]) -> Iterator[Run]:
    """The series with spikes and drops, never two in a row."""
    draw, last = random.Random(f"{label} injected"), 0
    for number, run in enumerate(clean):
        if number < WARM_UP or number - last < 2 or run.changed or not run.fine or draw.random() > INJECTED:
            yield run
        else:
            kind, last = draw.choice((SPIKE, DROP)), number
            yield Run(run.at, run.value * kind, put_in=kind)


def growing(clean: Iterator[Run], grows_from: int) -> Iterator[Run]:
    """The first runs of the series, then some that take one percent longer each until they take twice as long."""
    doubled = round(math.log(2, GROWTH))
    for number, run in enumerate(clean):
        grown = number - grows_from
        if grown > doubled:
            return
        yield Run(run.at, run.value * GROWTH ** max(grown, 0), run.fine)


def _find(tally: Tally, watcher: Watcher | Plain, runs: Iterator[Run], possible: dict[float, float]) -> None:
    told = False
    for run in runs:
        alarm = watcher.alarm(run)
        if run.put_in != 1:
            tally.there[run.put_in] += 1
            tally.found[run.put_in] += alarm
            tally.possible[run.put_in] += possible[run.put_in]
        elif alarm and run.changed:
            tally.changes += not told
            told = True
        else:
            tally.false_beside += alarm


def _growth_told(watcher: Watcher | Plain, runs: Iterator[Run], grows_from: int) -> bool:
    alarms = [watcher.alarm(run) for run in runs]
    return any(alarms[grows_from:])


def _row(name: str, ours: Tally, plain: Tally) -> list[str]:
    return [
        name,
        f"{ours.false / ours.years / MONTHS:.2f}",
        f"{ours.false / ours.years:.1f}",
        *(_percent(share) for kind in (SPIKE, DROP) for share in (ours.recall(kind), ours.at_best(kind))),
        _percent(ours.precision),
        f"{ours.grew_told} of {ours.grew}",
        f"{plain.false / plain.years / MONTHS:.1f}",
        *map(_percent, (plain.recall(SPIKE), plain.recall(DROP), plain.precision)),
    ]


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share * 100:.0f} %"


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.anomaly", description=__doc__)
    parser.add_argument("--seeds", type=int, default=0, help="how many series of each kind")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only the pace whose name has that in it")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
