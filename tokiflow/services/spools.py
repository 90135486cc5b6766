"""Bring pings that waited in a spool file into the database, each once.

How far a file has been replayed stands in the database and is written with the pings themselves; so a process that is
killed at any moment neither loses one nor counts one twice.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import delete, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError, IntegrityError

from tokiflow.core.names import Known, Named
from tokiflow.core.signals import Ping, Progress, Signal
from tokiflow.db import db, transaction
from tokiflow.models import Monitor, Spool
from tokiflow.models import Ping as PingRow
from tokiflow.services import names, pings
from tokiflow.services.pings import Incoming

log = structlog.get_logger()

FORGOTTEN_AFTER = timedelta(days=30)

_REFUSED = (DataError, IntegrityError, psycopg.DataError, psycopg.IntegrityError)
"""What the database says to a ping that it will never take."""


def replayed(spool_id: UUID) -> int:
    """How many bytes of the spool are in the database."""
    with transaction():
        found = db.session.execute(select(Spool.replayed).where(Spool.id == spool_id)).scalar_one_or_none()
        return found or 0


def replay(spool_id: UUID, batch: Sequence[Incoming], end: int, now: datetime) -> None:
    """Record `batch`, which ends at byte `end` of the spool, and that it is done, in one transaction; nothing if it was
    done before. A ping that the database refuses for what it says harms no other.
    """
    try:
        _replay(spool_id, batch, end, now, lambda: pings.record(batch, now))
    except _REFUSED:
        _replay(spool_id, batch, end, now, lambda: _record_each(batch, now))


def _replay(spool_id: UUID, batch: Sequence[Incoming], end: int, now: datetime, record: Callable[[], object]) -> None:
    with transaction():
        # Asked anew each time, and with the row locked: an earlier try may have been committed, or may still be on its
        # way to that, and only the answer was lost.
        if _begin(spool_id, now) >= end:
            return
        if batch:
            record()
        db.session.execute(update(Spool).where(Spool.id == spool_id).values(replayed=end))


def _begin(spool_id: UUID, now: datetime) -> int:
    """Lock the spool's row, made if need be; how many bytes are in the database."""
    statement = insert(Spool).values(id=spool_id, replayed=0, updated_at=now)
    statement = statement.on_conflict_do_update(index_elements=[Spool.id], set_={"updated_at": now})
    return db.session.execute(statement.returning(Spool.replayed)).scalar_one()


def _record_each(batch: Sequence[Incoming], now: datetime) -> None:
    for incoming in batch:
        try:
            with db.session.begin_nested():
                pings.record([incoming], now)
        except _REFUSED as error:
            log.error("spooled_ping_refused", error=type(error).__name__)


def forget(spool_id: UUID, now: datetime) -> None:
    """The file is gone, so nobody will ask any more."""
    with transaction():
        db.session.execute(delete(Spool).where((Spool.id == spool_id) | (Spool.updated_at < now - FORGOTTEN_AFTER)))


def committed(number: str, batch: Sequence[Incoming], now: datetime) -> bool | None:
    """Whether the transaction `number` recorded `batch`; None while it still goes on, in which case it is ended.

    That it was committed is not enough: when PostgreSQL crashes before a number is on disk, it gives it to another
    transaction afterwards. So the pings must be there as well.
    """
    with transaction():
        # A number of our own is the newest. (Beyond pg_snapshot_xmax there may be some that are still in progress.)
        newest = db.session.execute(text("select pg_current_xact_id()::text")).scalar_one()
        if int(number) > int(newest):
            return False
        asked = {"number": number}
        status = db.session.execute(text("select pg_xact_status(cast(:number as xid8))"), asked).scalar_one()
        if status == "in progress":
            db.session.execute(text(_END_IT), asked)
            return None
        return status != "aborted" and _are_there(batch, now)


def _are_there(batch: Sequence[Incoming], now: datetime) -> bool:
    """Whether any ping of `batch` is kept, known by its monitor and the microsecond it came; all are, then. None is if
    all were repetitions, which do no harm a second time."""
    named = [replace(one.to, create=False) for one in batch if isinstance(one.to, Named)]
    resolved = iter(names.resolve(named, now) if named else ())
    tokens = [next(resolved) if isinstance(one.to, Named) else Known(one.to) for one in batch]
    said = [
        (to.token, one.ping.at, one.ping.signal.value, one.ping.source)
        for to, one in zip(tokens, batch, strict=True)
        if isinstance(to, Known)
    ]
    statement = (
        select(PingRow.n)
        .join(Monitor, Monitor.id == PingRow.monitor_id)
        # The first two are for the index.
        .where(Monitor.token.in_({one[0] for one in said}), PingRow.at.in_({one[1] for one in said}))
        .where(tuple_(Monitor.token, PingRow.at, PingRow.signal, PingRow.source).in_(said))
    )
    return db.session.execute(statement.limit(1)).first() is not None


_END_IT = """
select pg_terminate_backend(pid) from pg_stat_activity
where backend_xid = cast(cast(:number as xid8) as xid) and pid <> pg_backend_pid()
"""


def pack(batch: Sequence[Incoming], number: str | None) -> bytes:
    """`batch` as bytes. `number` is the transaction that may have recorded it already."""
    return json.dumps({"transaction": number, "pings": [_said(one) for one in batch]}).encode()


def unpack(content: bytes) -> tuple[list[Incoming], str | None]:
    """What `pack` was given; the pings are promised by now."""
    said = json.loads(content)
    return [_incoming(one) for one in said["pings"]], said["transaction"]


def _said(incoming: Incoming) -> dict[str, Any]:
    ping = incoming.ping
    plain = {name: value for name, value in ping._asdict().items() if value}
    return plain | {
        "to": incoming.to if isinstance(incoming.to, str) else asdict(incoming.to),
        "progress": asdict(ping.progress) if ping.progress else None,
        "metrics": dict(ping.metrics),
        "at": ping.at.isoformat(),
        "rid": str(ping.rid) if ping.rid else None,
        "exit_code": ping.exit_code,
        "duration_ms": ping.duration_ms,
        "body_cut": ping.body_cut,
        "body": base64.b64encode(ping.body).decode(),
    }


def _incoming(said: dict[str, Any]) -> Incoming:
    to, progress = said.pop("to"), said.pop("progress")
    ping = Ping(
        **said
        | {
            "signal": Signal(said["signal"]),
            "at": datetime.fromisoformat(said["at"]),
            "rid": UUID(said["rid"]) if said["rid"] else None,
            "progress": Progress(**progress) if progress else None,
            "body": base64.b64decode(said["body"]),
        }
    )
    return Incoming(to if isinstance(to, str) else Named(**to), ping, promised=True)
