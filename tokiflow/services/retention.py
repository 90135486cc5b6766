"""What is old goes: output first, then pings and runs, by the table where that can be.

Done in short steps, each of which may be the last for now: whatever is left is found again by looking.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import structlog
from flask import current_app
from sqlalchemy import text

from tokiflow import errors
from tokiflow.adapters import storage
from tokiflow.db import changed, db, transaction
from tokiflow.queries import rollups
from tokiflow.queue import Job, enqueue
from tokiflow.services import api_key_uses, audit, exports, outputs, partitions
from tokiflow.settings import Settings

log = structlog.get_logger()

STEP_SECONDS = 1.0
"""Then other jobs of this worker have their turn."""

ROWS = 2_000
PAGES = 256
"""Of a table, at a time: 2 MB, some thousand pings."""

_SWEPT = "output is gone up to page "


def keep_house(now: datetime, seconds: float = STEP_SECONDS) -> bool:
    """Make partitions, drop what is old. After about `seconds` it rings for the rest and gives False."""
    until = time.monotonic() + seconds
    try:
        for _ in _steps(now):
            if time.monotonic() > until:
                enqueue(Job.KEEP_HOUSE)
                return False
    except errors.StorageError as error:
        # Rows that name these objects are gone, so nobody misses them until the next hour.
        log.warning("old_outputs_wait", error=error.message)
    return True


def ring() -> None:
    """Ring for the house to be kept. The clock calls this, once an hour."""
    enqueue(Job.KEEP_HOUSE)


def _steps(now: datetime) -> Iterator[None]:
    """Yields where it may be left. By then something is done that need not be done again."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    oldest, oldest_output = (
        datetime.combine(now.astimezone(UTC) - timedelta(days=days), datetime.min.time(), UTC)
        for days in (settings.retention_days, settings.output_kept_days)
    )
    partitions.ensure(now)
    partitions.drop_expired(now, settings.retention_days)
    while audit.forget(now - timedelta(days=settings.audit_retention_days)):
        yield
    exports.forget(now)
    api_key_uses.forget(now)
    yield from _in_chunks("delete from pings_default", "at < :before", oldest)
    yield from _in_chunks("delete from runs_default", f"at < :before and not ({partitions.WATCHED})", oldest)
    hours = rollups.day_of(now - rollups.HOURS_KEPT)
    yield from _in_chunks("delete from rollups", "grain = 'hour' and at < :before", hours)
    has_output = "(body is not null or body_key is not null)"
    yield from _in_chunks(
        "update pings_default set body = null, body_key = null", f"at < :before and {has_output}", oldest_output
    )
    for partition in partitions.existing():
        if partition.table == "pings" and partition.ends_at <= oldest_output:
            yield from _empty(partition.name, has_output)
    yield from _remove_objects(oldest_output.date())


def _in_chunks(change: str, where: str, before: datetime) -> Iterator[None]:
    """Carry out `change` on the rows of a default table that are `where`, until there are none."""
    table = change.split()[2 if change.startswith("delete") else 1]
    some = f"select ctid from {table} where {where} limit {ROWS}"
    while True:
        with transaction():
            found = changed(text(f"{change} where ctid = any(array({some}))"), {"before": before})
        if found < ROWS:
            return
        yield


def _empty(table: str, has_output: str) -> Iterator[None]:
    """Let go of all output in the partition `table`, page by page.

    The table's comment says how far that is done, so that nobody looks through its pages again and again.
    """
    with transaction():
        size, comment = db.session.execute(
            text(
                "select pg_relation_size(oid) / current_setting('block_size')::int, obj_description(oid, 'pg_class') "
                "from pg_class where oid = to_regclass(:table)"
            ),
            {"table": table},
        ).one()
    done = int(comment.removeprefix(_SWEPT)) if comment else 0
    while done < size:
        pages, done = f"ctid >= '({done},0)' and ctid < '({done + PAGES},0)'", min(done + PAGES, size)
        with transaction():
            db.session.execute(text(f"update {table} set body = null, body_key = null where {pages} and {has_output}"))
            db.session.execute(text(f"comment on table {table} is '{_SWEPT}{done}'"))
        yield


def _remove_objects(before: date) -> Iterator[None]:
    store = storage.current()
    if store is None:
        return
    for day in store.folders(outputs.ROOT):
        if date.fromisoformat(day) < before:
            store.delete_below(f"{outputs.ROOT}{day}/")
            yield
