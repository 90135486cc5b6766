"""The list of monitors, as CSV (RFC 4180, UTF-8): what its filters find, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from tokiflow.core import ids, schedule
from tokiflow.core.status import Status
from tokiflow.models import Monitor
from tokiflow.queries import monitors, organizations
from tokiflow.queries.monitors import Filter
from tokiflow.services.exporting import Asked, Progress, cells
from tokiflow.services.exporting.cells import moment

COLUMNS = (
    "id", "name", "slug", "status", "running", "tags", "schedule", "schedule_kind", "grace_seconds",
    "max_runtime_seconds", "early_tolerance_seconds", "failures_to_open", "successes_to_resolve", "last_ping_at",
    "due_at", "deadline_at", "paused_until", "paused_by", "ping_count", "created_at", "description",
)  # fmt: skip
SMALL = 2_000
"""So many monitors are quick enough to be sent while somebody waits."""


def make(asked: Asked, path: Path, progress: Progress) -> str:
    """Write those that `asked.wanted` (see `to_json`) asks for, as they are when it is made."""
    assert asked.organization_id is not None
    wanted = _from_json(asked.wanted)
    total = monitors.count(asked.organization_id, wanted, asked.at)
    cells.write(path, lines(asked.organization_id, wanted, asked.at), monitors.READ_AT_ONCE, total, progress)
    return filename(asked.organization_id, asked.at)


def filename(organization_id: UUID, at: datetime) -> str:
    """`harbour-freight-monitors-2026-11-29.csv`"""
    return f"{organizations.get(organization_id).slug}-monitors-{at:%Y-%m-%d}.csv"


def lines(organization_id: UUID, wanted: Filter, now: datetime) -> Iterator[str]:
    """The file, line by line, its head first. Pings are sent with a monitor's token, so that is not in it."""
    yield cells.line(COLUMNS)
    for monitor in monitors.all_by_name(organization_id, wanted, now):
        yield cells.line(_cells(monitor, now))


def to_json(wanted: Filter) -> dict[str, str]:
    """What an export remembers of a filter."""
    kept = {"words": wanted.words, "status": wanted.status.value if wanted.status else "", "tag": wanted.tag}
    return {name: value for name, value in kept.items() if value}


def _from_json(kept: Mapping[str, Any]) -> Filter:
    status = kept.get("status")
    return Filter(kept.get("words", ""), Status(status) if status else None, kept.get("tag", ""))


def _cells(one: Monitor, now: datetime) -> tuple[object, ...]:
    plan = schedule.from_columns(
        one.schedule_kind, one.schedule_seconds, one.schedule_expression, one.schedule_timezone
    )
    return (
        ids.public("mon", one.id), one.name, one.slug, monitors.shown_status(one, now).value, one.running,
        ", ".join(one.tags), schedule.describe(plan), one.schedule_kind, one.grace_seconds, one.max_runtime_seconds,
        one.early_tolerance_seconds, one.failures_to_open, one.successes_to_resolve, moment(one.last_ping_at),
        moment(one.due_at), moment(one.deadline_at), moment(one.paused_until), one.paused_by, one.ping_count,
        moment(one.created_at), one.description,
    )  # fmt: skip
