"""A month that has already happened: millions of old rows in `runs` and `pings`, and what it costs to forget a day.

Rows are written through the tables themselves, never into one of their parts, a day at a time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bench.town import Connection, Town, count, settle
from tokiflow import settings
from tokiflow.bare import create_bare_app
from tokiflow.services import partitions

DAYS = 30
RUNS_A_DAY = 24
"""The jobs are hourly; each run has one ping."""


def make_room(town: Town, now: datetime) -> None:
    """Make the parts of the tables that rows of the last `DAYS` go into."""
    app = create_bare_app(settings.load(town.environment))
    with app.app_context():
        partitions.ensure(now, days_back=DAYS)


def fill(town: Town, connection: Connection, rows: int) -> None:
    """About `rows` old runs and as many old pings, of as many monitors as it takes, over the last `DAYS` days."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    make_room(town, now)
    connection.execute(
        "create temporary table chosen as select id, ping_count from monitors order by name limit %s",
        [max(1, rows // (DAYS * RUNS_A_DAY))],
    )
    # Foreign keys are not looked up for each of these rows: we know whose they are.
    connection.execute("set session_replication_role = replica")
    for day in range(DAYS):
        _fill_day(connection, midnight - timedelta(days=DAYS - day), day * RUNS_A_DAY)
    connection.execute("reset session_replication_role")
    connection.execute(
        "update monitors set ping_count = monitors.ping_count + %s from chosen where chosen.id = monitors.id",
        [DAYS * RUNS_A_DAY],
    )
    connection.execute("drop table chosen")
    settle(connection)


def _fill_day(connection: Connection, midnight: datetime, before: int) -> None:
    """The 24 hours from `midnight` on; `before` is how many runs each monitor has had until then."""
    connection.execute(
        """
        with made as materialized (
            select uuidv7(at - now()) as id, chosen.id as monitor_id, chosen.ping_count + %s + hour as n, at
            from generate_series(1, %s) hour, chosen,
                lateral (select %s + hour * interval '1 hour' - random() * interval '1 hour') as spread (at)
        ),
        ran as (
            insert into runs (id, monitor_id, at, started_at, finished_at, duration_ms, outcome)
            select id, monitor_id, at, at - interval '60 s', at, 60000, 'success' from made
        )
        insert into pings (monitor_id, n, at, signal, run_id, method, source)
        select monitor_id, n, at, 'success', id, 'GET', '127.0.0.1' from made
        """,
        [before, RUNS_A_DAY, midnight],
    )


def forget(connection: Connection) -> Iterator[tuple[str, str]]:
    """What it costs to be rid of the oldest day of pings: dropping its part, where there is one, and deleting."""
    for part in _parts(connection)[:1]:
        rows = count(connection, f"select count(*) from {part}")
        yield f"drop the oldest part of pings ({rows:,} rows)", _took(connection, f"drop table {part}")
    row = connection.execute("select date_trunc('day', min(at)) + interval '1 day' from pings").fetchone()
    assert row is not None
    rows = count(connection, "select count(*) from pings where at < %s", row[0])
    delete = "delete from pings where at < %s"
    yield f"delete the oldest day of pings ({rows:,} rows)", _took(connection, delete, row[0])
    yield "and the vacuum that is due after it", _took(connection, "vacuum pings")


def _parts(connection: Connection) -> list[str]:
    """The parts of `pings` that hold something, the oldest first; none of a plain table."""
    named = "select inhrelid::regclass::text from pg_inherits where inhparent = 'pings'::regclass"
    found = []
    for (part,) in connection.execute(named).fetchall():
        row = connection.execute(f"select min(at) from {part}").fetchone()
        if row is not None and row[0] is not None:
            found.append((row[0], part))
    return [part for _, part in sorted(found)]


def _took(connection: Connection, statement: str, *values: object) -> str:
    began = time.perf_counter()
    connection.execute(statement, values)
    return f"{time.perf_counter() - began:,.3f} s"
