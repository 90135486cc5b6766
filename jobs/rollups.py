"""Count runs by the hour and the day."""

from __future__ import annotations

from datetime import UTC, datetime

from tokiflow.services import rollups


def roll_up(_: list[str]) -> int:
    """Make the roll-ups that are to be made, for a second; 1 if nothing is left to do."""
    return int(rollups.roll_up(datetime.now(UTC)))
