"""Which schedule a monitor had when, as the audit log has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, or_, select

from tokiflow.core import schedule
from tokiflow.core.schedule import Schedule
from tokiflow.db import db
from tokiflow.models import AuditEvent, Monitor

_EVER = datetime.min.replace(tzinfo=UTC)
_COLUMNS = ("schedule_kind", "schedule_seconds", "schedule_expression", "schedule_timezone")


@dataclass(frozen=True)
class Schedules:
    """The schedules of one monitor, each with the moment since which it held, the latest first."""

    spells: Sequence[tuple[datetime, Schedule]]
    first_ping_at: datetime | None = None

    def planned(self, start: datetime, end: datetime) -> int:
        """How many runs were planned after `start`, up to and including `end`, each by the schedule of its time.

        The run by which the job was first heard of is one of them: nothing was expected before, and yet it ran.
        """
        number = int(self.first_ping_at is not None and start <= self.first_ping_at < end)
        for since, plan in self.spells:
            if since < end:
                number += schedule.count_between(plan, max(start, since), end)
                end = max(start, since)
        return number


def of(monitor: Monitor, since: datetime) -> Schedules:
    """Those that held after `since`. One statement, or none if it was never edited."""
    columns = {name: getattr(monitor, name) for name in _COLUMNS}
    spells = []
    edits = db.session.execute(_edits(monitor, since)).all() if monitor.version else ()
    for at, before in edits:
        spells.append((at, schedule.from_columns(*columns.values())))
        columns |= {name: value for name, value in before.items() if name in columns}
    return Schedules([*spells, (_EVER, schedule.from_columns(*columns.values()))], monitor.first_ping_at)


def _edits(monitor: Monitor, since: datetime) -> Select[datetime, dict[str, Any]]:
    event = AuditEvent
    return (
        select(event.at, event.before)
        .where(event.organization_id == monitor.organization_id, event.object_id == monitor.id, event.at > since)
        .where(event.what == "monitor.edited", or_(*(event.before.has_key(name) for name in _COLUMNS)))
        .order_by(event.at.desc(), event.id.desc())
    )
