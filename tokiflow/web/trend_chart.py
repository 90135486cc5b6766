"""The geometry of a trend: run times over time, with what is normal as a band and words on what is odd.

Lines are laid out in a 1000-wide box that the template stretches, while words and marks sit at percentages, so that
text keeps its size on a phone. Durations are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Literal

from tokiflow.core import durations
from tokiflow.web import charts

WIDTH = 1000.0
TOP = 32.0
FOOT = 26.0
LABEL = 36.0
"""Percent across that words take up."""
TRIED = 40
"""Of so many odd points, the newest, words are tried."""
WORDED = 4
LONGEST = 48
"""So many have words beside them, of so many letters at most; the table has them all."""
CROWDED = 36
"""Beyond so many marks they are drawn smaller."""
GAP = 12
"""A line is interrupted where so many usual distances lie between two runs, and a tenth of the chart."""

STEPS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800),
)

Kind = Literal["usual", "odd", "failed", "missed"]


@dataclass(frozen=True, slots=True)
class Point:
    """One run, or several together, on a trend; `said` puts words beside it, for what is odd, failed or missed.

    `seconds` is None where nobody knows; `low` and `high` are the shortest and longest of several.
    """

    at: datetime
    seconds: float | None
    kind: Kind = "usual"
    said: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """What is normal at a moment: from `low` to `high` seconds."""

    at: datetime
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A grid line or a tick of the axis: a place (pixels down, or percent across) and its words."""

    place: float
    words: str
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    """A point worth a word: `x` in percent across, `y` and `text_y` in pixels down; `anchor` is SVG's text-anchor.

    `title` is what hovering tells, whether there is room for `said` or not.
    """

    x: float
    y: float
    kind: str
    said: str
    title: str
    anchor: Literal["start", "middle", "end"]
    text_y: float
    newest: bool


@dataclass(frozen=True, slots=True)
class Trend:
    """A chart of run times: paths in a `width` × `height` box, words and marks beside them."""

    width: float
    height: float
    line: str
    range: str
    band: str
    rows: tuple[Mark, ...]
    columns: tuple[Mark, ...]
    dots: tuple[Dot, ...]
    base: float
    summary: str

    @property
    def crowded(self) -> bool:
        """Whether there are so many marks that they had better be small."""
        return len(self.dots) > CROWDED


@dataclass(frozen=True, slots=True)
class _Plane:
    """Where a moment and a duration land."""

    start: datetime
    span: float
    top: float
    height: float

    def x(self, at: datetime) -> float:
        return WIDTH * min(1.0, max(0.0, (at - self.start).total_seconds() / self.span))

    def y(self, seconds: float) -> float:
        room = self.height - TOP - FOOT
        return TOP + room * (1 - min(1.0, max(0.0, seconds / self.top)))


def trend(
    points: Sequence[Point],
    band: Sequence[Band] = (),
    until: datetime | None = None,
    what: str = "runs",
    height: float = 200.0,
) -> Trend | None:
    """Run times, oldest first, on a zero base line, from the first up to `until` or the last; None where there are not
    two moments, or no run tells how long it took. `what` is what the points are."""
    timed = [point for point in points if point.seconds is not None]
    end = max(until or points[-1].at, points[-1].at) if points else None
    if len(points) < 2 or end is None or not timed or points[-1].at <= points[0].at:
        return None
    known = [edge for edge in band if points[0].at <= edge.at <= end]
    longest = max(point.high or point.seconds or 0 for point in timed)
    # A limit far beyond every run would press them flat: the band may take half of the room at most.
    highest = max([longest, *(min(edge.high, 2 * longest) for edge in known)])
    step = _axis_step(highest)
    top = max(step, math.ceil(round(highest / step, 9)) * step)
    plane = _Plane(points[0].at, (end - points[0].at).total_seconds(), top, height)
    return Trend(
        width=WIDTH,
        height=height,
        line=_line(timed, plane),
        range=_range(timed, plane),
        band=charts.area([((plane.x(e.at), plane.y(e.low)), (plane.x(e.at), plane.y(e.high))) for e in known]),
        rows=tuple(_rows(plane, step)),
        columns=tuple(_columns(points[0].at, end)),
        dots=tuple(_dots(points, plane)),
        base=plane.y(0),
        summary=_summary(points, what),
    )


def _axis_step(highest: float) -> float:
    """The roundest distance that gives at most four grid lines."""
    return next((step for step in STEPS if highest / step <= 4), math.ceil(highest / 4))


def _rows(plane: _Plane, step: float) -> Iterable[Mark]:
    for count in range(1, round(plane.top / step) + 1):
        # A hair more, so that three tenths, which a computer cannot write, are not rounded down to two.
        yield Mark(round(plane.y(count * step), 1), durations.words(count * step * (1 + 1e-9)))


def _columns(start: datetime, end: datetime, count: int = 5) -> Iterable[Mark]:
    """Moments across, labelled with the day, or with the hour where the chart spans two days or less."""
    span = end - start
    for k in range(count):
        at = start + span * k / (count - 1)
        clock = f"{at:%H:%M:%S}" if span <= timedelta(minutes=8) else f"{at:%H:%M}"
        words = clock if span <= timedelta(days=2) else f"{at.day} {at:%b}"
        yield Mark(round(100 * k / (count - 1), 2), words, spare=k % 2 == 1)


def _line(timed: Sequence[Point], plane: _Plane) -> str:
    """Through the runs that ended well; what failed halfway says nothing about how long the job takes. A point that
    stands for several tells the time of those that did."""
    good = [point for point in timed if point.kind in ("usual", "odd") or point.low is not None]
    if not good:
        return ""
    gaps = [(after.at - before.at).total_seconds() for before, after in pairwise(good)]
    widest = max(GAP * median(gaps), plane.span / 10) if gaps else 0
    parts: list[list[Point]] = [[good[0]]]
    for gap, point in zip(gaps, good[1:], strict=True):
        if gap > widest:
            parts.append([])
        parts[-1].append(point)
    # One run between two gaps is a short stroke: a line of no length is not drawn by every browser.
    return "".join(charts.path(_places(part, plane)) + ("h.1" if len(part) == 1 else "") for part in parts)


def _places(part: Sequence[Point], plane: _Plane) -> list[tuple[float, float]]:
    return [(plane.x(point.at), plane.y(point.seconds or 0)) for point in part]


def _range(timed: Sequence[Point], plane: _Plane) -> str:
    """From the shortest to the longest, where a point stands for several runs."""
    return "".join(
        f"M{plane.x(point.at):.1f} {plane.y(point.low):.1f}V{plane.y(point.high):.1f}"
        for point in timed
        if point.low is not None and point.high is not None and point.high > point.low
    )


def _dots(points: Sequence[Point], plane: _Plane) -> list[Dot]:
    """Every odd point gets a mark, and a few of them their words."""
    known = [point.seconds for point in points if point.seconds is not None]
    middle = sorted(known)[len(known) // 2]
    odd = [(point, plane.x(point.at) / 10, plane.y(point.seconds or 0)) for point in points if point.kind != "usual"]
    worded = _worded(odd, middle)
    newest = max(worded, default=None)
    return [
        Dot(
            round(x, 2),
            round(y, 1),
            point.kind,
            _beside(point.said) if n in worded else "",
            f"{_moment(point.at)}: {point.said}" if point.said else _moment(point.at),
            _anchor(x),
            round(worded.get(n, y), 1),
            n == newest,
        )
        for n, (point, x, y) in enumerate(odd)
    ]


def _worded(odd: Sequence[tuple[Point, float, float]], middle: float) -> dict[int, float]:
    """Which of them have their words beside them, and how far down: first what was unlike the usual, then what failed,
    the newest first, and none that would lie on another."""
    places = [(x, y) for _, x, y in odd[-TRIED:]]
    by_weight = sorted(range(max(0, len(odd) - TRIED), len(odd)), key=lambda n: (odd[n][0].kind != "odd", -n))
    found: dict[int, float] = {}
    for n in by_weight:
        point, x, y = odd[n]
        text_y = _text_y(x, y, point.seconds is None or point.seconds >= middle, places)
        free = all(abs(x - odd[k][1]) > LABEL or abs(text_y - other) > 16 for k, other in found.items())
        if free and 0 < len(_beside(point.said)) <= LONGEST and len(found) < WORDED:
            found[n] = text_y
    return found


def _beside(said: str) -> str:
    """The words as they stand beside a point, where its height tells that it is a time and how far off it is."""
    return said.removeprefix("took ").partition(" (z =")[0]


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%b, %H:%M}"


def _text_y(x: float, y: float, is_peak: bool, dots: Sequence[tuple[float, float]]) -> float:
    """Words stand where the line does not go: above a peak and above the dots they would cover, below a dip."""
    if not is_peak:
        return y + 20 if y + 20 < 170 else y - 12
    near = [other_y for other_x, other_y in dots if abs(x - other_x) < LABEL]
    covered = [other_y for other_y in near if abs(other_y - (y - 16)) < 14]
    return min([y, *covered]) - 12


def _anchor(x: float) -> Literal["start", "middle", "end"]:
    """Words never leave the chart: those near an edge lean away from it."""
    if x < LABEL / 2:
        return "start"
    return "end" if x > 100 - LABEL / 2 else "middle"


def _summary(points: Sequence[Point], what: str) -> str:
    """The chart in words: over how long, what is usual, what was odd and when."""
    known = sorted(point.seconds for point in points if point.seconds is not None and point.kind != "failed")
    days = max(1, round((points[-1].at - points[0].at).total_seconds() / 86400))
    usual = f", usually {durations.words(known[len(known) // 2])}" if known else ""
    head = f"{len(points)} {what} over {days} day{'s' if days > 1 else ''}{usual}."
    said = [f"{point.at.day} {point.at:%b}: {point.said}." for point in points if point.said]
    return " ".join([head, *said[-5:]])
