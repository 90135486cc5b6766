"""Let go of what is old."""

from __future__ import annotations

from datetime import UTC, datetime

from tokiflow.services import retention


def keep_house(_: list[str]) -> int:
    """Make partitions and drop what is old, for a second; 1 if nothing is left to do."""
    return int(retention.keep_house(datetime.now(UTC)))
