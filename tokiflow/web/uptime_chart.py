"""Up time by the day: a bar a day, with what of it the monitor was down, and the worst days in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tokiflow.core import durations
from tokiflow.core.health import Uptime
from tokiflow.queries.analytics import DayFigures
from tokiflow.web import filters

DAYS = 90
PITCH = 10.0
GAP = 2.5
HEIGHT = 44.0
LEAST = 7.0
"""A day with a minute of down time is not to look like one without."""
STUB = 4.0
WORST = 5

Kind = Literal["up", "down", "unknown"]


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle: what of a day was `up`, what was `down` (on top), or that nothing was watched."""

    kind: Kind
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Day:
    """A day with down time."""

    words: str
    down: str
    url: str


@dataclass(frozen=True)
class Bars:
    """Bars in a `width` × `height` box, the newest at the right; the worst days; and up time of stretches."""

    width: float
    height: float
    bars: Sequence[Bar]
    first: str
    summary: str
    worst: Sequence[Day]
    figures: Sequence[tuple[str, str, str]]


def of(days: Sequence[DayFigures], url: Callable[[datetime], str]) -> Bars:
    """The last DAYS of `days`, oldest first; `url` leads to the runs of a day."""
    shown = list(days)[-DAYS:]
    first = (DAYS - len(shown)) * PITCH
    down = sorted((day for day in shown if day.uptime.down > 0), key=lambda day: day.uptime.down, reverse=True)
    return Bars(
        DAYS * PITCH,
        HEIGHT,
        [bar for n, day in enumerate(shown) for bar in _bars(day, first + n * PITCH + GAP / 2)],
        f"{shown[0].at.day} {shown[0].at:%b}" if shown else "",
        _summary(shown, len(down)),
        [_day(day, url) for day in down[:WORST]],
        [_figure(f"{count} days" if count > 1 else "Today", shown[-count:]) for count in (1, 7, 30, 90)],
    )


def _bars(day: DayFigures, x: float) -> list[Bar]:
    width, share = PITCH - GAP, day.uptime.share
    if share is None:
        return [Bar("unknown", x, HEIGHT - STUB, width, STUB)]
    if not day.uptime.down:
        return [Bar("up", x, 0, width, HEIGHT)]
    # With a gap between the two, so that it can be read in grey.
    down = HEIGHT if not share else round(min(HEIGHT - LEAST, max(LEAST, HEIGHT * (1 - share))), 1)
    if down == HEIGHT:
        return [Bar("down", x, 0, width, HEIGHT)]
    return [Bar("down", x, 0, width, down), Bar("up", x, down + 2, width, HEIGHT - down - 2)]


def _day(day: DayFigures, url: Callable[[datetime], str]) -> Day:
    return Day(f"{day.at:%a} {day.at.day} {day.at:%b}", durations.words(day.uptime.down), url(day.at))


def joined(days: Sequence[DayFigures]) -> Uptime:
    """Up time of all of `days` together. An outage over midnight counts once for each day that it touches."""
    return Uptime(
        sum(day.uptime.watched for day in days),
        sum(day.uptime.down for day in days),
        sum(day.uptime.outages for day in days),
    )


def _figure(word: str, days: Sequence[DayFigures]) -> tuple[str, str, str]:
    uptime = joined(days)
    said = f"down for {durations.words(uptime.down)}" if uptime.down else ""
    return (word, filters.percent(uptime.share), said if uptime.share is not None else "not watched")


def _summary(days: Sequence[DayFigures], down: int) -> str:
    """`Up time of 90 days: 99.2 %. Down on 3 of them.`"""
    uptime = joined(days)
    head = f"Up time of {filters.count(len(days), 'day')}: {filters.percent(uptime.share)}."
    if uptime.share is None:
        return f"Up time of {filters.count(len(days), 'day')} is not known: nothing was watched."
    return f"{head} Down on {down} of them." if down else f"{head} Never down."
