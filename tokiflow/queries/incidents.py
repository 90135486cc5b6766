"""Incidents for pages and API, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


def unresolved(organization_id: UUID, most: int = 50) -> Sequence[Incident]:
    """What is wrong now, with its monitor: what nobody has acknowledged first, then the newest."""
    statement = (
        _matching(organization_id, Filter(status="unresolved"))
        .options(joinedload(Incident.monitor))
        .order_by(Incident.status.desc(), Incident.opened_at.desc())
        .limit(most)
    )
    return db.session.execute(statement).scalars().all()


def of_monitor(monitor_id: UUID, most: int = 10) -> Sequence[Incident]:
    """The monitor's latest incidents."""
    statement = select(Incident).where(Incident.monitor_id == monitor_id).order_by(Incident.opened_at.desc())
    return db.session.execute(statement.limit(most)).scalars().all()


def timeline(incident_id: UUID) -> Sequence[IncidentEvent]:
    """Every step, in the order in which it happened."""
    statement = select(IncidentEvent).where(IncidentEvent.incident_id == incident_id)
    return db.session.execute(statement.order_by(IncidentEvent.at, IncidentEvent.id)).scalars().all()


def count_by_status(organization_id: UUID) -> dict[str, int]:
    """How many incidents are open, acknowledged and resolved."""
    statement = (
        select(Incident.status, func.count())
        .where(Incident.organization_id == organization_id)
        .group_by(Incident.status)
    )
    found = dict(db.session.execute(statement).tuples().all())
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
