"""Between a monitor's row and the values that `core.status` thinks in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, or_, select, update

from tokiflow.core import schedule, status
from tokiflow.core.runs import Outcome, Run
from tokiflow.core.status import Rules, State, Status
from tokiflow.db import db
from tokiflow.models import Monitor
from tokiflow.models import Run as RunRow

MonitorRow = Row[Any] | Monitor

PAIRED_WITHIN = timedelta(days=7)
"""How long a run that overran waits for its finish."""

SAME_RID_WITHIN = timedelta(days=1)


def rules(row: MonitorRow) -> Rules:
    """What people chose for the monitor in `row`."""
    return Rules(
        schedule=schedule.from_columns(
            row.schedule_kind, row.schedule_seconds, row.schedule_expression, row.schedule_timezone
        ),
        grace=row.grace_seconds,
        max_runtime=row.max_runtime_seconds,
        early_tolerance=row.early_tolerance_seconds,
        failures_to_open=row.failures_to_open,
        successes_to_resolve=row.successes_to_resolve,
        overlaps_allowed=row.overlaps_allowed,
    )


def state(row: MonitorRow) -> State:
    """What is known of the monitor in `row`."""
    return State(
        status=Status(row.status),
        due_at=row.due_at,
        deadline_at=row.deadline_at,
        bad=row.bad,
        good=row.good,
        misses=row.misses,
        last_ping_at=row.last_ping_at,
        paused_until=row.paused_until,
        flapping=row.flapping,
    )


def columns(known: State, runs: Iterable[Run]) -> dict[str, Any]:
    """The columns of `monitors` that say `known`, with `runs` its open ones."""
    runs = list(runs)
    watched = [run for run in runs if run.watched]
    return {
        "status": known.status.value,
        "due_at": known.due_at,
        "deadline_at": known.deadline_at,
        "bad": known.bad,
        "good": known.good,
        "misses": known.misses,
        "last_ping_at": known.last_ping_at,
        "paused_until": known.paused_until,
        "flapping": known.flapping,
        "running": len(watched),
        "open_since": min((run.started_at for run in runs if run.open and run.started_at), default=None),
        "watch_at": status.watch_at(known, watched),
    }


def save(monitor_id: UUID, known: State, runs: Iterable[Run]) -> None:
    """Write `known` to the monitor's row."""
    db.session.execute(update(Monitor).where(Monitor.id == monitor_id).values(**columns(known, runs)))


def run(row: Any) -> Run:
    """The run in `row`, as core thinks of it."""
    return Run(
        id=row.id,
        rid=row.rid,
        environment=row.environment,
        started_at=row.started_at,
        finished_at=row.finished_at,
        deadline_at=row.deadline_at,
        outcome=Outcome(row.outcome),
        duration_ms=row.duration_ms,
        overran_at=row.overran_at,
    )


_RUN_COLUMNS = (
    RunRow.id,
    RunRow.monitor_id,
    RunRow.rid,
    RunRow.environment,
    RunRow.started_at,
    RunRow.finished_at,
    RunRow.deadline_at,
    RunRow.overran_at,
    RunRow.outcome,
    RunRow.duration_ms,
)


def runs_at_hand(monitor_ids: Sequence[UUID], now: datetime, rids: Sequence[UUID] = ()) -> dict[UUID, list[Run]]:
    """By monitor: its open runs, and the recent ones with one of `rids`. One statement, whatever the number."""
    still_open = (
        RunRow.finished_at.is_(None),
        or_(
            RunRow.outcome == Outcome.RUNNING.value,
            (RunRow.outcome == Outcome.OVERRAN.value) & (RunRow.at > now - PAIRED_WITHIN),
        ),
    )
    statement = select(*_RUN_COLUMNS).where(RunRow.monitor_id.in_(monitor_ids), *still_open)
    if rids:
        known = select(*_RUN_COLUMNS).where(
            RunRow.monitor_id.in_(monitor_ids), RunRow.rid.in_(rids), RunRow.at > now - SAME_RID_WITHIN
        )
        statement = statement.union(known)  # type: ignore[assignment]
    found: dict[UUID, list[Run]] = {monitor_id: [] for monitor_id in monitor_ids}
    for row in db.session.execute(statement):
        found[row.monitor_id].append(run(row))
    return found
