"""Between a monitor's row and the values that `core.status` thinks in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Row, or_, select, update

from tokiflow import errors
from tokiflow.core import schedule, status
from tokiflow.core.runs import Outcome, Run
from tokiflow.core.status import Rules, State, Status
from tokiflow.db import among, db
from tokiflow.models import Monitor
from tokiflow.models import Run as RunRow

MonitorRow = Row[Any] | Monitor

PAIRED_WITHIN = timedelta(days=7)
"""How long a run that overran waits for its finish."""

SAME_RID_WITHIN = timedelta(days=1)

RULES = (
    "schedule_kind", "schedule_seconds", "schedule_expression", "schedule_timezone", "grace_seconds",
    "max_runtime_seconds", "early_tolerance_seconds", "failures_to_open", "successes_to_resolve", "overlaps_allowed",
)  # fmt: skip
"""The columns of `monitors` that people choose its rules by, in the order in which `rules_of` takes them."""

_rules_in = attrgetter(*RULES)


def locked(monitor_id: UUID) -> Monitor:
    """The monitor's row, locked and fresh. Raises NotFound if it is gone."""
    row = db.session.execute(
        select(Monitor)
        .where(Monitor.id == monitor_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if row is None:
        raise errors.NotFound("This monitor is gone.")
    return row


def rules(row: MonitorRow) -> Rules:
    """What people chose for the monitor in `row`."""
    return rules_of(*_rules_in(row))


@lru_cache(maxsize=10_000)
def rules_of(
    kind: str, seconds: int | None, expression: str, timezone: str, grace: int, max_runtime: int, early_tolerance: int,
    failures_to_open: int, successes_to_resolve: int, overlaps_allowed: bool,
) -> Rules:  # fmt: skip
    """What the columns of RULES say. They are the same at each ping, so what was made of them is kept."""
    return Rules(
        schedule=schedule.from_columns(kind, seconds, expression, timezone),
        grace=grace,
        max_runtime=max_runtime,
        early_tolerance=early_tolerance,
        failures_to_open=failures_to_open,
        successes_to_resolve=successes_to_resolve,
        overlaps_allowed=overlaps_allowed,
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
        last_log=row.last_log,
        last_log_at=row.last_log_at,
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
    RunRow.last_log,
    RunRow.last_log_at,
)


def runs_at_hand(monitor_ids: Sequence[UUID], now: datetime) -> dict[UUID, list[Run]]:
    """By monitor: its open runs. One statement, whatever the number."""
    still_open = (
        RunRow.finished_at.is_(None),
        or_(
            RunRow.outcome == Outcome.RUNNING.value,
            (RunRow.outcome == Outcome.OVERRAN.value) & (RunRow.at > now - PAIRED_WITHIN),
        ),
    )
    statement = select(*_RUN_COLUMNS).where(among(RunRow.monitor_id, monitor_ids), *still_open)
    found: dict[UUID, list[Run]] = {monitor_id: [] for monitor_id in monitor_ids}
    for row in db.session.execute(statement):
        found[row.monitor_id].append(run(row))
    return found
