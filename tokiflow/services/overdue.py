"""Judge silence: the sweep over monitors whose time has come. Any number of clocks may sweep at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, Row, Uuid, cast, func, select, union, update

from tokiflow.core import ids, status
from tokiflow.core.runs import Outcome, Run
from tokiflow.core.status import Change, Missed, Tick
from tokiflow.db import among, db, transaction
from tokiflow.models import Monitor
from tokiflow.models import Run as RunRow
from tokiflow.services import monitor_rows, sets, verdicts
from tokiflow.services.verdicts import Cause, Verdict

log = structlog.get_logger()

FIRST_BATCH = 25
"""Of many that are due at once, so few are judged first: their alerts leave while the others are judged."""

BATCH = 200
"""Many more at once would save little, and let others wait for the end of it."""

WINDOW = 500
"""So many from either end of what is due are looked at to find whose turn it is."""

POISON_WAITS = timedelta(hours=1)


def next_at() -> datetime | None:
    """When the next monitor must be looked at; None if none waits for anything."""
    return db.session.execute(select(func.min(Monitor.watch_at))).scalar_one()


def next_batch(batch: int, swept: int) -> int:
    """How many to judge at once after `swept` of `batch` were: more and more while there are enough."""
    return min(2 * batch, BATCH) if swept == batch else FIRST_BATCH


def sweep(now: datetime, batch: int = BATCH) -> int:
    """Judge up to `batch` monitors whose time has come by `now`, each organization in its turn; how many.

    Rows another clock holds are left to it. If one monitor can't be judged the others still are, and it is tried
    again in an hour.
    """
    try:
        with transaction():
            rows = _claim(now, batch)
            _judge(rows, now)
            return len(rows)
    except Exception:
        if batch == 1:
            raise
        log.exception("sweep_failed", batch=batch)
        return _sweep_one_by_one(now, batch)


def _sweep_one_by_one(now: datetime, most: int) -> int:
    swept = 0
    while swept < most:
        try:
            found = sweep(now, batch=1)
        except Exception:
            log.exception("monitor_cannot_be_judged")
            found = _set_aside(now)
        if not found:
            break
        swept += 1
    return swept


def _set_aside(now: datetime) -> int:
    """Move the monitor at the head of the line an hour on, so that it can't stop the others."""
    with transaction():
        rows = _claim(now, 1)
        for row in rows:
            log.error("monitor_set_aside", monitor=str(row.id))
            db.session.execute(update(Monitor).where(Monitor.id == row.id).values(watch_at=now + POISON_WAITS))
        return len(rows)


def _claim(now: datetime, batch: int) -> Sequence[Row[Any]]:
    """Up to `batch` monitors that are due and that no other clock holds, locked."""
    turns = _turns(now, 4 * batch)
    if not turns:
        return ()
    return db.session.execute(
        select(*Monitor.__table__.columns)
        .where(among(Monitor.id, turns), Monitor.watch_at <= now)
        .order_by(func.array_position(cast(turns, ARRAY(Uuid)), Monitor.id))
        .limit(batch)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()


def _turns(now: datetime, most: int) -> list[UUID]:
    """What is due: the first of each organization, then the second of each…, for nobody's single one is to wait for
    another's thousands. More than are wanted, for other clocks may be looking at the same.

    Both ends of the index are read, and no more than a window of each: what fell due just now is found behind any
    number of others.
    """
    due = select(Monitor.id, Monitor.organization_id, Monitor.watch_at).where(Monitor.watch_at <= now).limit(WINDOW)
    seen = union(due.order_by(Monitor.watch_at), due.order_by(Monitor.watch_at.desc())).subquery()
    turn = func.row_number().over(partition_by=seen.c.organization_id, order_by=(seen.c.watch_at, seen.c.id))
    return list(db.session.execute(select(seen.c.id).order_by(turn, seen.c.watch_at, seen.c.id).limit(most)).scalars())


def _judge(rows: Sequence[Row[Any]], now: datetime) -> None:
    if not rows:
        return
    at_hand = monitor_rows.runs_at_hand([row.id for row in rows], now)
    ticks = {row.id: _tick(row, now, at_hand[row.id]) for row in rows}
    _write(rows, ticks, at_hand)
    verdicts.carry_out(
        [_verdict(row, ticks[row.id], one, at_hand[row.id]) for row in rows for one in ticks[row.id].changes], now
    )


def _tick(row: Row[Any], now: datetime, runs: Sequence[Run]) -> Tick:
    return status.on_tick(monitor_rows.state(row), monitor_rows.rules(row), now, runs)


def _write(rows: Sequence[Row[Any]], ticks: dict[UUID, Tick], at_hand: dict[UUID, list[Run]]) -> None:
    _write_changed_runs([run for tick in ticks.values() for run in tick.runs])
    _write_missed_runs([(row.id, miss) for row in rows for miss in ticks[row.id].missed])
    sets.update(
        Monitor,
        [
            {"id": row.id} | monitor_rows.columns(ticks[row.id].state, _now(at_hand[row.id], ticks[row.id]))
            for row in rows
        ],
    )


def _write_changed_runs(changed: Sequence[Run]) -> None:
    # A run with a deadline has a start, and that is its `at`.
    rows = [
        {
            "id": run.id,
            "at": run.started_at,
            "outcome": run.outcome.value,
            "overran_at": run.overran_at,
            "deadline_at": run.deadline_at,
        }
        for run in changed
    ]
    if rows:
        db.session.execute(update(RunRow), rows)


def _write_missed_runs(missed: Sequence[tuple[UUID, Missed]]) -> None:
    rows = [
        {
            "id": ids.new(),
            "monitor_id": monitor_id,
            "at": miss.deadline_at,
            "due_at": miss.due_at,
            "outcome": Outcome.MISSED.value,
        }
        for monitor_id, miss in missed
    ]
    sets.insert(RunRow, rows)


def _now(before: Sequence[Run], tick: Tick) -> list[Run]:
    """The open runs as the tick leaves them."""
    changed = {run.id: run for run in tick.runs}
    return [changed.get(run.id, run) for run in before]


def _verdict(row: Row[Any], tick: Tick, change: Change, runs: Sequence[Run]) -> Verdict:
    miss = next((miss for miss in tick.missed if miss.deadline_at == change.at), None)
    cause = Cause(
        kind=change.kind,
        at=change.at,
        run_id=change.run_id,
        due_at=miss.due_at if miss else None,
        in_a_row=tick.state.bad,
        environment=next((run.environment for run in runs if run.id == change.run_id), ""),
    )
    return Verdict(row, monitor_rows.rules(row), cause)
