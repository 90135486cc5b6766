"""The geometry of the small charts: values in, small dataclasses of SVG attributes out, no HTML.

Durations are seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tokiflow.core import durations

Outcome = Literal["success", "unusual", "failed", "overran", "missed", "running"]

STRIP_HEIGHT = 28.0
STRIP_PITCH = 7.0
STRIP_TICK = 5.0
STRIP_BASE = 23.0
STRIP_TOP = 2.0

ADDED_UP = 1e300
"""Larger numbers of a job's own are drawn in parts of the largest: a few of them added up are more than can be told."""


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

    Success stands on the base line, and unusual too, with a dot above it. Failed falls through the base line. Overran
    does both. Missed is an outline for the template to dash; running is an outline that is still filling.
    """
    if tick.outcome == "missed":
        return (Bar("missed", x + 0.5, STRIP_TOP + 2.5, STRIP_TICK - 1, STRIP_BASE - STRIP_TOP - 3),)
    top = round(STRIP_BASE - _height(tick, tallest), 1)
    if tick.outcome == "unusual":
        dot = Bar("unusual", x, round(top - 4, 1), STRIP_TICK, 2.5)
        return (dot, Bar("unusual", x, top, STRIP_TICK, round(STRIP_BASE - top, 1)))
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
    "unusual": "unlike the usual",
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
    """A line without axes in a `width` × `height` box, its newest point, what is normal, and the odd points on it."""

    width: float
    height: float
    path: str
    last_x: float
    last_y: float
    summary: str
    band: str = ""
    odd: tuple[tuple[float, float], ...] = ()


def sparkline(
    values: Sequence[float],
    width: float = 120.0,
    height: float = 28.0,
    band: Sequence[tuple[float, float] | None] = (),
    odd: Collection[int] = (),
) -> Sparkline | None:
    """Numbers, oldest first, from zero up (or from the lowest, if that is below); None with fewer than two of them.

    `band` has what was normal at each of them, or None; `odd` are the places of those that were unlike the usual.
    """
    if len(values) < 2:
        return None
    summary, largest = _spark_summary(values), max(map(abs, values))
    if largest > ADDED_UP:
        values = [value / largest for value in values]
        band = [edge and (edge[0] / largest, edge[1] / largest) for edge in band]
    # A limit far beyond every value would press the line flat: it may take half of the room at most.
    edges = [edge for edge in band if edge]
    highest, floor = max(values), min(0.0, min(values))
    top = max(highest, min(max((high for _, high in edges), default=highest), floor + 2 * (highest - floor)))
    scale, pad = (top - floor) or 1.0, 3.0
    step = (width - 2 * pad) / (len(values) - 1)

    def point(k: int, value: float) -> tuple[float, float]:
        return pad + k * step, height - pad - (height - 2 * pad) * (min(max(value, floor), top) - floor) / scale

    line = [point(k, value) for k, value in enumerate(values)]
    return Sparkline(
        width,
        height,
        path(line),
        round(line[-1][0], 1),
        round(line[-1][1], 1),
        summary,
        area([(point(k, edge[0]), point(k, edge[1])) for k, edge in enumerate(band) if edge]),
        tuple((round(line[k][0], 1), round(line[k][1], 1)) for k in sorted(odd)),
    )


def _spark_summary(seconds: Sequence[float]) -> str:
    middle = sorted(seconds)[len(seconds) // 2]
    return f"Run times of {len(seconds)} runs: usually {durations.words(middle)}, last {durations.words(seconds[-1])}."


def path(points: Iterable[tuple[float, float]]) -> str:
    """A line through them, as SVG writes it."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def area(edges: Sequence[tuple[tuple[float, float], tuple[float, float]]]) -> str:
    """What lies between the lower and the upper of each pair of points, as a path; empty for fewer than two pairs."""
    if len(edges) < 2:
        return ""
    return path([upper for _, upper in edges] + [lower for lower, _ in reversed(edges)]) + "Z"


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
