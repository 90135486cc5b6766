"""What a deleted monitor leaves behind: its pings, its runs, its stored output. Promised with the deletion, then kept.

Nothing of it can be reached without the monitor's row. The `erasures` row is the promise, and goes last.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, delete, func, insert, select, update

from tokiflow import errors
from tokiflow.adapters import storage
from tokiflow.db import changed, db, on_commit, transaction
from tokiflow.models import Erasure, Offload, Ping, Run
from tokiflow.queue import Job, enqueue

log = structlog.get_logger()

LEASE = timedelta(minutes=2)
TRY_AGAIN = timedelta(minutes=1)
STEP_SECONDS = 1.0
"""Then other jobs of this worker have their turn."""

ROWS = 2_000
OBJECTS = 500
RING_AT_MOST = 100


def promise(monitor_ids: Sequence[UUID], now: datetime) -> None:
    """In the transaction that deletes these monitors: all of theirs will be erased.

    Whoever records a ping locks the monitor's row first. So it has committed before the deletion, and is erased; or it
    comes after, and finds no monitor.
    """
    if monitor_ids:
        rows = [{"monitor_id": one, "created_at": now, "next_attempt_at": now} for one in monitor_ids]
        db.session.execute(insert(Erasure), rows)
        on_commit(partial(enqueue, Job.ERASE, monitor_ids))


def ring(now: datetime) -> int:
    """Ring for erasures that nobody works at; how many. The clock calls this."""
    due = select(Erasure.monitor_id).where(Erasure.next_attempt_at <= now).order_by(Erasure.next_attempt_at)
    with transaction():
        found = db.session.execute(due.limit(RING_AT_MOST)).scalars().all()
    if found:
        enqueue(Job.ERASE, found)
    return len(found)


def erase(monitor_ids: Sequence[UUID], now: datetime, seconds: float = STEP_SECONDS) -> int:
    """Erase what these monitors left, if it is promised and nobody is at it; how many are finished.

    After about `seconds` it rings for the rest.
    """
    until = time.monotonic() + seconds
    claimed = _claim(monitor_ids, now)
    pauses = {monitor_id: _erase(monitor_id, until) for monitor_id in claimed}
    with transaction():
        for monitor_id, pause in pauses.items():
            row = Erasure.monitor_id == monitor_id
            if pause is None:
                db.session.execute(delete(Erasure).where(row))
            else:
                db.session.execute(update(Erasure).where(row).values(next_attempt_at=now + pause))
    for monitor_id in [one for one, pause in pauses.items() if pause is None]:
        log.info("monitor_erased", monitor=str(monitor_id))
    rest = [one for one, pause in pauses.items() if pause == timedelta(0)]
    if rest:
        enqueue(Job.ERASE, rest)
    return list(pauses.values()).count(None)


def _claim(monitor_ids: Sequence[UUID], now: datetime) -> list[UUID]:
    due = (
        select(Erasure.monitor_id)
        .where(Erasure.monitor_id.in_(monitor_ids), Erasure.next_attempt_at <= now)
        .with_for_update(skip_locked=True)
    )
    with transaction():
        taken = db.session.execute(
            update(Erasure)
            .where(Erasure.monitor_id.in_(due))
            .values(next_attempt_at=now + LEASE, attempts=Erasure.attempts + 1)
            .returning(Erasure.monitor_id)
            .execution_options(synchronize_session=False)
        )
        return list(taken.scalars())


def _erase(monitor_id: UUID, until: float) -> timedelta | None:
    """Erase until the monotonic clock shows `until`. None if nothing is left, else after how long to go on."""
    try:
        while time.monotonic() < until:
            if not (_erase_objects(monitor_id) or _erase_pings(monitor_id) or _erase_runs(monitor_id)):
                return TRY_AGAIN if _is_being_stored(monitor_id) else None
    except errors.StorageError as error:
        log.warning("erasure_waits", monitor=str(monitor_id), error=error.message)
        return TRY_AGAIN
    return timedelta(0)


def _erase_objects(monitor_id: UUID) -> int:
    """Remove some stored outputs, and only then the keys that lead to them; how many."""
    named = Ping.monitor_id == monitor_id, Ping.body_key.is_not(None)
    with transaction():
        found = db.session.execute(select(Ping.at, Ping.body_key).where(*named).order_by(Ping.at).limit(OBJECTS)).all()
    if not found:
        return 0
    keys = [str(one.body_key) for one in found]
    store = storage.current()
    if store:
        store.delete(keys)
    else:
        log.warning("stored_output_out_of_reach", monitor=str(monitor_id), objects=len(keys))
    these = Ping.monitor_id == monitor_id, Ping.at.between(found[0].at, found[-1].at), Ping.body_key.in_(keys)
    with transaction():
        changed(update(Ping).where(*these).values(body_key=None))
    return len(keys)


def _erase_pings(monitor_id: UUID) -> int:
    # One that was stored a moment ago keeps its row until its object is removed.
    return _erase_rows(Ping, Ping.monitor_id == monitor_id, Ping.body_key.is_(None))


def _erase_runs(monitor_id: UUID) -> int:
    return _erase_rows(Run, Run.monitor_id == monitor_id)


def _erase_rows(model: type[Ping] | type[Run], *which: ColumnElement[bool]) -> int:
    """Delete the oldest of the rows that are `which`; how many. Naming their time spares a look at other partitions."""
    oldest = select(model.at).where(*which).order_by(model.at).limit(ROWS).subquery()
    with transaction():
        first, last = db.session.execute(select(func.min(oldest.c.at), func.max(oldest.c.at))).one()
        if first is None:
            return 0
        some = delete(model).where(*which, model.at.between(first, last))
        return changed(some)


def _is_being_stored(monitor_id: UUID) -> bool:
    """Whether an output of the monitor is on its way to the store; the job that moves it will find its ping gone."""
    mine = Offload.monitor_id == monitor_id
    with transaction():
        if storage.current() is None:
            db.session.execute(delete(Offload).where(mine))
        return db.session.execute(select(select(Offload.n).where(mine).exists())).scalar_one()
