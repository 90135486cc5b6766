"""Erase organizations whose time is over."""

from __future__ import annotations

from datetime import UTC, datetime

from tokiflow.services import organizations


def erase_due(_: list[str]) -> int:
    """Erase for a second what is left of organizations that are due to go; how many are gone."""
    return organizations.erase_due(datetime.now(UTC))
