"""Judge the runs that have finished: learn what is normal, note what is not, and open or end the incidents of it.

Rung for after the commit of the pings, never in their transaction. What has been judged is known by the number of each
monitor's last ping that was looked at, written in the same transaction as what it taught: killed at any moment, no run
teaches twice and none is lost. The rows are the truth; a look at all of them finds what nobody was rung for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row

from tokiflow.core import schedule
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.findings import Shift
from tokiflow.core.judgement import Found, Notebook, Run, period_for
from tokiflow.core.runs import Outcome
from tokiflow.core.schedule import zones
from tokiflow.core.sensitivity import Sensitivity
from tokiflow.core.signals import Signal
from tokiflow.core.status import FLAPPING_SUCCESSES, Status
from tokiflow.db import transaction
from tokiflow.queries import maintenance
from tokiflow.queue import Job, gather, ring_for_gathered
from tokiflow.services import audit, baseline_rows, monitor_rows, verdicts
from tokiflow.services.incident_rows import PERFORMANCE
from tokiflow.services.pings import TEST
from tokiflow.services.verdicts import Cause, Verdict

log = structlog.get_logger()

BATCH = 500
"""So many monitors are judged in one transaction."""
REPLAYS = 20
"""So many of them may have to be learnt anew from their kept runs, which takes about a tenth of a second each."""
MOST_BEHIND = 10_000
STILL_NEWS = timedelta(hours=1)
"""What a monitor's runs did before, when it is judged for the first time, is known and not told."""


def ring(_: datetime) -> None:
    """Ring for the monitors that wait to be judged. The clock calls this, each second."""
    ring_for_gathered(Job.JUDGE)


def look(_: datetime) -> None:
    """Find monitors with pings that nobody has looked at, whoever should have rung. The clock calls this at times."""
    gather(Job.JUDGE, baseline_rows.behind(MOST_BEHIND))


def judge(monitor_ids: Collection[UUID], now: datetime, *, tell: bool = True) -> int:
    """Judge what `monitor_ids` have finished since they were last judged; how many runs that were.

    Without `tell` it is only learnt and noted. Monitors whose baseline can't be read are learnt anew, a few at once.
    Monitors that another worker judges, or that are busy just now, are rung for again. About a dozen statements,
    whatever the number.
    """
    with transaction():
        left = baseline_rows.begin(monitor_ids)
    with transaction():
        pages, broken = _pages(baseline_rows.claim(monitor_ids), now if tell else None)
        pages = _without_busy(pages)
        _write(pages, now)
        runs = sum(len(page.runs) for page in pages)
    gather(Job.JUDGE, left - broken - {page.row.id for page in pages})
    if runs:
        log.info("judged", monitors=len(pages), runs=runs)
    return runs


def rebuild(monitor_id: UUID | None, now: datetime) -> int:
    """Learn anew, from the kept runs, what is normal for one monitor or for all; how many runs that took.

    What people said to be no problem is forgotten with the rest, and nobody is told of what is found.
    """
    with transaction():
        baseline_rows.start_over(monitor_id)
    runs = 0
    for some in baseline_rows.in_turns(monitor_id, REPLAYS):
        runs += judge(some, now, tell=False)
    return runs


def forget(before: datetime) -> int:
    """Delete what was normal on days of which no run is kept."""
    with transaction():
        return baseline_rows.forget_bands(before)


@dataclass
class _Page:
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


def _pages(rows: Sequence[Row[Any]], now: datetime | None) -> tuple[list[_Page], set[UUID]]:
    """What becomes of each monitor, not written yet; and which can't be judged: those harm no other, and are tried
    again when the clock looks.

    `now` is None if nobody is to be told.
    """
    known, anew = _read(rows)
    filled = _with_new_runs(known) + _with_kept_runs(anew[:REPLAYS], now)
    reopened = baseline_rows.reopened([page.row.id for page in filled if page.runs])
    pages, broken = [], set()
    for page in filled:
        try:
            _judge(page, reopened.get(page.row.id))
        except Exception:
            log.exception("monitor_cannot_be_judged", monitor=str(page.row.id))
            broken.add(page.row.id)
        else:
            pages.append(page)
    return pages, broken


def _read(rows: Iterable[Row[Any]]) -> tuple[list[_Page], list[_Page]]:
    """Those whose baseline can be read, and those that are to be learnt anew from their runs."""
    known: list[_Page] = []
    anew: list[_Page] = []
    for row in rows:
        page = _Page(row, _notebook(row), row.judged_count, row.calm)
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
        zones.zone(row.schedule_timezone) if zones.exists(row.schedule_timezone) else UTC,
    )


def _with_new_runs(pages: list[_Page]) -> list[_Page]:
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


def _with_kept_runs(pages: list[_Page], now: datetime | None) -> list[_Page]:
    by_monitor: dict[UUID, list[Row[Any]]] = {page.row.id: [] for page in pages}
    counts: dict[UUID, int] = {}
    for run in baseline_rows.kept_runs(list(by_monitor)):
        counts[run.of_monitor] = run.ping_count
        if run.id:
            by_monitor[run.of_monitor].append(run)
    for page in pages:
        page.judged_count = counts.get(page.row.id, 0)
        page.runs = _in_order(by_monitor[page.row.id])
        page.calm = 0
        page.told_since = max(page.row.judged_until, now - STILL_NEWS) if now else _FOREVER
    return pages


def _in_order(runs: Iterable[Row[Any]]) -> list[Row[Any]]:
    return sorted(runs, key=lambda run: (run.finished_at, run.id))


def _judge(page: _Page, reopened: int | None) -> None:
    """`reopened`: how often the open incident of this monitor came back; None if there is none."""
    is_open = reopened is not None
    needed = page.row.successes_to_resolve
    if reopened is not None and reopened > 1:
        needed = max(needed, FLAPPING_SUCCESSES)
    for run in page.runs:
        if run.message == TEST:
            continue
        said = _run(run)
        found = page.notebook.judge(said)
        page.found += [(run, one) for one in found]
        trouble = [one for one in found if one.kind]
        shifts = [one for one in found if isinstance(one.finding, Shift)]
        if trouble:
            page.calm = 0
        elif said.good and page.notebook.usual:
            page.calm += 1
        if run.finished_at <= page.told_since:
            continue
        page.causes += [_cause(run, one) for one in trouble]
        is_open = is_open or bool(trouble)
        if is_open and not trouble and page.notebook.usual and (shifts or page.calm >= needed):
            words = "; ".join(one.words for one in shifts)
            page.causes.append(Cause(None, run.finished_at, words=words))
            is_open = False
        elif shifts:
            page.shifts += shifts


def _run(run: Row[Any]) -> Run:
    return Run(
        run.finished_at,
        run.outcome == Outcome.SUCCESS.value,
        run.duration_ms / 1000 if run.duration_ms is not None else None,
        float(run.output_size) if run.output_at else None,
        run.metrics,
    )


def _cause(run: Row[Any], found: Found) -> Cause:
    told = found.told() or {}
    return Cause(
        kind=found.kind,
        at=found.at,
        run_id=run.id if found.of_run else None,
        duration_ms=run.duration_ms if found.of_run else None,
        quote=run.message if found.of_run else "",
        environment=run.environment,
        words=found.words,
        usual=found.usual_words,
        measure=found.measure,
        value=told.get("value"),
    )


def _without_busy(pages: list[_Page]) -> list[_Page]:
    """`pages` without those whose monitor somebody else has locked just now; the others' monitors are locked."""
    wanted = {page.row.id for page in pages if page.causes}
    locked = baseline_rows.lock_monitors(wanted)
    return [page for page in pages if page.row.id not in wanted or page.row.id in locked]


def _write(pages: Sequence[_Page], now: datetime) -> None:
    baseline_rows.save(
        [
            {
                "monitor_id": page.row.id,
                "judged_until": page.judged_until,
                "judged_count": page.judged_count,
                "calm": page.calm,
                "measures": page.notebook.to_dict(),
            }
            for page in pages
        ]
    )
    baseline_rows.save_bands(
        {(page.row.id, *key): usual for page in pages for key, usual in page.notebook.bands.items()}
    )
    baseline_rows.save_findings([row for page in pages for row in _findings(page)])
    for page in pages:
        for one in page.shifts:
            audit.record(
                "monitor.new_usual", TOKIFLOW, page.row.organization_id, now,
                object_id=page.row.id, object_name=page.row.name, after={"words": one.words},
            )  # fmt: skip
    verdicts.carry_out(_verdicts(pages, now), now, PERFORMANCE)


_FOREVER = datetime.max.replace(tzinfo=UTC)
_AFTER_NEVER = baseline_rows.NEVER + timedelta(seconds=1)


def _findings(page: _Page) -> list[dict[str, Any]]:
    by_run: dict[UUID, dict[str, Any]] = {}
    for run, found in page.found:
        told = found.told() if found.of_run else None
        if told:
            by_run.setdefault(run.id, {"id": run.id, "at": run.at, "findings": []})["findings"].append(told)
    return list(by_run.values())


def _verdicts(pages: Sequence[_Page], now: datetime) -> list[Verdict]:
    """In maintenance, and while it is paused, a monitor has no trouble of this kind; what it had may end."""
    turned = [page for page in pages if page.causes]
    troubled = [page.row for page in turned if any(cause.kind for cause in page.causes)]
    quiet = set(maintenance.during(troubled, now)) | {row.id for row in troubled if row.status == Status.PAUSED.value}
    return [
        Verdict(page.row, monitor_rows.rules(page.row), cause)
        for page in turned
        for cause in page.causes
        if cause.kind is None or page.row.id not in quiet
    ]
