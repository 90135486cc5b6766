"""The clock among many monitors: a second at most, and the same few statements for one as for hundreds."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, event, func, insert, select, text, update

from tests.factories import make_channel
from tests.fixtures.database import Database
from tests.fixtures.instance import wait_until
from tokiflow.core import ids, tokens
from tokiflow.db import db, transaction
from tokiflow.local import processes
from tokiflow.models import Delivery, Heartbeat, Incident, Monitor, Organization
from tokiflow.services import overdue

MANY = 20_000
PROBES = 15


def arm(organization: Organization, deadlines: list[datetime]) -> None:
    """A monitor that is well for each of `deadlines`."""
    with transaction():
        db.session.execute(
            insert(Monitor),
            [
                {
                    "id": ids.new(), "organization_id": organization.id, "name": f"job {n}", "slug": ids.new().hex,
                    "token": tokens.new_ping_token(), "schedule_kind": "every", "schedule_seconds": 3600,
                    "grace_seconds": 300, "max_runtime_seconds": 3600, "status": "up", "last_ping_at": at,
                    "due_at": at - timedelta(seconds=300), "deadline_at": at, "watch_at": at,
                }
                for n, at in enumerate(deadlines)
            ],
        )  # fmt: skip


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    sent: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        sent.append(statement)

    engine: Engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_a_storm_takes_as_many_statements_as_one_incident(organization: Organization) -> None:
    make_channel(organization)
    now = datetime.now(UTC)
    counted = []
    for number in (1, overdue.BATCH):
        arm(organization, [now] * number)
        with statements() as sent:
            assert overdue.sweep(now) == number
        counted.append(len(sent))
    assert counted[0] == counted[1] < 25
    assert db.session.execute(select(func.count()).select_from(Delivery)).scalar_one() == 1 + overdue.BATCH


def test_a_storm_over_empty_tables_reads_none_of_them_from_end_to_end(organization: Organization) -> None:
    """PostgreSQL plans the checks of foreign keys while the first rows are written, and keeps those plans."""
    make_channel(organization)
    db.session.rollback()
    db.engine.dispose()  # a connection on which nothing was planned before
    now = datetime.now(UTC)
    arm(organization, [now] * overdue.BATCH)
    with transaction():
        assert overdue.sweep(now) == overdue.BATCH
        # What this very transaction has read so far.
        read = db.session.execute(text("select relname, seq_tup_read from pg_stat_xact_user_tables"))
        whole = {row.relname: row.seq_tup_read for row in read}
    assert {name: whole[name] for name in ("incidents", "alerts", "deliveries", "channels")} == {
        "incidents": 0, "alerts": 0, "deliveries": 0, "channels": 0,
    }  # fmt: skip


def test_a_deadline_among_many_monitors_is_noticed_within_a_second(
    database: Database, organization: Organization
) -> None:
    far = datetime.now(UTC) + timedelta(hours=3)
    arm(organization, [far + timedelta(seconds=n) for n in range(MANY)])
    command = [sys.executable, "-m", "tokiflow.cli", "clock"]
    spec = processes.Spec("clock", command, database.environment)
    clock = processes.start(spec, output=subprocess.DEVNULL)
    try:
        wait_until(lambda: _count(Heartbeat) > 0, 60, "the clock")
        delays = [_probe(number) for number in range(1, PROBES + 1)]
    finally:
        processes.stop(clock, spec.stop_signal, 20)
    # Not the slowest: on a machine that runs other tests at the same time, one pause is not the clock's.
    assert statistics.median(delays) < 1, delays


def _probe(number: int) -> float:
    """Let one monitor fall due in a moment; how many seconds after that its incident was there."""
    deadline = datetime.now(UTC) + timedelta(seconds=0.4)
    with transaction():
        one = select(Monitor.id).where(Monitor.status == "up").limit(1).scalar_subquery()
        db.session.execute(
            update(Monitor)
            .where(Monitor.id == one)
            .values(due_at=deadline, deadline_at=deadline, watch_at=deadline)
            .execution_options(synchronize_session=False)
        )
    until = time.monotonic() + 30
    while _count(Incident) < number and time.monotonic() < until:
        time.sleep(0.01)
    return (datetime.now(UTC) - deadline).total_seconds()


def _count(model: type[Incident] | type[Heartbeat]) -> int:
    with transaction():
        return db.session.execute(select(func.count()).select_from(model)).scalar_one()
