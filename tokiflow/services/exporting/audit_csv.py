"""The log of who did what, as CSV (RFC 4180, UTF-8)."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tokiflow.models import AuditEvent
from tokiflow.queries import audit, organizations
from tokiflow.services.exporting import Asked, Progress

COLUMNS = ("number", "at", "what", "by", "by_kind", "object", "object_id", "address", "before", "after")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def make(asked: Asked, path: Path, progress: Progress) -> str:
    """Write all events that `asked.wanted` asks for, oldest first."""
    assert asked.organization_id is not None
    organization = organizations.get(asked.organization_id)
    total = audit.count(organization.id, asked.at)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for done, event in enumerate(audit.oldest_first(organization.id, asked.at), start=1):
            rows.writerow(_row(event))
            if done % audit.READ_AT_ONCE == 0:
                progress(done, total)
    return f"{organization.slug}-audit-{asked.at:%Y-%m-%d}.csv"


def _row(event: AuditEvent) -> list[str]:
    cells = [
        event.n or "", event.at.isoformat(), event.what, event.by, event.by_kind, event.object_name,
        event.object_id or "", event.address, _json(event.before), _json(event.after),
    ]  # fmt: skip
    return [_harmless(str(cell)) for cell in cells]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""


def _harmless(cell: str) -> str:
    """A spreadsheet must not take what a stranger wrote for a formula (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell
