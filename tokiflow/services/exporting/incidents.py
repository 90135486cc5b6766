"""The list of incidents, as CSV (RFC 4180, UTF-8): what its filters find, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from tokiflow.core import ids
from tokiflow.models import Incident, Monitor
from tokiflow.queries import incidents, organizations
from tokiflow.queries.incidents import Filter
from tokiflow.services.exporting import Asked, Progress, cells
from tokiflow.services.exporting.cells import moment

COLUMNS = (
    "id", "monitor", "monitor_id", "tags", "kind", "severity", "status", "summary", "reason", "opened_at",
    "acknowledged_at", "acknowledged_by", "resolved_at", "resolved_by", "lasted_seconds", "came_back", "assigned_to",
    "muted_until",
)  # fmt: skip
SMALL = 2_000
"""So many incidents are quick enough to be sent while somebody waits."""


def make(asked: Asked, path: Path, progress: Progress) -> str:
    """Write those opened up to that moment that `asked.wanted` (a queries.incidents.Filter) asks for."""
    assert asked.organization_id is not None
    wanted, end = Filter.from_json(asked.wanted), asked.at + timedelta(microseconds=1)
    wanted = replace(wanted, until=min(wanted.until or end, end))
    total = incidents.count(asked.organization_id, wanted)
    cells.write(path, lines(asked.organization_id, wanted), incidents.READ_AT_ONCE, total, progress)
    return filename(asked.organization_id, asked.at)


def filename(organization_id: UUID, at: datetime) -> str:
    """`harbour-freight-incidents-2026-11-29.csv`"""
    return f"{organizations.get(organization_id).slug}-incidents-{at:%Y-%m-%d}.csv"


def lines(organization_id: UUID, wanted: Filter) -> Iterator[str]:
    """The file, line by line, its head first."""
    yield cells.line(COLUMNS)
    for incident, monitor, assigned_to in incidents.newest_first(organization_id, wanted):
        yield cells.line(_cells(incident, monitor, assigned_to))


def _cells(incident: Incident, monitor: Monitor, assigned_to: str) -> tuple[object, ...]:
    ended = incident.resolved_at
    return (
        ids.public("inc", incident.id), monitor.name, ids.public("mon", monitor.id), ", ".join(monitor.tags),
        incident.kind, incident.severity, incident.status, incident.summary, incident.reason,
        moment(incident.opened_at), moment(incident.acknowledged_at), incident.acknowledged_by, moment(ended),
        incident.resolved_by, round((ended - incident.opened_at).total_seconds()) if ended else "", incident.reopened,
        assigned_to, moment(incident.muted_until),
    )  # fmt: skip
