"""Erase people who wanted to go."""

from __future__ import annotations

from datetime import UTC, datetime

from tokiflow.services import people


def erase_due(_: list[str]) -> int:
    """Erase some of the people whose grace is over; how many are gone."""
    return people.erase_due(datetime.now(UTC))
