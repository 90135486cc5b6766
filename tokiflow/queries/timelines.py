"""What happened to incidents, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from tokiflow import errors
from tokiflow.db import db
from tokiflow.models import Incident, IncidentEvent


def of_incident(incident_id: UUID) -> Sequence[IncidentEvent]:
    """Every step, in the order in which it happened."""
    statement = select(IncidentEvent).where(IncidentEvent.incident_id == incident_id)
    return db.session.execute(statement.order_by(IncidentEvent.at, IncidentEvent.id)).scalars().all()


def of_incidents(incident_ids: Sequence[UUID]) -> dict[UUID, list[IncidentEvent]]:
    """By incident: every step, in the order in which it happened. One statement."""
    found: dict[UUID, list[IncidentEvent]] = {incident_id: [] for incident_id in incident_ids}
    statement = select(IncidentEvent).where(IncidentEvent.incident_id.in_(incident_ids))
    for event in db.session.execute(statement.order_by(IncidentEvent.at, IncidentEvent.id)).scalars():
        found[event.incident_id].append(event)
    return found


@dataclass(frozen=True)
class Story:
    """The latest steps of a timeline, newest first; how many there are in all; and the public id of the latest run that
    is part of the trouble, None where silence is."""

    steps: Sequence[IncidentEvent]
    count: int
    last_run: str | None


def story(incident_id: UUID, most: int) -> Story:
    """The timeline, or at most its latest `most` steps. One statement."""
    run = IncidentEvent.detail["run"].astext
    newest_first = IncidentEvent.at.desc(), IncidentEvent.id.desc()
    own = IncidentEvent.incident_id == incident_id
    # The run that ended it is no part of the trouble.
    bad = run.is_not(None), IncidentEvent.what != "resolved"
    last_run = select(run).where(own, *bad).order_by(*newest_first).limit(1)
    latest = last_run.correlate(None).scalar_subquery()
    statement = select(IncidentEvent, func.count().over(), latest).where(own).order_by(*newest_first).limit(most)
    found = db.session.execute(statement).all()
    return Story([row[0] for row in found], found[0][1] if found else 0, found[0][2] if found else None)


def of_monitor(monitor_id: UUID, most: int) -> list[tuple[IncidentEvent, Incident]]:
    """The latest steps on the timelines of all the monitor's incidents, newest first."""
    statement = (
        select(IncidentEvent, Incident)
        .join(Incident, Incident.id == IncidentEvent.incident_id)
        .where(Incident.monitor_id == monitor_id)
        .order_by(IncidentEvent.at.desc(), IncidentEvent.id.desc())
        .limit(most)
    )
    return [(event, incident) for event, incident in db.session.execute(statement)]


def comment(event_id: UUID) -> tuple[IncidentEvent, Incident]:
    """What somebody wrote, and about which incident. Raises NotFound where it is none, or was taken back."""
    statement = select(IncidentEvent, Incident).join(Incident, Incident.id == IncidentEvent.incident_id)
    found = db.session.execute(
        statement.where(IncidentEvent.id == event_id, IncidentEvent.what == "commented")
    ).one_or_none()
    if found is None or not found[0].text:
        raise errors.NotFound
    return found[0], found[1]
