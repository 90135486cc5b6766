"""Incidents opened per day, stacked by severity: an SVG's attributes, words, and a table; and how fast they end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tokiflow.queries.incident_tallies import Tally
from tokiflow.web import day_columns, filters, worse
from tokiflow.web.day_columns import Label

DAYS = 30
PITCH, BAR = 20.0, 15.0
TOP, ROOM, FOOT = 20.0, 96.0, 24.0
LEAST = 3.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle: `kind` is critical or warning."""

    kind: str
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Day:
    """What opened on a day."""

    day: date
    words: str
    critical: int
    warning: int


@dataclass(frozen=True, slots=True)
class Trend:
    """`days` are all thirty, oldest first; `bars` is empty where nothing opened."""

    width: float
    height: float
    base: float
    most: int
    bars: Sequence[Bar]
    labels: Sequence[Label]
    days: Sequence[Day]
    critical: int
    warning: int
    summary: str
    compared: str
    recovery: str


def starts(now: datetime) -> tuple[datetime, datetime]:
    """The midnights (of the viewer) at which the thirty days begin, and the thirty before."""
    found = day_columns.starts(2 * DAYS, now)
    return found[DAYS], found[0]


def of(tallies: Sequence[Tally], now: datetime) -> Trend:
    """The trend of the last thirty days, today included; `tallies` reach back sixty."""
    begin = day_columns.starts(DAYS, now)
    since = begin[0].date()
    lately, earlier = [one for one in tallies if one.day >= since], [one for one in tallies if one.day < since]
    days = [_day(at.date(), lately) for at in begin]
    most = max(one.critical + one.warning for one in days)
    critical, warning = sum(one.critical for one in days), sum(one.warning for one in days)
    base = TOP + ROOM
    return Trend(
        width=DAYS * PITCH,
        height=base + FOOT,
        base=base,
        most=most,
        bars=[bar for n, one in enumerate(days) for bar in _bars(n, one, most, base)],
        labels=day_columns.labels(begin),
        days=days,
        critical=critical,
        warning=warning,
        summary=_summary(days, critical, warning),
        compared=_compared(critical + warning, sum(one.opened for one in earlier)),
        recovery=_recovery(lately, earlier),
    )


def _day(day: date, tallies: Iterable[Tally]) -> Day:
    mine = [one for one in tallies if one.day == day]
    critical = sum(one.opened for one in mine if one.critical)
    return Day(day, day_columns.words(day), critical, sum(one.opened for one in mine) - critical)


def _bars(n: int, one: Day, most: int, base: float) -> list[Bar]:
    """Outages stand on the base line, warnings on them."""
    x, top, found = n * PITCH + (PITCH - BAR) / 2, base, []
    for kind, count in (("critical", one.critical), ("warning", one.warning)):
        if count:
            height = max(LEAST, round(ROOM * count / most, 1))
            top = round(top - height, 1)
            found.append(Bar(kind, x, top, height - (1 if kind == "warning" and one.critical else 0)))
    return found


def _summary(days: Sequence[Day], critical: int, warning: int) -> str:
    if not critical + warning:
        return f"No incident opened in {DAYS} days."
    worst = max(days, key=lambda one: one.critical + one.warning)
    said = [f"{filters.number(critical)} critical"] if critical else []
    said += [filters.count(warning, "warning")] if warning else []
    every = filters.count(critical + warning, "incident")
    return f"{every} in {DAYS} days, {' and '.join(said)}; most on {worst.words}: {worst.critical + worst.warning}."


def _compared(lately: int, earlier: int) -> str:
    """Against the thirty days before."""
    if not earlier:
        return "None in the 30 days before." if lately else ""
    if lately == earlier:
        return "As many as in the 30 days before."
    return f"{filters.number(earlier)} in the 30 days before."


def _recovery(lately: Iterable[Tally], earlier: Iterable[Tally]) -> str:
    """How long critical ones last until they are resolved, against the time before."""
    now, was = _mean(lately), _mean(earlier)
    if now is None:
        return ""
    said = f"A critical one is resolved after {worse.rough(now)} on average"
    return f"{said}; in the 30 days before it took {worse.rough(was)}." if was is not None else f"{said}."


def _mean(tallies: Iterable[Tally]) -> float | None:
    mine = [one for one in tallies if one.critical]
    resolved = sum(one.resolved for one in mine)
    return sum(one.seconds for one in mine) / resolved if resolved else None
