"""A year of days as a table: a column a week, a row a weekday, and in each cell how the day went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tokiflow.queries.analytics import DayFigures
from tokiflow.web import filters

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SOME = 0.1
"""Up to this share of bad runs a day is `some`, beyond it `many`."""

Kind = Literal["none", "fine", "some", "many", "all"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A day (UTC). `mark` is what stands in its cell, so that it reads in grey; `said` is the day in a sentence."""

    kind: Kind
    mark: str
    said: str
    url: str
    newest: bool


@dataclass(frozen=True, slots=True)
class Month:
    """The head of so many weeks."""

    words: str
    title: str
    weeks: int


@dataclass(frozen=True)
class Year:
    """Seven rows of cells, None where there is no day, and the heads above them."""

    months: Sequence[Month]
    rows: Sequence[tuple[str, Sequence[Cell | None]]]
    summary: str


def of(days: Sequence[DayFigures], url: Callable[[datetime], str]) -> Year | None:
    """`days`, oldest first and none left out, as weeks that begin on Monday; `url` leads to the runs of a day."""
    if not days:
        return None
    cells: list[Cell | None] = [None] * days[0].at.weekday()
    newest = next((day for day in reversed(days) if day.counts.expected), None)
    cells += [_cell(day, url, day is newest) for day in days]
    cells += [None] * (-len(cells) % 7)
    rows = [(name, cells[n::7]) for n, name in enumerate(WEEKDAYS)]
    return Year(list(_months(days)), rows, _summary(days))


def _cell(day: DayFigures, url: Callable[[datetime], str], newest: bool) -> Cell:
    bad = day.counts.expected - day.counts.succeeded
    kind = _kind(bad, day.counts.expected)
    return Cell(kind, _mark(kind, bad), _said(day), url(day.at) if day.counts.expected else "", newest)


def _kind(bad: int, expected: int) -> Kind:
    if not expected:
        return "none"
    if not bad:
        return "fine"
    if bad == expected:
        return "all"
    return "some" if bad <= SOME * expected else "many"


def _mark(kind: Kind, bad: int) -> str:
    """Nothing for a day without runs, a dot for a good one, a cross where nothing went well, else how many did not."""
    if kind in ("some", "many"):
        return str(bad) if bad < 100 else "··"
    return {"none": "", "fine": "", "all": "×"}[kind]


def _said(day: DayFigures) -> str:
    """`Fri 20 Nov 2026: 22 of 24 runs succeeded, 1 failed, 1 missed`."""
    counts, date = day.counts, f"{day.at:%a} {day.at.day} {day.at:%b %Y}"
    if not counts.expected:
        return f"{date}: no runs"
    odd = [(counts.failed, "failed"), (counts.overran, "ran too long"), (counts.missed, "missed")]
    head = f"{counts.succeeded:,} of {filters.count(counts.expected, 'run')} succeeded"
    return ", ".join([f"{date}: {head}", *(f"{number:,} {word}" for number, word in odd if number)])


def _months(days: Sequence[DayFigures]) -> Iterable[Month]:
    """A head over each run of weeks whose Monday is of that month; one over a single week has no room for words."""
    first = days[0].at - timedelta(days=days[0].at.weekday())
    weeks = (days[-1].at - first).days // 7 + 1
    mondays = [first + timedelta(weeks=n) for n in range(weeks)]
    start = 0
    for n in range(1, weeks + 1):
        if n == weeks or mondays[n].month != mondays[start].month:
            month = mondays[start]
            yield Month(f"{month:%b}" if n - start > 1 else "", f"{month:%B %Y}", n - start)
            start = n


def _summary(days: Sequence[DayFigures]) -> str:
    """`On 341 of 352 days with runs everything went well.`"""
    ran = [day for day in days if day.counts.expected]
    fine = sum(day.counts.succeeded == day.counts.expected for day in ran)
    if not ran:
        return "No runs in this year yet."
    if fine == len(ran):
        return f"Everything went well on {f'all {fine} days' if fine > 1 else 'the one day'} with runs."
    return f"Everything went well on {fine:,} of {filters.count(len(ran), 'day')} with runs."
