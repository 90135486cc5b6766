"""Verify audit logs."""

from __future__ import annotations

from datetime import UTC, datetime

from tokiflow.services import audit_walks


def walk(_: list[str]) -> int:
    """Walk along the logs that are due, for a moment; 1 if nothing is left to do."""
    return int(audit_walks.walk_due(datetime.now(UTC)))
