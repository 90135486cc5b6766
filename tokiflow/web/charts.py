"""The geometry of every chart: values in, small dataclasses of SVG attributes out, no HTML.

Ticks and steps are laid out in pixels; trends in a 1000-wide box that the template stretches, while their words and
dots sit at percentages, so that text keeps its size on a phone. Durations are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tokiflow.core import durations

Outcome = Literal["success", "slow", "failed", "overran", "missed", "running"]

STRIP_HEIGHT = 28.0
STRIP_PITCH = 7.0
STRIP_TICK = 5.0
STRIP_BASE = 23.0
STRIP_TOP = 2.0

TREND_WIDTH = 1000.0
TREND_TOP = 32.0
TREND_LABEL = 36.0
TREND_FOOT = 26.0
AXIS_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)


@dataclass(frozen=True, slots=True)
class Tick:
    """One run as the strip needs it: how it ended and how long it took, if that is known."""

    outcome: Outcome
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle of a strip; `kind` is the outcome and the CSS class."""

    kind: Outcome
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Strip:
    """A run strip: rectangles in a `width` × `height` box, and what it says in words."""

    width: float
    height: float
    base: float
    bars: tuple[Bar, ...]
    summary: str

    @property
    def shapes(self) -> list[tuple[Outcome, str]]:
        """The bars as one path for each kind: a page of fifty strips is a third as long, and as quick to draw."""
        paths: dict[Outcome, list[str]] = {}
        for bar in self.bars:
            box = f"M{bar.x:g} {bar.y:g}h{bar.width:g}v{bar.height:g}h{-bar.width:g}z"
            paths.setdefault(bar.kind, []).append(box)
        return [(kind, "".join(boxes)) for kind, boxes in paths.items()]


def run_strip(ticks: Sequence[Tick], slots: int = 36) -> Strip:
    """The last `slots` of `ticks` (oldest first), the newest at the right edge."""
    shown = list(ticks)[-slots:]
    tallest = max((tick.seconds or 0 for tick in shown if tick.outcome == "success"), default=0) or _longest(shown)
    first = slots - len(shown)
    bars = [bar for k, tick in enumerate(shown) for bar in _bars(tick, (first + k) * STRIP_PITCH + 1, tallest)]
    return Strip(slots * STRIP_PITCH, STRIP_HEIGHT, STRIP_BASE, tuple(bars), _strip_summary(shown))


def _longest(ticks: Iterable[Tick]) -> float:
    return max((tick.seconds or 0 for tick in ticks), default=0)


def _bars(tick: Tick, x: float, tallest: float) -> tuple[Bar, ...]:
    """Each outcome has a form of its own, so that a strip can be read in grey.

    Success stands on the base line. Slow stands to the top with a gap in it. Failed falls through the base line.
    Overran does both. Missed is an outline for the template to dash; running is an outline that is still filling.
    """
    if tick.outcome == "missed":
        return (Bar("missed", x + 0.5, STRIP_TOP + 2.5, STRIP_TICK - 1, STRIP_BASE - STRIP_TOP - 3),)
    top = round(STRIP_BASE - _height(tick, tallest), 1)
    if tick.outcome == "slow":
        gap = STRIP_TOP + 4
        cap = Bar("slow", x, STRIP_TOP, STRIP_TICK, 2.5)
        return (cap, Bar("slow", x, gap, STRIP_TICK, STRIP_BASE - gap))
    if tick.outcome == "failed":
        return (Bar("failed", x, min(top, 14), STRIP_TICK, STRIP_HEIGHT - min(top, 14)),)
    if tick.outcome == "overran":
        return (Bar("overran", x, 0, STRIP_TICK, STRIP_HEIGHT),)
    if tick.outcome == "running":
        return (Bar("running", x + 0.5, top + 0.5, STRIP_TICK - 1, STRIP_BASE - top - 1),)
    return (Bar("success", x, top, STRIP_TICK, round(STRIP_BASE - top, 1)),)


def _height(tick: Tick, tallest: float) -> float:
    """Between 4 px and three quarters of the room: the rest is for what is out of the ordinary."""
    room = (STRIP_BASE - STRIP_TOP) * 0.75
    if not tallest or tick.seconds is None:
        return room * 0.6
    return max(4.0, room * min(1.0, tick.seconds / tallest))


_NOUNS: dict[Outcome, str] = {
    "failed": "failed",
    "missed": "missed",
    "overran": "ran too long",
    "slow": "slower than usual",
    "running": "still running",
}


def _strip_summary(ticks: Sequence[Tick]) -> str:
    """`Last 36 runs: 34 fine, 2 missed. The last one was missed.`"""
    if not ticks:
        return "No runs yet."
    fine = sum(tick.outcome == "success" for tick in ticks)
    counts = [(sum(tick.outcome == kind for tick in ticks), word) for kind, word in _NOUNS.items()]
    odd = [f"{count} {word}" for count, word in counts if count]
    head = "Last run" if len(ticks) == 1 else f"Last {len(ticks)} runs"
    if not odd:
        return f"{head}: {'fine' if len(ticks) == 1 else 'all fine'}."
    newest = _NOUNS.get(ticks[-1].outcome, "fine")
    return f"{head}: {', '.join(([f'{fine} fine'] if fine else []) + odd)}. Newest: {newest}."


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A line without axes in a `width` × `height` box, and its newest point."""

    width: float
    height: float
    path: str
    last_x: float
    last_y: float
    summary: str


def sparkline(seconds: Sequence[float], width: float = 120.0, height: float = 28.0) -> Sparkline | None:
    """Run times, oldest first, from zero up; None with fewer than two of them."""
    if len(seconds) < 2:
        return None
    top, pad = max(seconds) or 1.0, 3.0
    step = (width - 2 * pad) / (len(seconds) - 1)
    points = [(pad + k * step, height - pad - (height - 2 * pad) * value / top) for k, value in enumerate(seconds)]
    middle = sorted(seconds)[len(seconds) // 2]
    summary = (
        f"Run times of {len(seconds)} runs: usually {durations.words(middle)}, last {durations.words(seconds[-1])}."
    )
    return Sparkline(width, height, _path(points), round(points[-1][0], 1), round(points[-1][1], 1), summary)


@dataclass(frozen=True, slots=True)
class Point:
    """One run on a trend; `said` puts words beside it, for the runs that are odd or failed."""

    at: datetime
    seconds: float
    kind: Literal["usual", "odd", "failed"] = "usual"
    said: str = ""


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
    """A point worth a word: `x` in percent across, `y` and `text_y` in pixels down; `anchor` is SVG's text-anchor."""

    x: float
    y: float
    kind: str
    said: str
    anchor: Literal["start", "middle", "end"]
    text_y: float
    newest: bool


@dataclass(frozen=True, slots=True)
class Trend:
    """A chart of run times: paths in a `width` × `height` box, words and dots beside them."""

    width: float
    height: float
    line: str
    band: str
    rows: tuple[Mark, ...]
    columns: tuple[Mark, ...]
    dots: tuple[Dot, ...]
    base: float
    summary: str


@dataclass(frozen=True, slots=True)
class _Plane:
    """Where a moment and a duration land."""

    start: datetime
    span: float
    top: float
    height: float

    def x(self, at: datetime) -> float:
        return TREND_WIDTH * (at - self.start).total_seconds() / self.span

    def y(self, seconds: float) -> float:
        room = self.height - TREND_TOP - TREND_FOOT
        return TREND_TOP + room * (1 - seconds / self.top)


def trend(points: Sequence[Point], band: Sequence[Band] = (), height: float = 200.0) -> Trend | None:
    """Run times over time, oldest first, on a zero base line; None with fewer than two moments."""
    if len(points) < 2 or points[-1].at <= points[0].at:
        return None
    highest = max([point.seconds for point in points] + [edge.high for edge in band])
    step = _axis_step(highest)
    top = max(step, math.ceil(highest / step) * step)
    plane = _Plane(points[0].at, (points[-1].at - points[0].at).total_seconds(), top, height)
    return Trend(
        width=TREND_WIDTH,
        height=height,
        line=_path((plane.x(point.at), plane.y(point.seconds)) for point in points),
        band=_band_path(band, plane),
        rows=tuple(_rows(plane, step)),
        columns=tuple(_columns(points[0].at, points[-1].at)),
        dots=tuple(_dots(points, plane)),
        base=plane.y(0),
        summary=_trend_summary(points),
    )


def _axis_step(highest: float) -> int:
    """The roundest distance that gives at most four grid lines."""
    return next((step for step in AXIS_STEPS if highest / step <= 4), math.ceil(highest / 4))


def _rows(plane: _Plane, step: int) -> Iterable[Mark]:
    for count in range(1, round(plane.top / step) + 1):
        yield Mark(round(plane.y(count * step), 1), durations.words(count * step))


def _columns(start: datetime, end: datetime, count: int = 5) -> Iterable[Mark]:
    """Moments across, labelled with the day, or with the hour where the chart spans two days or less."""
    span = end - start
    for k in range(count):
        at = start + span * k / (count - 1)
        words = f"{at:%H:%M}" if span <= timedelta(days=2) else f"{at.day} {at:%b}"
        yield Mark(round(100 * k / (count - 1), 2), words, spare=k % 2 == 1)


def _dots(points: Sequence[Point], plane: _Plane) -> Iterable[Dot]:
    """Every odd point gets a dot; of their words, the newest stay and older ones that would lie on them go."""
    middle = sorted(point.seconds for point in points)[len(points) // 2]
    odd = [(point, plane.x(point.at) / 10, plane.y(point.seconds)) for point in points if point.kind != "usual"]
    taken: list[tuple[float, float]] = []
    dots: list[Dot] = []
    for point, x, y in reversed(odd):
        text_y = _text_y(x, y, point.seconds >= middle, [(other_x, other_y) for _, other_x, other_y in odd])
        free = all(abs(x - other_x) > TREND_LABEL or abs(text_y - other_y) > 16 for other_x, other_y in taken)
        said = point.said if free else ""
        newest = bool(said and not taken)
        dots.append(Dot(round(x, 2), round(y, 1), point.kind, said, _anchor(x), round(text_y, 1), newest))
        if said:
            taken.append((x, text_y))
    return reversed(dots)


def _text_y(x: float, y: float, is_peak: bool, dots: Sequence[tuple[float, float]]) -> float:
    """Words stand where the line does not go: above a peak and above the dots they would cover, below a dip."""
    if not is_peak:
        return y + 20
    near = [other_y for other_x, other_y in dots if abs(x - other_x) < TREND_LABEL]
    covered = [other_y for other_y in near if abs(other_y - (y - 16)) < 14]
    return min([y, *covered]) - 12


def _anchor(x: float) -> Literal["start", "middle", "end"]:
    """Words never leave the chart: those near an edge lean away from it."""
    if x < TREND_LABEL / 2:
        return "start"
    return "end" if x > 100 - TREND_LABEL / 2 else "middle"


def _band_path(band: Sequence[Band], plane: _Plane) -> str:
    if len(band) < 2:
        return ""
    upper = [(plane.x(edge.at), plane.y(edge.high)) for edge in band]
    lower = [(plane.x(edge.at), plane.y(max(0.0, edge.low))) for edge in reversed(band)]
    return _path(upper + lower) + "Z"


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _trend_summary(points: Sequence[Point]) -> str:
    """The chart in words: how many runs, what is usual, what was odd and when."""
    usual = sorted(point.seconds for point in points)[len(points) // 2]
    days = max(1, round((points[-1].at - points[0].at).total_seconds() / 86400))
    head = f"{len(points)} runs over {days} day{'s' if days > 1 else ''}, usually {durations.words(usual)}."
    said = [f"{point.at.day} {point.at:%b}: {point.said}." for point in points if point.said]
    return " ".join([head, *said[-5:]])


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `done` of 100, with cuts where one step ends and the next begins, and its words."""

    done: float
    cuts: tuple[float, ...]
    words: str


def progress(percent: float | None, step: int | None = None, total: int | None = None, name: str = "") -> Progress:
    """From what `/log` told: a percentage, or step n of total, which alone means that n − 1 steps are done."""
    if percent is None:
        percent = 100 * (step - 1) / total if step and total else 0
    done = round(min(100.0, max(0.0, percent)), 1)
    cuts = tuple(round(100 * k / total, 2) for k in range(1, total)) if total and total <= 40 else ()
    where = f"step {step} of {total}" if step and total else ""
    words = ", ".join(filter(None, [f"{done:g} %", f"{where}: {name}" if where and name else where or name]))
    return Progress(done, cuts, words)
