"""What can be exported: one kind a file. Each writes a file, and tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Asked:
    """What somebody asked for, copied out of its row."""

    id: UUID
    kind: str
    organization_id: UUID | None
    user_id: UUID
    wanted: Mapping[str, Any]
    at: datetime


Progress = Callable[[int, int], None]
"""`progress(done, total)`: called now and then, at least every few seconds. It keeps the lease."""

Maker = Callable[[Asked, Path, Progress], str]
"""Writes the file at this path; gives back what it is to be called. With no transaction open."""


def makers() -> Mapping[str, Maker]:
    """By kind: what makes its file."""
    from tokiflow.services.exporting import audit_csv, incidents, monitors, organization, person, report, runs

    return {
        "audit": audit_csv.make,
        "incidents": incidents.make,
        "monitors": monitors.make,
        "organization": organization.make,
        "person": person.make,
        "report": report.make,
        "runs": runs.make,
    }
