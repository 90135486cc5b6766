"""Days side by side, as a report draws them: how much of each was down, and that even a little is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tokiflow.core import durations, reports
from tokiflow.core.health import Uptime

MANY = 62
"""Up to so many days have a bar each; more are drawn by the week."""
STEP = 10


@dataclass(frozen=True, slots=True)
class Bars:
    """Paths by kind, in a box of `width` × `height`, and the same in words."""

    width: int
    height: int
    shapes: Sequence[tuple[str, str]]
    summary: str


def of(days: Sequence[Uptime], dates: Sequence[date], height: int = 22, least: float = 0.3, gap: int = 3) -> Bars:
    """A bar for each day: its down time below, at least `least` of it; a line where nothing was watched."""
    drawn = list(reports.weeks(days, 7)) if len(days) > MANY else days
    paths: dict[str, list[str]] = {"up": [], "down": [], "none": []}
    for n, one in enumerate(drawn):
        x, wide = n * STEP, STEP - gap
        if one.watched <= 0:
            paths["none"].append(f"M{x} {height - 1}h{wide}v1h-{wide}z")
            continue
        dark = 0 if one.down <= 0 else max(round(least * height), round(min(one.down / one.watched, 1) * height))
        if dark < height:
            paths["up"].append(f"M{x} 0h{wide}v{height - dark}h-{wide}z")
        if dark:
            paths["down"].append(f"M{x} {height - dark}h{wide}v{dark}h-{wide}z")
    shapes = [(kind, "".join(some)) for kind, some in paths.items() if some]
    return Bars(max(len(drawn) * STEP - gap, 1), height, shapes, _said(days, dates))


def short(day: date) -> str:
    """`Sun 18 Oct`."""
    return f"{day:%a} {day.day} {day:%b}"


def _said(days: Sequence[Uptime], dates: Sequence[date]) -> str:
    down = [(day, one) for day, one in zip(dates, days, strict=True) if one.down > 0]
    if not any(one.watched > 0 for one in days):
        return "Not watched on any of these days."
    if not down:
        return f"Never down in {len(days)} days." if len(days) > 1 else "Never down that day."
    told = [f"{day.day} {day:%b} for {durations.words(one.down)}" for day, one in down[:5]]
    more = f" and {len(down) - 5} more" if len(down) > 5 else ""
    return f"Down on {len(down)} of {len(days)} days: {', '.join(told)}{more}."
