"""The log of who did what, as CSV (RFC 4180, UTF-8)."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from tokiflow.core import deeds
from tokiflow.queries import audit, organizations
from tokiflow.queries.audit import Filter
from tokiflow.services.exporting import Asked, Progress
from tokiflow.services.exporting.cells import harmless

COLUMNS = (
    "number", "at", "what", "said", "by", "by_kind", "by_id", "object", "object_id", "address", "before", "after",
    "hash",
)  # fmt: skip


def make(asked: Asked, path: Path, progress: Progress) -> str:
    """Write the events up to that moment that `asked.wanted` (a queries.audit.Filter) asks for, oldest first."""
    assert asked.organization_id is not None
    slug, wanted = organizations.get(asked.organization_id).slug, _wanted(asked)
    total = audit.count(asked.organization_id, wanted)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for done, event in enumerate(audit.oldest_first(asked.organization_id, wanted), start=1):
            rows.writerow(_row(event))
            if done % audit.READ_AT_ONCE == 0:
                progress(done, total)
    return f"{slug}-audit-{asked.at:%Y-%m-%d}.csv"


def _wanted(asked: Asked) -> Filter:
    wanted, end = Filter.from_json(asked.wanted), asked.at + timedelta(microseconds=1)
    return replace(wanted, until=min(wanted.until or end, end))


def _row(event: Row[Any]) -> list[str]:
    cells = [
        event.n or "", event.at.isoformat(), event.what, deeds.said(event.what, event.by, event.object_name),
        event.by, event.by_kind, event.by_id or "", event.object_name, event.object_id or "", event.address,
        _json(event.before), _json(event.after), event.hash,
    ]  # fmt: skip
    return [harmless(cell) for cell in cells]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""
