"""Incidents for pages and API, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import joinedload

from tokiflow import errors
from tokiflow.db import db
from tokiflow.models import Incident, IncidentEvent, Monitor
from tokiflow.queries.paging import Page, encode, moment_and_id


@dataclass(frozen=True)
class Filter:
    """What of an organization's incidents is wanted. `status` may be `unresolved` (open or acknowledged)."""

    status: str = ""
    kind: str = ""
    monitor_id: UUID | None = None
    since: datetime | None = None
    words: str = ""


@dataclass(frozen=True)
class Window:
    """Some incidents, newest first, and the cursors of what is newer and older (None where nothing is)."""

    items: Sequence[Incident]
    newer: str | None
    older: str | None


def get(incident_id: UUID) -> Incident:
    """The incident with its monitor. Raises NotFound. Whoever calls checks the organization."""
    statement = select(Incident).where(Incident.id == incident_id).options(joinedload(Incident.monitor))
    found = db.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise errors.NotFound
    return found


def page(organization_id: UUID, wanted: Filter, cursor: str | None, limit: int) -> Page[Incident]:
    """Incidents with their monitors, the latest opened first."""
    statement = _matching(organization_id, wanted).options(joinedload(Incident.monitor))
    if cursor:
        opened, key = moment_and_id(cursor)
        statement = statement.where(tuple_(Incident.opened_at, Incident.id) < tuple_(opened, key))
    statement = statement.order_by(Incident.opened_at.desc(), Incident.id.desc()).limit(limit + 1)
    found = list(db.session.execute(statement).scalars())
    last = found[limit - 1] if len(found) > limit else None
    return Page(found[:limit], encode(last.opened_at.isoformat(), str(last.id)) if last else None)


def window(
    organization_id: UUID, wanted: Filter, *, after: str | None = None, before: str | None = None, limit: int
) -> Window:
    """Incidents with their monitors, newest first: those after a cursor (older), before one (newer), or the newest.

    Raises Malformed for a cursor that is none of ours.
    """
    statement = _matching(organization_id, wanted).options(joinedload(Incident.monitor)).limit(limit + 1)
    place = tuple_(Incident.opened_at, Incident.id)
    if before:
        statement = statement.where(place > tuple_(*moment_and_id(before)))
        found = list(db.session.execute(statement.order_by(Incident.opened_at, Incident.id)).scalars())
        items = found[:limit][::-1]
        return Window(items, _place(items[0]) if len(found) > limit else None, _place(items[-1]) if items else None)
    if after:
        statement = statement.where(place < tuple_(*moment_and_id(after)))
    found = list(db.session.execute(statement.order_by(Incident.opened_at.desc(), Incident.id.desc())).scalars())
    items = found[:limit]
    return Window(
        items, _place(items[0]) if after and items else None, _place(items[-1]) if len(found) > limit else None
    )


def _place(incident: Incident) -> str:
    return encode(incident.opened_at.isoformat(), str(incident.id))


def unresolved(organization_id: UUID, most: int = 50) -> Sequence[Incident]:
    """What is wrong now, with its monitor: what nobody has acknowledged first, then the newest."""
    statement = (
        _matching(organization_id, Filter(status="unresolved"))
        .options(joinedload(Incident.monitor))
        .order_by(Incident.status.desc(), Incident.opened_at.desc())
        .limit(most)
    )
    return db.session.execute(statement).scalars().all()


def unresolved_of(monitor_ids: Sequence[UUID]) -> dict[UUID, Incident]:
    """By monitor: what is wrong with it now, an outage before anything else."""
    statement = select(Incident).where(Incident.monitor_id.in_(monitor_ids), Incident.resolved_at.is_(None))
    found: dict[UUID, Incident] = {}
    for incident in db.session.execute(statement.order_by(Incident.class_)).scalars() if monitor_ids else ():
        found.setdefault(incident.monitor_id, incident)
    return found


def steps_of_monitor(monitor_id: UUID, most: int) -> list[tuple[IncidentEvent, Incident]]:
    """The latest steps on the timelines of all the monitor's incidents, newest first."""
    statement = (
        select(IncidentEvent, Incident)
        .join(Incident, Incident.id == IncidentEvent.incident_id)
        .where(Incident.monitor_id == monitor_id)
        .order_by(IncidentEvent.at.desc(), IncidentEvent.id.desc())
        .limit(most)
    )
    return [(event, incident) for event, incident in db.session.execute(statement)]


def of_monitor(monitor_id: UUID, most: int = 10) -> Sequence[Incident]:
    """The monitor's latest incidents, each with the monitor."""
    statement = select(Incident).where(Incident.monitor_id == monitor_id).options(joinedload(Incident.monitor))
    return db.session.execute(statement.order_by(Incident.opened_at.desc()).limit(most)).scalars().all()


def others_of_monitor(incident: Incident, most: int = 5) -> Sequence[Incident]:
    """The latest incidents of the same monitor and class that opened before `incident`."""
    statement = select(Incident).where(
        Incident.monitor_id == incident.monitor_id,
        Incident.class_ == incident.class_,
        Incident.opened_at <= incident.opened_at,
        Incident.id != incident.id,
    )
    return db.session.execute(statement.order_by(Incident.opened_at.desc()).limit(most)).scalars().all()


def timeline(incident_id: UUID) -> Sequence[IncidentEvent]:
    """Every step, in the order in which it happened."""
    statement = select(IncidentEvent).where(IncidentEvent.incident_id == incident_id)
    return db.session.execute(statement.order_by(IncidentEvent.at, IncidentEvent.id)).scalars().all()


def timelines(incident_ids: Sequence[UUID]) -> dict[UUID, list[IncidentEvent]]:
    """By incident: every step, in the order in which it happened. One statement."""
    found: dict[UUID, list[IncidentEvent]] = {incident_id: [] for incident_id in incident_ids}
    statement = select(IncidentEvent).where(IncidentEvent.incident_id.in_(incident_ids))
    for event in db.session.execute(statement.order_by(IncidentEvent.at, IncidentEvent.id)).scalars():
        found[event.incident_id].append(event)
    return found


def latest_steps(incident_id: UUID, most: int) -> Sequence[IncidentEvent]:
    """The latest `most` steps, newest first."""
    statement = select(IncidentEvent).where(IncidentEvent.incident_id == incident_id)
    statement = statement.order_by(IncidentEvent.at.desc(), IncidentEvent.id.desc()).limit(most)
    return db.session.execute(statement).scalars().all()


def count_of_steps(incident_id: UUID) -> int:
    """How many steps the timeline has."""
    statement = select(func.count()).where(IncidentEvent.incident_id == incident_id)
    return db.session.execute(statement).scalar_one()


def last_run(incident_id: UUID) -> str | None:
    """The public id of the latest run that is part of the trouble; None where silence is."""
    run = IncidentEvent.detail["run"].astext
    statement = select(run).where(IncidentEvent.incident_id == incident_id, run.is_not(None))
    statement = statement.order_by(IncidentEvent.at.desc(), IncidentEvent.id.desc()).limit(1)
    return db.session.execute(statement).scalar_one_or_none()


def last_ended_at(organization_id: UUID) -> datetime | None:
    """When the incident that ended last did; None if none ever has."""
    statement = select(func.max(Incident.resolved_at)).where(Incident.organization_id == organization_id)
    return db.session.execute(statement).scalar_one()


def count_by_status(organization_id: UUID, wanted: Filter | None = None) -> dict[str, int]:
    """How many incidents are open, acknowledged and resolved; `wanted` narrows by all but its status."""
    narrowed = replace(wanted, status="") if wanted else Filter()
    statement = (
        _matching(organization_id, narrowed).with_only_columns(Incident.status, func.count()).group_by(Incident.status)
    )
    found = dict(db.session.execute(statement).all())
    return {status: found.get(status, 0) for status in ("open", "acknowledged", "resolved")}


def count_unresolved(organization_id: UUID) -> int:
    """How many incidents are not resolved."""
    statement = select(func.count()).where(Incident.organization_id == organization_id, Incident.resolved_at.is_(None))
    return db.session.execute(statement).scalar_one()


def _matching(organization_id: UUID, wanted: Filter) -> Select[Incident]:
    statement = select(Incident).where(Incident.organization_id == organization_id)
    if wanted.status == "unresolved":
        statement = statement.where(Incident.resolved_at.is_(None))
    elif wanted.status:
        statement = statement.where(Incident.status == wanted.status)
    if wanted.kind:
        statement = statement.where(Incident.kind == wanted.kind)
    if wanted.monitor_id:
        statement = statement.where(Incident.monitor_id == wanted.monitor_id)
    if wanted.since:
        statement = statement.where(Incident.opened_at >= wanted.since)
    for word in wanted.words.replace("\x00", "").split()[:10]:
        named = select(Monitor.id).where(
            Monitor.organization_id == organization_id, Monitor.name.icontains(word, autoescape=True)
        )
        statement = statement.where(Incident.summary.icontains(word, autoescape=True) | Incident.monitor_id.in_(named))
    return statement
