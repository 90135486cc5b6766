"""Our own processes say that they are alive, so that silence of ours is never taken for silence of a job."""

from __future__ import annotations

import atexit
import os
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from tokiflow.db import db, transaction
from tokiflow.models import Heartbeat

log = structlog.get_logger()

EVERY = timedelta(seconds=2)
DOORS = ("web", "intake")
"""The kinds of process that take pings."""
FORGOTTEN_AFTER = timedelta(hours=1)


def beat(kind: str, now: datetime | None = None, name: str | None = None) -> None:
    """This process, a `kind` (web, worker, clock), is alive."""
    now = now or datetime.now(UTC)
    name = name or f"{socket.gethostname()}:{os.getpid()}"
    with transaction():
        statement = insert(Heartbeat).values(kind=kind, name=name, started_at=now, seen_at=now)
        statement = statement.on_conflict_do_update(
            index_elements=["kind", "name"], set_={"seen_at": statement.excluded.seen_at, "left_at": None}
        )
        db.session.execute(statement)


def take_leave(kind: str) -> None:
    """This process ends, and leaves nothing behind that anybody has to wait for."""
    mine = (Heartbeat.kind == kind, Heartbeat.name == f"{socket.gethostname()}:{os.getpid()}")
    with transaction():
        db.session.execute(update(Heartbeat).where(*mine).values(left_at=func.now()))


def last_seen(*kinds: str) -> datetime | None:
    """When a process of one of `kinds` was last alive, or None if there never was one."""
    return db.session.execute(select(func.max(Heartbeat.seen_at)).where(Heartbeat.kind.in_(kinds))).scalar_one()


def doors(now: datetime) -> list[datetime]:
    """When each door that has not taken its leave was last alive with all it heard in the database."""
    statement = select(Heartbeat.seen_at).where(
        Heartbeat.kind.in_(DOORS), Heartbeat.left_at.is_(None), Heartbeat.seen_at > now - FORGOTTEN_AFTER
    )
    return list(db.session.execute(statement).scalars())


def forget(now: datetime) -> None:
    """Drop processes that are long gone, but never the last word of a kind: its silence still means something."""
    newest = select(func.max(Heartbeat.seen_at)).group_by(Heartbeat.kind)
    with transaction():
        db.session.execute(
            delete(Heartbeat).where(Heartbeat.seen_at < now - FORGOTTEN_AFTER, Heartbeat.seen_at.not_in(newest))
        )


def keep_beating(
    kind: str, scope: Callable[[], AbstractContextManager[object]], when: Callable[[], bool] = lambda: True
) -> threading.Event:
    """Beat every two seconds from a daemon thread, inside `scope()` (an app context), as long as `when()` holds.

    Set the event to stop. At the end of the process it takes its leave, unless `when()` does not hold.
    """
    stop = threading.Event()

    def leave() -> None:
        with suppress(SQLAlchemyError):
            if when():
                with scope():
                    take_leave(kind)

    def loop() -> None:
        while True:
            try:
                if when():
                    with scope():
                        beat(kind)
            except SQLAlchemyError as error:
                log.warning("heartbeat_failed", kind=kind, error=type(error).__name__)
            if stop.wait(EVERY.total_seconds()):
                return

    threading.Thread(target=loop, name=f"{kind}-heartbeat", daemon=True).start()
    atexit.register(leave)
    return stop
