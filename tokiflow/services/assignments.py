"""Whose incidents are, when people go, or may only look."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import update

from tokiflow.core.actors import Actor
from tokiflow.db import changed, db
from tokiflow.models import Incident
from tokiflow.services import audit, timeline


def let_go(organization_id: UUID, user_id: UUID, name: str, by: Actor, now: datetime) -> None:
    """Whoever leaves the organization has none of its incidents any more; those that go on say so. In the caller's
    transaction."""
    _free(organization_id, user_id, name, f"{name} is not in the organization any more", by, now)
    theirs = Incident.organization_id == organization_id, Incident.assigned_to == user_id
    changed(update(Incident).where(*theirs).values(assigned_to=None))


def let_look(organization_id: UUID, user_id: UUID, name: str, by: Actor, now: datetime) -> None:
    """Whoever may only look from now on has none that goes on any more. In the caller's transaction."""
    _free(organization_id, user_id, name, f"{name} may only look by now", by, now)


def _free(organization_id: UUID, user_id: UUID, name: str, words: str, by: Actor, now: datetime) -> None:
    """Those that go on are nobody's, and say why in `words`."""
    theirs = Incident.organization_id == organization_id, Incident.assigned_to == user_id
    going_on = (
        update(Incident)
        .where(*theirs, Incident.resolved_at.is_(None))
        .values(assigned_to=None)
        .returning(Incident.id, Incident.summary)
        .execution_options(synchronize_session=False)
    )
    found = sorted(db.session.execute(going_on), key=lambda one: one.id)
    timeline.write(*(timeline.step(one.id, "unassigned", now, by, words, {"from": name}) for one in found))
    for one in found:
        audit.record(
            "incident.unassigned", by, organization_id, now,
            object_id=one.id, object_name=one.summary, before={"assigned_to": name},
        )  # fmt: skip
