"""The numbers that jobs send along (`metric=rows:8000`), drawn small, one picture a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tokiflow.web import charts

MOST = 12
WIDTH = 220.0
HEIGHT = 44.0


@dataclass(frozen=True)
class Chart:
    """One metric: its newest value, its range, and a line if it was told more than once."""

    name: str
    last: str
    low: str
    high: str
    spark: charts.Sparkline | None


def of(told: Sequence[tuple[datetime, Mapping[str, float]]]) -> list[Chart]:
    """The metrics in `told` (oldest first), those of the newest run first."""
    values: dict[str, list[float]] = {}
    for _, metrics in told:
        for name, value in metrics.items():
            values.setdefault(name, []).append(float(value))
    newest = told[-1][1] if told else {}
    names = sorted(values, key=lambda name: (name not in newest, name))
    return [_chart(name, values[name]) for name in names[:MOST]]


def _chart(name: str, values: Sequence[float]) -> Chart:
    low, high, last = min(values), max(values), values[-1]
    # A line from zero up has no place for what lies below: the lowest value becomes its floor.
    spark = charts.sparkline([value - min(low, 0.0) for value in values], WIDTH, HEIGHT)
    words = f"{name}: last {number(last)}, from {number(low)} to {number(high)} over {len(values)} runs."
    return Chart(name, number(last), number(low), number(high), replace(spark, summary=words) if spark else None)


_LARGE = ((1e12, " tn"), (1e9, " bn"), (1e6, " M"))


def number(value: float) -> str:
    """`9,123`, `0.0137`, `1.23 bn`: three digits that matter, and whole numbers below ten million whole."""
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    if abs(value) >= 1e7:
        size, unit = next(one for one in _LARGE if abs(value) >= one[0])
        return f"{value / size:.3g}{unit}"
    if value == int(value) or abs(value) >= 1000:
        return f"{round(value):,}"
    return f"{value:.3g}"
