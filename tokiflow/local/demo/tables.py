"""Many rows at once, with COPY: a month of a job that runs every minute is 43,200 of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from tokiflow.db import db

RUNS = (
    "id", "monitor_id", "at", "started_at", "finished_at", "deadline_at", "overran_at", "due_at", "duration_ms",
    "outcome", "exit_code", "output_at", "output_n", "output_size", "progress", "metrics",
)  # fmt: skip
PINGS = (
    "monitor_id", "n", "at", "signal", "run_id", "exit_code", "duration_ms", "message", "progress", "metrics", "method",
    "source", "user_agent", "body", "body_size",
)  # fmt: skip
_DEFAULTS: Mapping[str, Any] = {"output_size": 0}


def copy(table: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write `rows` into `table`, in the transaction at hand."""
    raw = db.session.connection().connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    command = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(sql.Identifier(column) for column in columns)
    )
    with raw.cursor() as cursor, cursor.copy(command) as writer:
        for row in rows:
            writer.write_row([_value(row.get(column, _DEFAULTS.get(column))) for column in columns])


def _value(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value
