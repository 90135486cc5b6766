"""Whose incidents are, when people go."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from tokiflow.core.actors import Actor
from tokiflow.db import changed, db
from tokiflow.models import Incident
from tokiflow.services import audit, timeline


def let_go(organization_id: UUID, user_id: UUID, name: str, by: Actor, now: datetime) -> None:
    """Whoever leaves the organization has none of its incidents any more; those that go on say so. In the caller's
    transaction."""
    theirs = Incident.organization_id == organization_id, Incident.assigned_to == user_id
    going_on = (
        select(Incident.id, Incident.summary).where(*theirs, Incident.resolved_at.is_(None)).order_by(Incident.id)
    )
    found = db.session.execute(going_on).all()
    changed(update(Incident).where(*theirs).values(assigned_to=None))
    words = f"{name} is not in the organization any more"
    timeline.write(*(timeline.step(one.id, "unassigned", now, by, words, {"from": name}) for one in found))
    for one in found:
        audit.record(
            "incident.unassigned", by, organization_id, now,
            object_id=one.id, object_name=one.summary, before={"assigned_to": name},
        )  # fmt: skip
