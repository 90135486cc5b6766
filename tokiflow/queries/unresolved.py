"""What is wrong now in an organization: outages apart from what only gets worse, and how many of each there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import aliased, joinedload

from tokiflow.db import db
from tokiflow.models import Incident, User


@dataclass(frozen=True)
class Unresolved:
    """The first incidents of each class, with their monitors: what nobody has acknowledged first, then the newest.
    `hands` are the names of whom they are assigned to, by person."""

    outages: Sequence[Incident]
    outage_count: int
    acknowledged: int
    performance: Sequence[Incident]
    performance_count: int
    hands: dict[UUID, str]

    @property
    def count(self) -> int:
        """All of them."""
        return self.outage_count + self.performance_count


LOOK_BACK = timedelta(days=30)


def last_resolved(organization_id: UUID, now: datetime) -> Incident | None:
    """Of the incidents that opened within LOOK_BACK the one that ended last, with its monitor."""
    statement = (
        select(Incident)
        .where(Incident.organization_id == organization_id, Incident.opened_at > now - LOOK_BACK)
        .where(Incident.resolved_at.is_not(None))
        .options(joinedload(Incident.monitor))
        .order_by(Incident.resolved_at.desc())
        .limit(1)
    )
    return db.session.execute(statement).scalar_one_or_none()


def of_organization(organization_id: UUID, most: int) -> Unresolved:
    """At most `most` of each class. One statement."""
    order = (Incident.status.desc(), Incident.opened_at.desc(), Incident.id)
    class_ = Incident.class_
    mine = (
        select(
            Incident,
            func.row_number().over(partition_by=class_, order_by=order).label("place"),
            func.count().over(partition_by=class_).label("of_class"),
            func.count().filter(Incident.status == "acknowledged").over(partition_by=class_).label("acknowledged"),
        )
        .where(Incident.organization_id == organization_id, Incident.resolved_at.is_(None))
        .subquery()
    )
    one = aliased(Incident, mine)
    statement = (
        select(one, mine.c.of_class, mine.c.acknowledged, func.coalesce(func.nullif(User.name, ""), User.email))
        .outerjoin(User, User.id == one.assigned_to)
        .options(joinedload(one.monitor))
        .where(mine.c.place <= most)
        .order_by(mine.c.place)
    )
    rows = db.session.execute(statement).all()
    outages = [row for row in rows if row[0].class_ == "outage"]
    performance = [row for row in rows if row[0].class_ == "performance"]
    return Unresolved(
        [row[0] for row in outages],
        outages[0][1] if outages else 0,
        outages[0][2] if outages else 0,
        [row[0] for row in performance],
        performance[0][1] if performance else 0,
        {row[0].assigned_to: row[3] for row in rows if row[0].assigned_to and row[3]},
    )
