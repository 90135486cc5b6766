"""Bring pings that waited in a spool file into the database, each once.

How far a file has been replayed stands in the database and is written with the pings themselves; so a process that is
killed at any moment neither loses one nor counts one twice.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError

from tokiflow.core.names import Named
from tokiflow.core.signals import Ping, Progress, Signal
from tokiflow.db import db, transaction
from tokiflow.models import Spool
from tokiflow.services import pings
from tokiflow.services.pings import Incoming

log = structlog.get_logger()

FORGOTTEN_AFTER = timedelta(days=30)


def replayed(spool_id: UUID) -> int:
    """How many bytes of the spool are in the database."""
    with transaction():
        found = db.session.execute(select(Spool.replayed).where(Spool.id == spool_id)).scalar_one_or_none()
        return found or 0


def replay(spool_id: UUID, batch: Sequence[Incoming], end: int, now: datetime) -> None:
    """Record `batch`, which ends at byte `end` of the spool, and that it is done, in one transaction.

    A ping that the database refuses for what it says harms no other.
    """
    try:
        with transaction():
            if batch:
                pings.record(batch, now)
            _note(spool_id, end, now)
    except (DataError, psycopg.DataError):
        with transaction():
            for incoming in batch:
                _record_alone(incoming, now)
            _note(spool_id, end, now)


def _record_alone(incoming: Incoming, now: datetime) -> None:
    try:
        with db.session.begin_nested():
            pings.record([incoming], now)
    except (DataError, psycopg.DataError) as error:
        log.error("spooled_ping_refused", error=type(error).__name__)


def _note(spool_id: UUID, end: int, now: datetime) -> None:
    statement = insert(Spool).values(id=spool_id, replayed=end, updated_at=now)
    done = {"replayed": statement.excluded.replayed, "updated_at": statement.excluded.updated_at}
    db.session.execute(statement.on_conflict_do_update(index_elements=[Spool.id], set_=done))


def forget(spool_id: UUID, now: datetime) -> None:
    """The file is gone, so nobody will ask any more."""
    with transaction():
        db.session.execute(delete(Spool).where((Spool.id == spool_id) | (Spool.updated_at < now - FORGOTTEN_AFTER)))


def committed(number: str) -> bool | None:
    """Whether the transaction `number` was committed; None while it still goes on, in which case it is ended.

    A number this server has not given out yet is of another server, which was lost with what it had not told.
    """
    with transaction():
        newest = db.session.execute(text("select pg_snapshot_xmax(pg_current_snapshot())::text")).scalar_one()
        if int(number) >= int(newest):
            return False
        asked = {"number": number}
        status = db.session.execute(text("select pg_xact_status(cast(:number as xid8))"), asked).scalar_one()
        if status != "in progress":
            return bool(status == "committed")
        db.session.execute(text(_END_IT), asked)
        return None


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
