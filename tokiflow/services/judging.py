"""Judge the runs that have finished: learn what is normal, note what is not, and open or end the incidents of it.

Rung for after the commit of the pings, never in their transaction. What has been judged is known by the number of each
monitor's last ping that was looked at, written in the same transaction as what it taught: killed at any moment, no run
teaches twice and none is lost. The rows are the truth; a look at all of them finds what nobody was rung for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row

from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.findings import Shift
from tokiflow.core.judgement import LATE, Found, Run
from tokiflow.core.runs import Outcome
from tokiflow.core.status import FLAPPING_SUCCESSES, Status
from tokiflow.db import transaction
from tokiflow.queries import maintenance
from tokiflow.queries.rollups import hour_of
from tokiflow.queue import Job, gather, ring_for_gathered
from tokiflow.services import audit, baseline_rows, monitor_rows, notebooks, rollups, verdicts
from tokiflow.services.incident_rows import PERFORMANCE
from tokiflow.services.notebooks import Page
from tokiflow.services.pings import TEST
from tokiflow.services.verdicts import Cause, Verdict

log = structlog.get_logger()

BATCH = 500
"""So many monitors are judged in one transaction."""
MOST_BEHIND = 10_000
LOOKED_FOR = 10
"""All periods end at a full hour. So many minutes, from LATE on, those are looked for that are over: among 100,000
monitors of which none has run since that takes three seconds."""


def ring(_: datetime) -> None:
    """Ring for the monitors that wait to be judged. The clock calls this, each second."""
    ring_for_gathered(Job.JUDGE)


def look(now: datetime) -> None:
    """Find monitors with pings that nobody has looked at, whoever should have rung, and those of which a period is over
    and no run has come since. The clock calls this at times."""
    gather(Job.JUDGE, baseline_rows.behind(MOST_BEHIND))
    if (now - LATE).minute < LOOKED_FOR:
        gather(Job.JUDGE, baseline_rows.ended(now - LATE, MOST_BEHIND))


def judge(monitor_ids: Collection[UUID], now: datetime, *, tell: bool = True) -> int:
    """Judge what `monitor_ids` have finished since they were last judged; how many runs that were.

    Without `tell` it is only learnt and noted. Monitors whose baseline can't be read are learnt anew, a few at once.
    Monitors that another worker judges, or that are busy just now, are rung for again. About a dozen statements,
    whatever the number.
    """
    with transaction():
        left = baseline_rows.begin(monitor_ids)
    with transaction():
        pages, broken = _judged(notebooks.read(baseline_rows.claim(monitor_ids), now, tell=tell), now)
        pages = _without_busy(pages)
        _write(pages, now)
        runs = sum(len(page.runs) for page in pages)
    gather(Job.JUDGE, left - broken - {page.row.id for page in pages})
    if runs:
        log.info("judged", monitors=len(pages), runs=runs)
    if late := _of_hours_that_are_over(pages, now):
        rollups.count_again(late, now)
    return runs


def rebuild(monitor_id: UUID | None, now: datetime) -> int:
    """Learn anew, from the kept runs, what is normal for one monitor or for all; how many runs that took.

    What people said to be no problem stays so, and nobody is told of what is found.
    """
    with transaction():
        baseline_rows.start_over(monitor_id)
    runs = 0
    for some in baseline_rows.in_turns(monitor_id, notebooks.REPLAYS):
        runs += judge(some, now, tell=False)
    return runs


def forget(before: datetime) -> int:
    """Delete what was normal on days of which no run is kept."""
    with transaction():
        return baseline_rows.forget_bands(before)


def _judged(pages: Iterable[Page], now: datetime) -> tuple[list[Page], set[UUID]]:
    """What becomes of each, not written yet; and which can't be judged: those harm no other, and are tried again when
    the clock looks."""
    pages = list(pages)
    reopened = baseline_rows.reopened([page.row.id for page in pages])
    judged, broken = [], set()
    for page in pages:
        try:
            _judge(page, reopened.get(page.row.id), now)
        except Exception:
            log.exception("monitor_cannot_be_judged", monitor=str(page.row.id))
            broken.add(page.row.id)
        else:
            judged.append(page)
    return judged, broken


def _of_hours_that_are_over(pages: Iterable[Page], now: datetime) -> set[tuple[UUID, datetime]]:
    """The monitors and moments of runs that began in another hour than this: it may be counted already."""
    over = hour_of(now)
    return {
        (page.row.id, run.at)
        for page in pages
        for run in page.runs
        if run.at < over and run.finished_at > page.told_since
    }


def _judge(page: Page, reopened: int | None, now: datetime) -> None:
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
        page.causes += [_cause(one, run) for one in trouble]
        is_open = is_open or bool(trouble)
        if is_open and not trouble and page.notebook.usual and (shifts or page.calm >= needed):
            words = "; ".join(one.words for one in shifts)
            page.causes.append(Cause(None, run.finished_at, run.id, words=words))
            is_open = False
        elif shifts:
            page.shifts += shifts
    _judge_silence(page, now)


def _judge_silence(page: Page, now: datetime) -> None:
    """How many runs a period had that is over, though none has come since. It ends nothing: that takes a run."""
    found = page.notebook.over(now)
    trouble = [one for one in found if one.kind]
    if trouble:
        page.calm = 0
    told = [one for one in found if one.at > page.told_since]
    page.causes += [_cause(one) for one in told if one.kind]
    page.shifts += [one for one in told if isinstance(one.finding, Shift)]


def _run(run: Row[Any]) -> Run:
    return Run(
        run.finished_at,
        run.outcome == Outcome.SUCCESS.value,
        run.duration_ms / 1000 if run.duration_ms is not None else None,
        float(run.output_size) if run.output_at else None,
        run.metrics,
    )


def _cause(found: Found, run: Row[Any] | None = None) -> Cause:
    """`run` is the one at hand, of which `found` may say nothing."""
    told = found.told() or {}
    cause = Cause(
        kind=found.kind,
        at=found.at,
        environment=run.environment if run else "",
        words=found.words,
        usual=found.usual_words,
        measure=found.measure,
        value=told.get("value"),
    )
    if run is None or not found.of_run:
        return cause
    return replace(cause, run_id=run.id, duration_ms=run.duration_ms, quote=run.message)


def _without_busy(pages: list[Page]) -> list[Page]:
    """`pages` without those whose monitor somebody else has locked just now; the others' monitors are locked."""
    wanted = {page.row.id for page in pages if page.causes}
    locked = baseline_rows.lock_monitors(wanted)
    return [page for page in pages if page.row.id not in wanted or page.row.id in locked]


def _write(pages: Sequence[Page], now: datetime) -> None:
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


def _findings(page: Page) -> list[dict[str, Any]]:
    by_run: dict[UUID, dict[str, Any]] = {}
    for run, found in page.found:
        told = found.told() if found.of_run else None
        if told:
            told |= _accepted(run, found.measure)
            by_run.setdefault(run.id, {"id": run.id, "at": run.at, "findings": []})["findings"].append(told)
    return list(by_run.values())


def _accepted(run: Row[Any], measure: str) -> dict[str, Any]:
    """Who said of it before that it is no problem, when it is found once more."""
    known = [one for one in run.findings or () if one["measure"] == measure and one.get("accepted_by")]
    return {"accepted_by": known[0]["accepted_by"]} if known else {}


def _verdicts(pages: Sequence[Page], now: datetime) -> list[Verdict]:
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
