"""The notebooks of monitors that are to be judged: what is known of each, and the runs that have finished since.

A baseline that can't be read, or that has seen nothing yet, is learnt anew from the kept runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row

from tokiflow.core import schedule
from tokiflow.core.judgement import LATE, Found, Notebook, Said, period_for
from tokiflow.core.schedule import zones
from tokiflow.core.sensitivity import Sensitivity
from tokiflow.core.signals import Signal
from tokiflow.queries import downtime
from tokiflow.services import baseline_rows, monitor_rows, timeline
from tokiflow.services.verdicts import Cause

log = structlog.get_logger()

REPLAYS = 20
"""So many monitors at once may have to be learnt anew from their kept runs, a tenth of a second each."""
STILL_NEWS = timedelta(hours=1)
"""What a monitor's runs did before, when it is judged for the first time, is known and not told."""
_FOREVER = datetime.max.replace(tzinfo=UTC)
_AFTER_NEVER = baseline_rows.NEVER + timedelta(seconds=1)


@dataclass
class Page:
    """One monitor while it is judged: `row` is its monitor and its baseline, `runs` what has finished, in order."""

    row: Row[Any]
    notebook: Notebook
    judged_count: int
    calm: int
    runs: Sequence[Row[Any]] = ()
    told_since: datetime = baseline_rows.NEVER
    found: list[tuple[Row[Any], Found]] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    shifts: list[Found] = field(default_factory=list)

    @property
    def judged_until(self) -> datetime:
        """When the last run finished that has been judged by now."""
        latest: datetime = max([self.row.judged_until, _AFTER_NEVER, *(run.finished_at for run in self.runs)])
        return latest

    def ends_a_period(self, now: datetime) -> datetime | None:
        """Since when the runs of a period are counted that is over now, or by the last run; None if none is."""
        book = self.notebook
        last = max([now - LATE, *(run.finished_at for run in self.runs)])
        begun = book.count.since if book.count else min((run.finished_at for run in self.runs), default=last)
        return begun if book.period and begun + book.period <= last else None


def read(rows: Sequence[Row[Any]], now: datetime, *, tell: bool) -> list[Page]:
    """A page of each of `rows` (baseline_rows.claim), but for those that are learnt anew and are too many at once."""
    known, anew = _read(rows)
    pages = _with_new_runs(known) + _with_kept_runs(anew[:REPLAYS], now if tell else None)
    _with_times_apart(pages, now)
    return pages


def _read(rows: Iterable[Row[Any]]) -> tuple[list[Page], list[Page]]:
    """Those whose baseline can be read, and those that are to be learnt anew from their runs."""
    known: list[Page] = []
    anew: list[Page] = []
    for row in rows:
        page = Page(row, _notebook(row), row.judged_count, row.calm)
        try:
            page.notebook.read(row.measures)
        except ValueError as error:
            log.warning("baseline_unreadable", monitor=str(row.id), error=str(error))
            page.notebook = _notebook(row)
            anew.append(page)
        else:
            (anew if row.judged_until == baseline_rows.NEVER else known).append(page)
    return known, anew


def _notebook(row: Row[Any]) -> Notebook:
    rules = monitor_rows.rules(row)
    return Notebook(
        Sensitivity(row.sensitivity),
        row.capture_output,
        period_for(schedule.period_seconds(rules.schedule, row.updated_at)),
        schedule.describe(rules.schedule),
        zones.zone(row.schedule_timezone) if zones.exists(row.schedule_timezone) else UTC,
    )


def _with_new_runs(pages: list[Page]) -> list[Page]:
    if not pages:
        return []
    pings = baseline_rows.new_pings([page.row for page in pages])
    counts = {ping.monitor_id: ping.ping_count for ping in pings}
    ended = {ping.run_id: ping for ping in pings if ping.run_id and ping.signal in _FINISHES}
    begun = {ping.run_id: ping for ping in pings if ping.run_id and ping.signal == Signal.START.value}
    told = ended | {run_id: ping for run_id, ping in begun.items() if run_id not in ended}
    found = baseline_rows.runs(list(told), min((ping.at for ping in told.values()), default=baseline_rows.NEVER))
    by_monitor: dict[UUID, list[Row[Any]]] = {}
    for run in found.values():
        if run.finished_at and (run.id in ended or _overtaken(run)):
            by_monitor.setdefault(run.monitor_id, []).append(run)
    for page in pages:
        page.judged_count = counts.get(page.row.id, page.judged_count)
        page.runs = _in_order(by_monitor.get(page.row.id, ()))
    return pages


_FINISHES = {signal.value for signal in Signal if signal.finishes}


def _overtaken(run: Row[Any]) -> bool:
    """Whether its finish came before its start: that has been judged, without knowing how long it took."""
    return bool(run.at == run.finished_at and run.started_at and run.started_at < run.at)


def _with_kept_runs(pages: list[Page], now: datetime | None) -> list[Page]:
    by_monitor: dict[UUID, list[Row[Any]]] = {page.row.id: [] for page in pages}
    counts: dict[UUID, int] = {}
    for run in baseline_rows.kept_runs(list(by_monitor)):
        counts[run.of_monitor] = run.ping_count
        if run.id:
            by_monitor[run.of_monitor].append(run)
    said = _said(pages)
    for page in pages:
        page.notebook.said = said[page.row.id]
        page.judged_count = counts.get(page.row.id, 0)
        page.runs = _in_order(by_monitor[page.row.id])
        page.calm = 0
        page.told_since = max(page.row.judged_until, now - STILL_NEWS) if now else _FOREVER
    return pages


def _said(pages: Sequence[Page]) -> dict[UUID, list[Said]]:
    """By monitor: what people called no problem, of incidents and of single runs."""
    found: dict[UUID, list[Said]] = {page.row.id: [] for page in pages}
    for step in baseline_rows.accepted(list(found)):
        values = timeline.values(step.detail)
        found[step.monitor_id] += [Said(step.at, step.detail["measure"], value) for value in values]
    for run, at in baseline_rows.accepted_runs([page.row for page in pages]):
        told = [one for one in run.findings or () if one.get("accepted_by") and one["value"] is not None]
        found[run.monitor_id] += [Said(at, one["measure"], one["value"]) for one in told]
    return found


def _with_times_apart(pages: Sequence[Page], now: datetime) -> None:
    """Tell those that will judge how many runs there were when there need not have been any."""
    since = {page.row.id: begun for page in pages if (begun := page.ends_a_period(now))}
    if not since:
        return
    rows = [page.row for page in pages if page.row.id in since]
    apart = downtime.apart(rows, min(since.values()), now)
    for page in pages:
        page.notebook.apart = apart.get(page.row.id, ())


def _in_order(runs: Iterable[Row[Any]]) -> list[Row[Any]]:
    return sorted(runs, key=lambda run: (run.finished_at, run.id))
