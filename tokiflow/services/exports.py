"""Files that people ask for: made by a job, kept for a week in the store, fetched by whoever asked and nobody else.

The row is the promise and the queue only the doorbell. Whoever holds the row's lease makes the file and puts it under
a key that follows from the row, then says so in one commit, with the mail that tells of it. Killed at any moment, the
next one does the same again.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from flask import Flask
from sqlalchemy import ColumnElement, delete, func, or_, select, update

from tokiflow import errors
from tokiflow.adapters import storage
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.db import changed, db, on_commit, transaction
from tokiflow.models import Export, User
from tokiflow.queue import Job, enqueue
from tokiflow.services import audit, exporting, letters
from tokiflow.services.exporting import Asked

log = structlog.get_logger()

ROOT = "exports/"
KEPT = timedelta(days=7)
LISTED = timedelta(days=30)
LEASE = timedelta(minutes=5)
TRY_AGAIN = timedelta(minutes=1)
TRIES = 5
AT_ONCE = 3
"""So many one person may have waiting."""
RING_AT_MOST = 100
LINK_SECONDS = 300
FORGOTTEN_AT_ONCE = 1_000

ENDED = "Whoever made it was ended halfway, each time. Ask for less at once, or let your operator look at the worker."

AT_ONCE_MARK = "at_once"
"""In `wanted`: whoever asked has it before their eyes, and needs no mail."""

NAMES = {
    "audit": "the audit log",
    "incidents": "incidents",
    "monitors": "monitors",
    "organization": "all of the organization",
    "person": "their own data",
    "report": "a report",
    "runs": "runs of a monitor",
}
"""By kind: what the log says was asked for."""

NO_STORE = "There is no place for files: set S3_BUCKET, or TOKIFLOW_DATA for a folder."
_one_after_another = threading.Lock()

Clock = Callable[[], datetime]


class Expired(errors.NotFound):
    """The file is gone, or will never be."""

    title = "This file is gone"


def ask(
    kind: str,
    by: Actor,
    organization_id: UUID | None,
    wanted: Mapping[str, Any],
    now: datetime,
    *,
    at_once: bool = False,
) -> UUID:
    """Promise a file to the person `by`; its id. What leaves an organization is in its log.

    Raises Conflict where there is no store, or while too many of theirs are being made. at_once: the caller makes it
    right away, so nobody is rung for and no mail tells of it.
    """
    if storage.current() is None:
        raise errors.Conflict(NO_STORE)
    if by.kind != "person" or by.id is None:
        raise errors.Forbidden("Only a person can ask for a file: it is kept for whoever asked.")
    with transaction():
        db.session.get_one(User, by.id, with_for_update={"key_share": True})
        waiting = select(func.count()).where(Export.user_id == by.id, Export.status == "pending")
        if (db.session.scalar(waiting) or 0) >= AT_ONCE:
            raise errors.Conflict(f"{AT_ONCE} of your exports are being made already; wait for one of them.")
        row = Export(
            id=ids.new(), organization_id=organization_id, user_id=by.id, kind=kind,
            wanted={**wanted, AT_ONCE_MARK: True} if at_once else dict(wanted),
            status="pending", attempts=0, created_at=now, next_attempt_at=now,
        )  # fmt: skip
        db.session.add(row)
        if organization_id is not None:
            audit.record(
                "export.asked_for", by, organization_id, now,
                object_id=row.id, object_name=NAMES[kind], after={"only": dict(wanted)} if wanted else None,
            )  # fmt: skip
        if not at_once:
            on_commit(partial(enqueue, Job.EXPORT, [row.id]))
    log.info("export_asked_for", export=str(row.id), kind=kind)
    return row.id


def note(kind: str, by: Actor, organization_id: UUID, wanted: Mapping[str, Any], now: datetime) -> None:
    """Write down that `by` takes along right now what is small enough to need no file of ours."""
    with transaction():
        audit.record(
            "export.asked_for", by, organization_id, now,
            object_name=NAMES[kind], after={"only": dict(wanted)} if wanted else None,
        )  # fmt: skip


def make(export_ids: Sequence[UUID], clock: Clock | None = None) -> int:
    """Make those of `export_ids` that are due and held by nobody; how many were finished. Safe to call twice."""
    clock = clock or (lambda: datetime.now(UTC))
    return sum(_make(one, clock) for one in _claim(export_ids, clock()))


def make_beside(app: Flask, export_ids: Sequence[UUID]) -> None:
    """Make them in a thread of their own, one after another: other jobs of this worker must not wait for minutes.

    If the process ends meanwhile, another one takes over when the lease has run out.
    """

    def work() -> None:
        with _one_after_another, app.app_context():
            make(export_ids)

    threading.Thread(target=work, name="exports", daemon=True).start()


def ring(now: datetime) -> int:
    """Ring for exports that are due and that nobody makes; how many. The clock calls this."""
    with transaction():
        found = db.session.execute(select(Export.id).where(_due(now)).limit(RING_AT_MOST)).scalars().all()
    for one in found:
        enqueue(Job.EXPORT, [one])
    return len(found)


def forget(now: datetime) -> int:
    """Remove files whose time is over, and rows that nobody looks at any more; how many files."""
    over = select(Export.id, Export.key).where(Export.key != "", Export.expires_at <= now).limit(FORGOTTEN_AT_ONCE)
    with transaction():
        found = db.session.execute(over).all()
    store = storage.current()
    if found and store:
        store.delete([one.key for one in found])
    with transaction():
        changed(update(Export).where(Export.id.in_([one.id for one in found])).values(key="", size=0))
        old = Export.created_at < now - LISTED, Export.status != "pending", Export.key == ""
        db.session.execute(delete(Export).where(*old))
    return len(found)


def erase(which: ColumnElement[bool], now: datetime) -> int:
    """Remove the exports that are `which`, their files first; how many, at most so many at once. One that is being made
    right now is given up, and stays until whoever makes it has noticed or let go of it."""
    with transaction():
        changed(update(Export).where(which, Export.status == "pending").values(status="dead", next_attempt_at=now))
        free = or_(Export.lease_until.is_(None), Export.lease_until <= now)
        found = db.session.execute(select(Export.id).where(which, free).limit(1_000)).scalars().all()
    store = storage.current()
    if found and store:
        store.delete([f"{ROOT}{one}" for one in found])
    with transaction():
        db.session.execute(delete(Export).where(Export.id.in_(found)).execution_options(synchronize_session=False))
    return len(found)


def being_made(which: ColumnElement[bool], now: datetime) -> bool:
    """Whether somebody holds one of the exports that are `which`."""
    with transaction():
        return bool(db.session.scalar(select(select(Export.id).where(which, Export.lease_until > now).exists())))


def link(row: Export) -> str | None:
    """An address of the store that saves the file, for five minutes; None where browsers don't reach it."""
    store = storage.current()
    return store.link(row.key, LINK_SECONDS, row.filename) if store else None


def chunks(row: Export, now: datetime) -> Iterator[bytes]:
    """The file, piece by piece. Raises Expired, or StorageError if it can't be fetched now."""
    store = storage.current()
    if row.status != "done" or not row.key or row.expired(now) or store is None:
        raise Expired("Files are kept for a week. Ask for a new one.")
    return store.chunks(row.key)


def _due(now: datetime) -> ColumnElement[bool]:
    free = or_(Export.lease_until.is_(None), Export.lease_until <= now)
    return (Export.status == "pending") & (Export.next_attempt_at <= now) & free


def _claim(export_ids: Sequence[UUID], now: datetime) -> list[Asked]:
    free = select(Export.id).where(Export.id.in_(export_ids), _due(now)).with_for_update(skip_locked=True)
    # Whoever made it has ended each time without a word: it may be the file that is too much for it.
    given_up = {"status": "dead", "lease_until": None, "finished_at": now, "last_error": ENDED}
    with transaction():
        enough = update(Export).where(Export.id.in_(free), Export.attempts >= TRIES).values(given_up)
        changed(enough.execution_options(synchronize_session=False))
        taken = db.session.execute(
            update(Export)
            .where(Export.id.in_(free))
            .values(lease_until=now + LEASE, attempts=Export.attempts + 1)
            .returning(Export.id, Export.kind, Export.organization_id, Export.user_id, Export.wanted, Export.created_at)
            .execution_options(synchronize_session=False)
        )
        return [Asked(*row) for row in taken]


def _make(asked: Asked, clock: Clock) -> bool:
    """Make one file. False if that did not work; its row then says why, and when it is tried again."""
    try:
        with tempfile.TemporaryDirectory(prefix="tokiflow-export-") as folder:
            path = Path(folder) / "file"
            filename = exporting.makers()[asked.kind](asked, path, partial(_keep, asked, clock))
            size = _put(asked, path)
    except Exception as error:
        db.session.rollback()
        log.exception("export_failed", export=str(asked.id), kind=asked.kind)
        ours = isinstance(error, errors.TokiflowError)
        _record_failure(asked, str(error) if ours else f"Tokiflow stumbled: {type(error).__name__}", clock())
        return False
    if _record_done(asked, filename, size, clock()):
        return True
    _let_go(asked)
    return False


def _put(asked: Asked, path: Path) -> int:
    """Bring the file into the store; its size in bytes."""
    store = storage.current()
    if store is None:
        raise errors.StorageError(NO_STORE)
    db.session.rollback()  # what was read is over: a slow store must not keep a connection
    store.put_file(_key(asked), path)
    return path.stat().st_size


def _key(asked: Asked) -> str:
    return f"{ROOT}{asked.id}"


def _keep(asked: Asked, clock: Clock, done: int, total: int) -> None:
    """Say how far it is, and keep the lease."""
    with transaction():
        values = {"done": done, "total": total, "lease_until": clock() + LEASE}
        changed(update(Export).where(Export.id == asked.id, Export.status == "pending").values(values))


def _let_go(asked: Asked) -> None:
    """Nobody wants it any more: what it is about was erased meanwhile. Its file goes, and then the lease."""
    store = storage.current()
    if store:
        store.delete([_key(asked)])
    with transaction():
        changed(update(Export).where(Export.id == asked.id, Export.status == "dead").values(lease_until=None))


def _record_done(asked: Asked, filename: str, size: int, now: datetime) -> bool:
    """False if it is not wanted any more."""
    values = {
        "status": "done", "filename": filename, "key": _key(asked), "size": size, "done": Export.total,
        "lease_until": None, "last_error": "", "finished_at": now, "expires_at": now + KEPT,
    }  # fmt: skip
    with transaction():
        if not changed(update(Export).where(Export.id == asked.id, Export.status == "pending").values(values)):
            return False
        log.info("export_made", export=str(asked.id), kind=asked.kind, size=size)
        if asked.wanted.get(AT_ONCE_MARK):
            return True
        user = db.session.get_one(User, asked.user_id)
        path = f"/app/settings/exports/{ids.public('exp', asked.id)}"
        context = {"filename": filename, "path": path, "days": KEPT.days}
        subject = f"Your export is ready: {filename}"
        letters.post("export_ready", user.email, subject, context, asked.organization_id, now)
    return True


def _record_failure(asked: Asked, said: str, now: datetime) -> None:
    with transaction():
        row = db.session.get(Export, asked.id, with_for_update=True, populate_existing=True)
        if row is None or row.status != "pending":
            return
        row.last_error, row.lease_until = said, None
        row.wanted = {name: value for name, value in row.wanted.items() if name != AT_ONCE_MARK}
        row.next_attempt_at = now + TRY_AGAIN * 2 ** (row.attempts - 1)
        if row.attempts >= TRIES:
            row.status, row.finished_at = "dead", now
