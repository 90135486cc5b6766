"""The statements that record a batch of pings: a handful, whatever its size, and each one round trip.

No object of the ORM is made here. Rows go to PostgreSQL as one JSON parameter a table, which costs a fifth of what
arrays of parameters do (docs/decisions/009), on the connection of the session, so that all that follows from a ping,
incidents and promises, is in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import namedtuple_row, tuple_row

from tokiflow.core.runs import Run
from tokiflow.db import db
from tokiflow.services import monitor_rows

Row = Mapping[str, Any]


class Watched(NamedTuple):
    """What a ping needs to know of its monitor, in the order of `_LOCK`."""

    id: UUID
    token: str
    rules: tuple[Any, ...]
    capture_output: bool
    redaction_patterns: tuple[str, ...]
    status: str
    due_at: datetime | None
    deadline_at: datetime | None
    bad: int
    good: int
    misses: int
    last_ping_at: datetime | None
    paused_until: datetime | None
    flapping: bool
    ping_count: int
    open_since: datetime | None
    watch_at: datetime | None
    rate_at: datetime | None
    limited_at: datetime | None


_LOCK = f"""
select {", ".join(f"m.{name}" for name in monitor_rows.RULES)},
       m.id, m.token, m.capture_output, o.redaction_patterns, m.status, m.due_at, m.deadline_at, m.bad, m.good,
       m.misses, m.last_ping_at, m.paused_until, m.flapping, m.ping_count, m.open_since,
       m.watch_at, m.rate_at, m.limited_at
from monitors m join organizations o on o.id = m.organization_id
where m.token = any(%s)
order by m.id
for no key update of m
"""
_RULES = len(monitor_rows.RULES)
"""So many of its columns are the rules, which are the same at each ping."""

_RUNS = """
select id, monitor_id, rid, environment, started_at, finished_at, deadline_at, outcome, duration_ms, overran_at,
       last_log, last_log_at
from runs
where monitor_id = any(%(monitors)s) and at >= %(since)s and finished_at is null
  and (outcome = 'running' or outcome = 'overran' and at > %(overran_since)s)
"""
_RUNS_BY_RID = """
select id, monitor_id, rid, environment, started_at, finished_at, deadline_at, outcome, duration_ms, overran_at,
       last_log, last_log_at
from runs
where monitor_id = any(%(monitors)s) and rid = any(%(rids)s) and at > %(rid_since)s
"""

_INSERT_PINGS = """
insert into pings (monitor_id, at, n, signal, run_id, rid, exit_code, duration_ms, environment, message, progress,
                   metrics, method, source, user_agent, body, body_size, body_cut)
select monitor_id, at, n, signal, run_id, rid, exit_code, duration_ms, coalesce(environment, ''),
       coalesce(message, ''), progress, metrics, method, coalesce(source, ''), coalesce(user_agent, ''),
       (%b::bytea[])[body], coalesce(body_size, 0), body_cut
from jsonb_to_recordset(%s::jsonb) as x (
    monitor_id uuid, at timestamptz, n int, signal text, run_id uuid, rid uuid, exit_code int, duration_ms bigint,
    environment text, message text, progress jsonb, metrics jsonb, method text, source text, user_agent text,
    body int, body_size int, body_cut int)
"""

_INSERT_RUNS = """
insert into runs (id, monitor_id, rid, environment, at, started_at, finished_at, deadline_at, overran_at, outcome,
                  duration_ms, exit_code, message, output_at, output_n, output_size, output_cut, progress, metrics,
                  last_log, last_log_at)
select id, monitor_id, rid, coalesce(environment, ''), at, started_at, finished_at, deadline_at, overran_at, outcome,
       duration_ms, exit_code, coalesce(message, ''), output_at, output_n, coalesce(output_size, 0), output_cut,
       progress, coalesce(metrics, '{}'), last_log, last_log_at
from jsonb_to_recordset(%s::jsonb) as x (
    id uuid, monitor_id uuid, rid uuid, environment text, at timestamptz, started_at timestamptz,
    finished_at timestamptz, deadline_at timestamptz, overran_at timestamptz, outcome text, duration_ms bigint,
    exit_code int, message text, output_at timestamptz, output_n int, output_size int, output_cut int, progress jsonb,
    metrics jsonb, last_log text, last_log_at timestamptz)
"""

# What a ping did not speak of stays as it is.
_UPDATE_RUNS = """
update runs r
set started_at = x.started_at, finished_at = x.finished_at, deadline_at = x.deadline_at, overran_at = x.overran_at,
    outcome = x.outcome, duration_ms = x.duration_ms, exit_code = coalesce(x.exit_code, r.exit_code),
    message = coalesce(x.message, r.message), output_at = coalesce(x.output_at, r.output_at),
    output_n = coalesce(x.output_n, r.output_n), output_size = coalesce(x.output_size, r.output_size),
    output_cut = coalesce(x.output_cut, r.output_cut), progress = coalesce(x.progress, r.progress),
    metrics = r.metrics || coalesce(x.metrics, '{}'), last_log = coalesce(x.last_log, r.last_log),
    last_log_at = coalesce(x.last_log_at, r.last_log_at)
from jsonb_to_recordset(%s::jsonb) as x (
    id uuid, at timestamptz, started_at timestamptz, finished_at timestamptz, deadline_at timestamptz,
    overran_at timestamptz, outcome text, duration_ms bigint, exit_code int, message text, output_at timestamptz,
    output_n int, output_size int, output_cut int, progress jsonb, metrics jsonb, last_log text,
    last_log_at timestamptz)
where r.id = x.id and r.at = x.at and r.at >= %s
"""

_UPDATE_MONITORS = """
update monitors m
set status = x.status, due_at = x.due_at, deadline_at = x.deadline_at, bad = x.bad, good = x.good, misses = x.misses,
    first_ping_at = case when m.last_ping_at is null then x.first_ping_at else m.first_ping_at end,
    last_ping_at = x.last_ping_at, flapping = x.flapping, running = x.running, open_since = x.open_since,
    watch_at = x.watch_at, ping_count = x.ping_count, rate_at = x.rate_at, limited_at = x.limited_at
from jsonb_to_recordset(%s::jsonb) as x (
    id uuid, status text, due_at timestamptz, deadline_at timestamptz, bad int, good int, misses int,
    first_ping_at timestamptz, last_ping_at timestamptz, flapping boolean, running int, open_since timestamptz,
    watch_at timestamptz, ping_count int, rate_at timestamptz, limited_at timestamptz)
where m.id = x.id
"""


_INSERT_OFFLOADS = """
insert into offloads (monitor_id, at, n)
select monitor_id, at, n from jsonb_to_recordset(%s::jsonb) as x (monitor_id uuid, at timestamptz, n int)
"""


def connection() -> psycopg.Connection[Any]:
    """The session's connection, as the driver knows it."""
    raw = db.session.connection().connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw


def lock(raw: psycopg.Connection[Any], tokens: Collection[str]) -> tuple[str, list[Watched]]:
    """This transaction's id, and the monitors with `tokens`, locked in the order of their ids."""
    with raw.pipeline(), raw.cursor(row_factory=tuple_row) as asking, raw.cursor(row_factory=tuple_row) as locking:
        # Whoever loses the connection while it commits can ask what became of it: pg_xact_status(id).
        asking.execute("select pg_current_xact_id()::text", prepare=True)
        locking.execute(_LOCK, [list(tokens)], binary=True, prepare=True)
        (number,) = asking.fetchone() or ("",)
        rows = locking.fetchall()
    return number, [
        Watched(row[_RULES], row[_RULES + 1], row[:_RULES], row[_RULES + 2], tuple(row[_RULES + 3]), *row[_RULES + 4 :])
        for row in rows
    ]


def runs_at_hand(
    raw: psycopg.Connection[Any],
    monitor_ids: Sequence[UUID],
    since: datetime | None,
    overran_since: datetime,
    rids: Sequence[UUID],
    rid_since: datetime,
) -> list[tuple[UUID, Run]]:
    """With their monitors: the open runs that began at or after `since` (None: there are none), and the runs with one
    of `rids` after `rid_since`."""
    asked = [_RUNS] if since else []
    asked += [_RUNS_BY_RID] if rids else []
    if not asked:
        return []
    told = {
        "monitors": list(monitor_ids),
        "since": since,
        "overran_since": overran_since,
        "rids": list(rids),
        "rid_since": rid_since,
    }
    with raw.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = cursor.execute("union".join(asked), told, binary=True, prepare=True).fetchall()
    return [(row.monitor_id, monitor_rows.run(row)) for row in rows]


def write(
    raw: psycopg.Connection[Any],
    pings: Sequence[Row],
    bodies: Sequence[bytes],
    new_runs: Sequence[Row],
    known_runs: Sequence[Row],
    monitors: Sequence[Row],
    offloads: Sequence[Row],
) -> None:
    """Write all of it in one round trip. A ping's `body` is its place in `bodies`, counted from 1."""
    with raw.pipeline(), raw.cursor() as cursor:
        if pings:
            cursor.execute(_INSERT_PINGS, [list(bodies) or [b""], _json(pings)], binary=True, prepare=True)
        if new_runs:
            cursor.execute(_INSERT_RUNS, [_json(new_runs)], prepare=True)
        if known_runs:
            earliest = min(row["at"] for row in known_runs)
            cursor.execute(_UPDATE_RUNS, [_json(known_runs), earliest], prepare=True)
        cursor.execute(_UPDATE_MONITORS, [_json(monitors)], prepare=True)
        if offloads:
            cursor.execute(_INSERT_OFFLOADS, [_json(offloads)], prepare=True)


def _json(rows: Sequence[Row]) -> str:
    try:
        return orjson.dumps(rows).decode()
    except TypeError:
        # Half a character, say. What the database would have answered.
        raise psycopg.DataError("a ping says something that is no text") from None
