"""Erase what deleted monitors leave behind."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from tokiflow.services import erasures


def erase(monitor_ids: list[str]) -> int:
    """Erase some of what these monitors left; of how many nothing is left."""
    return erasures.erase([UUID(one) for one in monitor_ids], datetime.now(UTC))
