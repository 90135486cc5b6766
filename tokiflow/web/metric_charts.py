"""The numbers that jobs send along (`metric=rows:8000`), drawn small, one picture a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tokiflow.models import Band, Run
from tokiflow.queries import bands
from tokiflow.web import charts

MOST = 12
WIDTH = 220.0
HEIGHT = 44.0


@dataclass(frozen=True)
class Chart:
    """One metric: its newest value, its range, and a line if it was told more than once.

    `said` is what of it was unlike the usual last.
    """

    name: str
    last: str
    low: str
    high: str
    said: str
    spark: charts.Sparkline | None


def of(told: Sequence[Run], normal: Mapping[str, Sequence[Band]]) -> list[Chart]:
    """The metrics of the runs `told` (oldest first), the newest run's first; `normal` has the bands of each measure."""
    values: dict[str, list[tuple[Run, float]]] = {}
    for one in told:
        for name, value in one.metrics.items():
            values.setdefault(name, []).append((one, float(value)))
    newest = told[-1].metrics if told else {}
    names = sorted(values, key=lambda name: (name not in newest, name))
    return [_chart(name, values[name], normal.get(f"{bands.METRIC}{name}", ())) for name in names[:MOST]]


def _chart(name: str, told: Sequence[tuple[Run, float]], days: Sequence[Band]) -> Chart:
    values = [value for _, value in told]
    low, high, last = min(values), max(values), values[-1]
    normal = [bands.at(days, one.at) for one, _ in told] if days else []
    odd = {k: words for k, (one, _) in enumerate(told) if (words := _said(one, name))}
    edges = [(day.low, day.high) if day else None for day in normal]
    spark = charts.sparkline(values, WIDTH, HEIGHT, edges, odd)
    words = f"{name}: last {number(last)}, from {number(low)} to {number(high)} over {len(values)} runs."
    said = next(reversed(odd.values()), "")
    if spark:
        spark = replace(spark, summary=f"{words} Unlike the usual: {said}." if said else words)
    return Chart(name, number(last), number(low), number(high), said, spark)


def _said(one: Run, name: str) -> str:
    found = (item for item in one.findings or () if item.get("measure") == f"{bands.METRIC}{name}")
    return next((str(item.get("words") or "unlike the usual") for item in found), "")


_LARGE = ((1e12, " tn"), (1e9, " bn"), (1e6, " M"))


def number(value: float) -> str:
    """`9,123`, `0.0137`, `1.23 bn`: three digits that matter, and whole numbers below ten million whole."""
    if value < 0:
        return f"−{number(-value)}"
    if value >= 1e15:
        return f"{value:.3g}"
    if value >= 1e7:
        size, unit = next(one for one in _LARGE if value >= one[0])
        return f"{value / size:.3g}{unit}"
    if value == int(value) or value >= 1000:
        return f"{round(value):,}"
    return f"{value:.3g}"
