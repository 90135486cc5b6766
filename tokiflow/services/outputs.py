"""Where output lies: small ones in the row of their ping, large ones in the store, to which a job moves them.

A large body is recorded in its ping's row like any other, and an `offloads` row with it. Whoever holds that row's lease
puts the object, with no transaction open, and then lets go of the body and of the row in one commit. Killed at any
moment, nothing is lost: until that commit the row holds the body, and the key of an object follows from its ping, so
the next try writes the same object again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Interval, delete, func, literal, select, tuple_, update

from tokiflow import errors
from tokiflow.adapters import storage
from tokiflow.adapters.storage import Storage
from tokiflow.db import changed, db, transaction
from tokiflow.models import Offload, Ping, Run
from tokiflow.queries import runs
from tokiflow.queries.runs import Output
from tokiflow.queue import Job, enqueue

log = structlog.get_logger()

INLINE = 8 * 1024
"""A body of at most so many bytes stays in its row. PostgreSQL keeps what is larger apart from the row anyway."""

ROOT = "output/"
BATCH = 20
CONCURRENT = 4
BEGIN_WITHIN_SECONDS = 2.0
"""No further object is begun after so long: the worker has alerts to send."""

LEASE = timedelta(minutes=2)
REST = timedelta(seconds=30)
"""So long nothing is tried after a failure. Doubled for the one that failed, each time, up to an hour."""

LINK_SECONDS = 300


def read(run: Run) -> Output | None:
    """What the run printed, from its row or from the store; None if nothing of it is kept.

    Raises StorageError if it is kept and can't be fetched now.
    """
    kept = runs.kept_output(run)
    if kept is None:
        return None
    body = fetch(kept.body_key) if kept.body_key is not None else kept.body
    return None if body is None else Output(body, kept.body_size, kept.body_cut)


def link(run: Run, filename: str) -> str | None:
    """An address of the store that saves the whole output, and works for five minutes.

    None where it can't: for what lies in its row, for what had bytes left out (the file must say so), and for stores
    that browsers don't reach.
    """
    kept, store = runs.kept_output(run), storage.current()
    if kept is None or kept.body_key is None or kept.body_cut is not None or store is None:
        return None
    return store.link(kept.body_key, LINK_SECONDS, filename)


def offloads(large: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of `offloads` that belong into the transaction that inserts the pings `large`, whose bodies are larger
    than INLINE. None without a store."""
    if not large or storage.current() is None:
        return []
    return [{name: row[name] for name in ("monitor_id", "at", "n")} for row in large]


def key_of(monitor_id: UUID, at: datetime, n: int) -> str:
    """Where in the store the body of a ping lies. Begins with the day, so that a day can be removed as a whole."""
    return f"{ROOT}{at:%Y-%m-%d}/{monitor_id}/{n}"


def fetch(key: str) -> bytes | None:
    """What lies in the store. None once it is gone there, as old output is; raises StorageError if it can't be had."""
    store = storage.current()
    if store is None:
        raise errors.StorageError("This output lies in a store that is not configured any more.")
    try:
        return store.get(key)
    except errors.StorageError as error:
        if error.missing:
            return None
        raise


# --- to the store -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claimed:
    """An output that is ours to move for the length of a lease. `body` is None if its row holds none any more."""

    monitor_id: UUID
    at: datetime
    n: int
    body: bytes | None
    gone: bool
    """The ping itself is gone, and with it the right to keep anything."""

    @property
    def key(self) -> str:
        return key_of(self.monitor_id, self.at, self.n)


def ring(now: datetime) -> bool:
    """Ring if outputs wait that nobody moves, unless the store has just failed. The clock calls this."""
    if storage.current() is None:
        return False
    tried_at = Offload.next_attempt_at - _pause()
    due = select(Offload.n).where(Offload.next_attempt_at <= now).exists()
    rests = select(Offload.n).where(Offload.attempts > 0, tried_at > now - REST).exists()
    with transaction():
        waiting = db.session.execute(select(due & ~rests)).scalar_one()
    return waiting and enqueue(Job.OFFLOAD)


def offload(now: datetime) -> int:
    """Move up to a batch of the outputs that are due; how many were tried. Rings for the next batch by itself."""
    store = storage.current()
    claimed = _claim(now) if store else []
    if not store or not claimed:
        return 0
    until = time.monotonic() + BEGIN_WITHIN_SECONDS
    with ThreadPoolExecutor(max_workers=min(CONCURRENT, len(claimed))) as pool:
        done = list(pool.map(partial(_carry, store, until), claimed))
    _record([one for one, fine in zip(claimed, done, strict=True) if fine], now)
    _give_back([one for one, fine in zip(claimed, done, strict=True) if not fine], now)
    if len(claimed) == BATCH and all(done):
        enqueue(Job.OFFLOAD)
    return len(claimed)


def _claim(now: datetime) -> list[Claimed]:
    """Take the lease on the outputs that have waited longest, with their bodies copied out."""
    key = tuple_(Offload.monitor_id, Offload.at, Offload.n)
    # A CTE, which is carried out once: a subquery may be for each row it is compared with, and take more than BATCH.
    due = (
        select(Offload.monitor_id, Offload.at, Offload.n)
        .where(Offload.next_attempt_at <= now)
        .order_by(Offload.next_attempt_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    with transaction():
        taken = db.session.execute(
            update(Offload)
            .where(key.in_(select(due)))
            .values(next_attempt_at=now + LEASE, attempts=Offload.attempts + 1)
            .returning(Offload.monitor_id, Offload.at, Offload.n)
            .execution_options(synchronize_session=False)
        ).all()
        return [_copied_out(*one) for one in taken]


def _copied_out(monitor_id: UUID, at: datetime, n: int) -> Claimed:
    found = db.session.execute(select(Ping.body).where(*_is(monitor_id, at, n))).one_or_none()
    return Claimed(monitor_id, at, n, found.body if found else None, gone=found is None)


def _carry(store: Storage, until: float, one: Claimed) -> bool:
    """Bring the store to where `one` wants it. False if that must be tried again."""
    if time.monotonic() > until:
        return False
    try:
        if one.gone:
            # A try that was interrupted may have left it there.
            store.delete([one.key])
        elif one.body is not None:
            store.put(one.key, one.body)
    except errors.StorageError as error:
        log.warning("output_not_stored", monitor=str(one.monitor_id), n=one.n, error=error.message)
        return False
    return True


def _record(stored: Sequence[Claimed], now: datetime) -> None:
    with transaction():
        for one in stored:
            mine = _is(one.monitor_id, one.at, one.n)
            moved = update(Ping).where(*mine, Ping.body.is_not(None)).values(body=None, body_key=one.key)
            done = changed(moved) if one.body is not None else 1
            wish = tuple_(Offload.monitor_id, Offload.at, Offload.n) == (one.monitor_id, one.at, one.n)
            # Changed by somebody else meanwhile, or gone: what to do then is seen with fresh eyes.
            changed(delete(Offload).where(wish) if done else update(Offload).where(wish).values(next_attempt_at=now))


def _give_back(failed: Sequence[Claimed], now: datetime) -> None:
    if not failed:
        return
    keys = [(one.monitor_id, one.at, one.n) for one in failed]
    again = update(Offload).where(tuple_(Offload.monitor_id, Offload.at, Offload.n).in_(keys))
    with transaction():
        changed(again.values(next_attempt_at=literal(now) + _pause()))


def _is(monitor_id: UUID, at: datetime, n: int) -> tuple[ColumnElement[bool], ...]:
    return Ping.monitor_id == monitor_id, Ping.at == at, Ping.n == n


def _pause() -> ColumnElement[timedelta]:
    """How long the row rests after its last try."""
    seconds = func.least(REST.total_seconds() * func.power(2, func.least(Offload.attempts - 1, 7)), 3600)
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds, type_=Interval)
