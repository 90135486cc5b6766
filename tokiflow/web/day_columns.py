"""The latest days of whoever looks, side by side: what charts with a column for each day have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from tokiflow.web import filters


@dataclass(frozen=True, slots=True)
class Label:
    """Words below a chart, `x` in percent across."""

    x: float
    words: str
    anchor: str


def starts(days: int, now: datetime) -> list[datetime]:
    """The midnights at which they begin, the earliest first; today is the last of them."""
    zone = filters.viewer().zone
    today = now.astimezone(zone).date()
    return [datetime.combine(today - timedelta(days=k), time(), zone) for k in range(days - 1, -1, -1)]


def labels(starts: Sequence[datetime]) -> list[Label]:
    """The first, the middle and the last of these days, each below its column."""
    middle = len(starts) // 2
    return [
        Label(0, words(starts[0]), "start"),
        Label(round(100 * (middle + 0.5) / len(starts), 1), words(starts[middle]), "middle"),
        Label(100, "today", "end"),
    ]


def words(day: date) -> str:
    """`21 Nov`"""
    return f"{day.day} {day:%b}"
