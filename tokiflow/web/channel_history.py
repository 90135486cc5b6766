"""How a channel has done, in words and as a chart of days.

What arrived stands on the base line, what was given up hangs below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tokiflow.core import durations
from tokiflow.queries import channel_history
from tokiflow.queries.channel_history import Tally
from tokiflow.web import day_columns, filters
from tokiflow.web.day_columns import Label

PERIODS = (7, 30)
USUAL = 30

PITCH = 100.0
BAR = 72.0
ABOVE = 84.0
"""Pixels for what arrived; the number of the tallest day stands above."""
BELOW = 30.0
FOOT = 22.0
TOP = 24.0
LEAST = 3.0
"""One alert is to be seen beside a thousand."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of `kind` arrived or lost."""

    kind: str
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Day:
    """A line of the table."""

    at: datetime
    sent: int
    lost: int
    lag: float | None


@dataclass(frozen=True, slots=True)
class History:
    """`days` back from now: what is to be said, and drawn. `bars` is empty where nothing was sent."""

    days: int
    said: str
    usually: str
    lost: int
    width: float
    height: float
    base: float
    most: str
    bars: Sequence[Bar]
    labels: Sequence[Label]
    table: Sequence[Day]


def period(text: str) -> int:
    """How many days back an address asks for; the usual for anything else."""
    return int(text) if text in map(str, PERIODS) else USUAL


def of(channel_id: UUID, days: int, now: datetime) -> History:
    """The history of the channel over the last `days` days of the viewer's zone, today included."""
    starts = day_columns.starts(days, now)
    total, each = channel_history.by_day(channel_id, starts)
    most, base = max(one.sent for one in each), TOP + ABOVE
    most_lost = max(one.lost for one in each)
    return History(
        days=days,
        said=_said(total, days),
        usually=_usually(total),
        lost=total.lost,
        width=days * PITCH,
        height=base + (BELOW if most_lost else 0) + FOOT,
        base=base,
        most=filters.number(most),
        bars=[bar for k, one in enumerate(each) for bar in _bars(k, one, max(most, most_lost), most_lost, base)],
        labels=day_columns.labels(starts),
        table=[
            Day(at, one.sent, one.lost, one.lag) for at, one in zip(starts[::-1], each[::-1], strict=True) if one.over
        ],
    )


def _bars(k: int, one: Tally, most: int, most_lost: int, base: float) -> list[Bar]:
    x, found = k * PITCH + (PITCH - BAR) / 2, []
    if one.sent:
        height = max(LEAST, round(ABOVE * one.sent / most, 1))
        found.append(Bar("arrived", x, round(base - height, 1), height))
    if one.lost:
        found.append(Bar("lost", x, base + 2, max(LEAST, round((BELOW - 4) * one.lost / most_lost, 1))))
    return found


def _said(total: Tally, days: int) -> str:
    if not total.over:
        return f"No alert was due here in the last {days} days."
    alerts = filters.count(total.over, "alert")
    if not total.lost:
        share = {1: "The only alert", 2: "Both alerts"}.get(total.over, f"All {alerts}")
        return f"{share} of the last {days} days arrived."
    if total.over == 1:
        return f"The only alert of the last {days} days did not arrive."
    if not total.sent:
        return f"None of the {alerts} of the last {days} days arrived."
    rate = filters.percent(total.sent / total.over)
    return f"{filters.number(total.sent)} of the {alerts} of the last {days} days arrived: {rate}."


def _usually(total: Tally) -> str:
    """The median, as a person would say it."""
    return f"Usually sent {durations.words(total.lag)} after the trouble." if total.lag is not None else ""
