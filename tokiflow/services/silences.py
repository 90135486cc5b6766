"""Why nobody is told of a monitor's trouble right now, although it is trouble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tokiflow.services.monitor_rows import MonitorRow


@dataclass(frozen=True)
class Silence:
    """reason: maintenance, dependency, quiet_hours or muted. words: a clause, like `maintenance “Upgrade” until 06:00`.

    until: when it ends, if that is known. blocked_by: the monitor that is down, if it is for that.
    """

    reason: str
    words: str
    until: datetime | None = None
    blocked_by: UUID | None = None


def of(rows: Sequence[MonitorRow], now: datetime) -> dict[UUID, Silence]:
    """By monitor: what keeps its trouble silent at `now`. Monitors that nothing silences are left out."""
    return {}
