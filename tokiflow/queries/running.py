"""What runs right now in an organization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from tokiflow.core.runs import Outcome
from tokiflow.db import db
from tokiflow.models import Monitor, Run


@dataclass(frozen=True, slots=True)
class Running:
    """The run of a monitor that began at `since`; `progress` as the job told it, if it did."""

    monitor_id: UUID
    name: str
    since: datetime
    progress: dict[str, object] | None


def of_organization(organization_id: UUID, most: int) -> tuple[Sequence[Running], int]:
    """The `most` runs that go on for longest, and how many there are. One statement."""
    statement = (
        select(Monitor.id, Monitor.name, Run.at, Run.progress, func.count().over())
        .join(Run, Run.monitor_id == Monitor.id)
        .where(
            Monitor.organization_id == organization_id,
            Monitor.running > 0,
            Run.at >= Monitor.open_since,
            Run.finished_at.is_(None),
            Run.outcome.in_((Outcome.RUNNING.value, "overran")),
        )
        .order_by(Run.at, Run.id)
        .limit(most)
    )
    rows = db.session.execute(statement).all()
    return [Running(*row[:4]) for row in rows], rows[0][4] if rows else 0
