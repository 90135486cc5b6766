"""Calls a day as a small chart: values in, SVG attributes and words out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

PITCH = 4
BAR = 3
HEIGHT = 24


@dataclass(frozen=True, slots=True)
class Usage:
    """One bar a day in a `width` × `height` box, the same in words, and as rows of a table: those days that had any."""

    width: int
    height: int
    path: str
    total: int
    summary: str
    days: tuple[tuple[datetime, int], ...]


def usage(calls: Sequence[int], now: datetime) -> Usage:
    """The chart of `calls`: one number for each day (UTC), oldest first, today's last."""
    most, total = max(calls, default=0), sum(calls)
    bars = [_bar(n, count, most) for n, count in enumerate(calls) if count]
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [(today - timedelta(days=len(calls) - 1 - n), count) for n, count in enumerate(calls)]
    return Usage(
        len(calls) * PITCH,
        HEIGHT,
        "".join(bars),
        total,
        _summary(days, total),
        tuple(d for d in reversed(days) if d[1]),
    )


def _bar(n: int, count: int, most: int) -> str:
    """A day with a single call can be seen beside one with a million."""
    height = round(max(2.0, (HEIGHT - 2) * count / most), 1)
    return f"M{n * PITCH} {HEIGHT - 1}h{BAR}v{-height:g}h-{BAR}z"


def _summary(days: Sequence[tuple[datetime, int]], total: int) -> str:
    if not total:
        return f"No calls in {len(days)} days"
    day, most = max(days, key=lambda one: one[1])
    calls = f"{total:,} call{'' if total == 1 else 's'} in {len(days)} days"
    return f"{calls}; most on {day.day} {day:%b}: {most:,}"
