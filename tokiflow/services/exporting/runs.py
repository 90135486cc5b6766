"""The runs of a monitor, as CSV (RFC 4180, UTF-8), newest first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.models import Monitor, Run
from tokiflow.queries import monitors, runs
from tokiflow.services.exporting import Asked, Progress, cells
from tokiflow.services.exporting.cells import moment

COLUMNS = (
    "id", "monitor", "monitor_id", "outcome", "at", "started_at", "finished_at", "duration_seconds", "exit_code",
    "environment", "message", "rid", "due_at", "deadline_at", "overran_at", "output_bytes", "metrics", "unusual",
)  # fmt: skip
SMALL = 5_000
"""So many runs are quick enough to be sent while somebody waits."""


def make(asked: Asked, path: Path, progress: Progress) -> str:
    """Write the runs up to that moment of the monitor `asked.wanted["monitor"]`. Raises NotFound if it is gone."""
    monitor = monitors.find(asked.organization_id, UUID(asked.wanted["monitor"])) if asked.organization_id else None
    if monitor is None:
        raise errors.NotFound("The monitor is gone, and its runs with it.")
    called = filename(monitor, asked.at)
    total = runs.count(monitor.id, asked.at)
    cells.write(path, lines(monitor, asked.at), runs.READ_AT_ONCE, total, progress)
    return called


def filename(monitor: Monitor, at: datetime) -> str:
    """`nightly-backup-runs-2026-11-29.csv`"""
    return f"{monitor.slug}-runs-{at:%Y-%m-%d}.csv"


def lines(monitor: Monitor, until: datetime) -> Iterator[str]:
    """The file, line by line, its head first."""
    name, public = monitor.name, ids.public("mon", monitor.id)
    yield cells.line(COLUMNS)
    for run in runs.newest_first(monitor.id, until):
        yield cells.line(_cells(run, name, public))


def _cells(run: Run, name: str, public: str) -> tuple[object, ...]:
    return (
        ids.public("run", run.id), name, public, run.outcome, moment(run.at), moment(run.started_at),
        moment(run.finished_at), "" if run.duration_ms is None else run.duration_ms / 1000, run.exit_code,
        run.environment, run.message, run.rid, moment(run.due_at), moment(run.deadline_at), moment(run.overran_at),
        run.output_size, _json(run.metrics), _json(run.findings),
    )  # fmt: skip


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""
