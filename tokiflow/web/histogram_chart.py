"""The geometry of a histogram of run times, with its percentiles marked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tokiflow.core import durations
from tokiflow.core.histogram import Bar

WIDTH = 1000.0
HEIGHT = 190.0
TOP = 58.0
BASE = 166.0
LEAST = 2.0
"""A single run among thousands is still seen."""
GAP = 0.12
FEW = 12
"""Bars are never wider than if there were so many."""
LINE = 17.0
"""Pixels between two lines of words."""
_MIDDLE: Literal["middle"] = "middle"
LABEL = 18.0
"""Percent across that a percentile's words take up."""


@dataclass(frozen=True, slots=True)
class Column:
    """One bar, in a box that is stretched; `title` is what hovering tells."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A percentile: `x` in percent across, its words at `y`, pixels down."""

    x: float
    y: float
    words: str
    anchor: Literal["start", "end"]


@dataclass(frozen=True, slots=True)
class Edge:
    """A run time below the bars: `x` in percent across."""

    x: float
    words: str
    anchor: Literal["start", "middle", "end"]
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars in a `width` × `height` box, and words beside them."""

    width: float
    height: float
    base: float
    top: float
    columns: tuple[Column, ...]
    marks: tuple[Mark, ...]
    edges: tuple[Edge, ...]
    summary: str


def of(bars: Sequence[Bar], percentiles: Sequence[tuple[str, float | None]]) -> Histogram | None:
    """The bars side by side, each as wide as the next, and `percentiles` (word, seconds) where they fall.

    From bar to bar times grow by the same factor. None without a run.
    """
    most = max((bar.count for bar in bars), default=0)
    if not most:
        return None
    slots, first = _slots(bars)
    pitch = WIDTH / slots
    known = [(word, seconds) for word, seconds in percentiles if seconds is not None]
    return Histogram(
        WIDTH,
        HEIGHT,
        BASE,
        TOP,
        tuple(_column(bar, (first + k) * pitch, pitch, most) for k, bar in enumerate(bars) if bar.count),
        tuple(_marks(bars, known)),
        tuple(_edges(bars)),
        _summary(bars, known),
    )


def _slots(bars: Sequence[Bar]) -> tuple[int, float]:
    """How many bars there is room for, and how many of them are left free on the left: a few stay in the middle."""
    slots = max(FEW, len(bars))
    return slots, (slots - len(bars)) / 2


def _column(bar: Bar, x: float, pitch: float, most: int) -> Column:
    height = max(LEAST, (BASE - TOP) * bar.count / most)
    runs = f"{bar.count:,} run{'' if bar.count == 1 else 's'}"
    return Column(
        round(x + pitch * GAP / 2, 2), round(BASE - height, 2), round(pitch * (1 - GAP), 2), round(height, 2),
        f"{_from_to(bar)}: {runs}",
    )  # fmt: skip


def _from_to(bar: Bar, to: str = " to ") -> str:
    low, high = durations.words(bar.low), durations.words(bar.high)
    if not bar.high:
        return "less than 1 ms"
    return low if low == high else f"{low}{to}{high}"


def _marks(bars: Sequence[Bar], percentiles: Iterable[tuple[str, float]]) -> Iterable[Mark]:
    """Each on a line of its own where it would lie on another: the lower percentile stands higher up."""
    for n, (word, seconds) in enumerate(percentiles):
        x = round(100 * _place(bars, seconds), 2)
        yield Mark(x, 14 + LINE * n, f"{word} {durations.words(seconds)}", "end" if x > 100 - LABEL else "start")


def _place(bars: Sequence[Bar], seconds: float) -> float:
    """0–1 across."""
    slots, first = _slots(bars)
    k = next((k for k, bar in enumerate(bars) if seconds <= bar.high), len(bars) - 1)
    return (first + k + min(1.0, max(0.0, _within(bars[k], seconds)))) / slots


def _within(bar: Bar, seconds: float) -> float:
    if bar.low <= 0 or bar.high <= bar.low or seconds <= 0:
        return 0.5
    return math.log(seconds / bar.low) / math.log(bar.high / bar.low)


def _edges(bars: Sequence[Bar], most: int = 5) -> Iterable[Edge]:
    """The ends, and a few between them; never the same words twice."""
    count = min(most, len(bars) + 1)
    slots, first = _slots(bars)
    told: set[str] = set()
    for k in range(count):
        at = round(k * len(bars) / (count - 1)) if count > 1 else 0
        seconds = bars[at].low if at < len(bars) else bars[-1].high
        words = durations.words(seconds)
        if words not in told:
            told.add(words)
            leans: Literal["start", "end"] = "start" if k == 0 else "end"
            anchor = leans if not first and k in (0, count - 1) else _MIDDLE
            yield Edge(round(100 * (first + at) / slots, 2), words, anchor, spare=k % 2 == 1)


def _summary(bars: Sequence[Bar], percentiles: Sequence[tuple[str, float]]) -> str:
    """`1,204 runs between 2 m and 5 m 18 s, most often 3 m to 3 m 10 s; p50 3 m 12 s.`"""
    runs = sum(bar.count for bar in bars)
    often = max(bars, key=lambda bar: bar.count)
    marks = ", ".join(f"{word} {durations.words(seconds)}" for word, seconds in percentiles)
    head = f"{runs:,} run{'' if runs == 1 else 's'} between {_from_to(Bar(bars[0].low, bars[-1].high, 0), ' and ')}"
    return f"{head}, most often {_from_to(often)}; {marks}."
