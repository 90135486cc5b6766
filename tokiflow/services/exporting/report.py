"""A report of service levels as a file: CSV for programs and spreadsheets, PDF for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokiflow.core import ids
from tokiflow.core.monitor_draft import slug_from
from tokiflow.core.reports import Line, Report
from tokiflow.core.stretches import Stretch
from tokiflow.db import db
from tokiflow.queries import organizations, reports
from tokiflow.services.exporting import Asked, Progress, cells
from tokiflow.services.exporting.cells import moment

FORMATS = ("csv", "pdf")
COLUMNS = (
    "monitor", "monitor_id", "tags", "since", "until", "time_zone", "uptime", "down_seconds", "outages", "incidents",
    "mttr_seconds", "expected", "succeeded", "failed", "overran", "missed", "success_rate", "p95_seconds", "health",
)  # fmt: skip


def wanted(stretch: Stretch, tag: str, form: str) -> dict[str, Any]:
    """What `make` understands. form: one of FORMATS."""
    return {"format": form, "tag": tag, **stretch.to_json()}


def make(asked: Asked, path: Path, progress: Progress) -> str:
    """Write the report that `asked.wanted` (see `wanted`) describes; what the file is to be called."""
    assert asked.organization_id is not None
    organization = organizations.get(asked.organization_id)
    name, home = organization.name, organization.slug
    stretch, tag = Stretch.from_json(asked.wanted), str(asked.wanted.get("tag", ""))
    found = reports.report(asked.organization_id, name, tag, stretch, asked.at)
    # Drawing takes a while, and no connection waits for it.
    db.session.rollback()
    if asked.wanted["format"] == "pdf":
        from tokiflow.services.exporting import report_pdf

        report_pdf.write(found, path, progress)
    else:
        _write_csv(found, path)
    suffix = f"-{slug_from(tag, 'tag')}" if tag else ""
    return f"{home}-report-{_of(stretch)}{suffix}.{asked.wanted['format']}"


def _of(stretch: Stretch) -> str:
    """`2026-10`, or the first and the last day."""
    first, last = stretch.days[0], stretch.days[-1]
    whole = first.day == 1 and (first.year, first.month) == (last.year, last.month) and len(stretch.days) >= 28
    return f"{first:%Y-%m}" if whole else f"{first:%Y-%m-%d}-{last:%Y-%m-%d}"


def _write_csv(found: Report, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(cells.line(COLUMNS))
        file.writelines(cells.line(_row(one, found.stretch)) for one in found.lines)


def _row(line: Line, stretch: Stretch) -> Sequence[object]:
    return [
        line.name, ids.public("mon", line.monitor_id), ", ".join(line.tags),
        moment(stretch.since), moment(stretch.until), stretch.zone,
        _share(line.uptime.share), _seconds(line.uptime.down), line.uptime.outages, line.incidents,
        _seconds(line.uptime.mttr), line.expected, line.succeeded, line.failed, line.overran, line.missed,
        _share(line.success_rate), _seconds(line.p95), line.score,
    ]  # fmt: skip


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.6f}"


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
