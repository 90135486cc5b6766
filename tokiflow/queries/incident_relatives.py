"""Other incidents that have to do with one: what happened about the same time, and how the like of it went before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, case, func, literal, or_, select, true, union_all
from sqlalchemy.orm import joinedload

from tokiflow.db import db
from tokiflow.models import Incident, IncidentEvent, Monitor

NEAR = timedelta(minutes=30)
AROUND = timedelta(days=1)


@dataclass(frozen=True)
class Other:
    """Another incident, with its monitor, and what was last written about it."""

    incident: Incident
    comment: str = ""
    comment_by: str = ""


@dataclass(frozen=True)
class Others:
    """What may have to do with an incident, the nearest first; and how the like of it went before."""

    related: Sequence[Other]
    similar: Sequence[Other]


def others(incident: Incident, related: int = 6, similar: int = 5) -> Others:
    """At most so many of either, for `incident`, whose monitor is loaded. One statement."""
    which = union_all(
        select(_related(incident).limit(related).subquery()), select(_similar(incident).limit(similar).subquery())
    ).subquery()
    said = (
        select(IncidentEvent.text, IncidentEvent.by)
        .where(IncidentEvent.incident_id == Incident.id, IncidentEvent.what == "commented", IncidentEvent.text != "")
        .order_by(IncidentEvent.at.desc(), IncidentEvent.id.desc())
        .limit(1)
        .lateral()
    )
    statement = (
        select(which.c.how, Incident, func.coalesce(said.c.text, ""), func.coalesce(said.c.by, ""))
        .select_from(which)
        .join(Incident, Incident.id == which.c.id)
        .outerjoin(said, true())
        .options(joinedload(Incident.monitor))
        .order_by(which.c.how, which.c.place)
    )
    found: dict[str, list[Other]] = {"related": [], "similar": []}
    for row in db.session.execute(statement):
        found[row[0]].append(Other(row[1], row[2], row[3]))
    return Others(**found)


def _related(incident: Incident) -> Select[Any]:
    """Others of the same monitor and of monitors that share a tag with it, from a day before to a day after, and
    whatever began within half an hour of it: those that share something before the others."""
    apart = func.abs(func.extract("epoch", Incident.opened_at - incident.opened_at))
    shares = or_(Incident.monitor_id == incident.monitor_id, Monitor.tags.overlap(list(incident.monitor.tags)))
    place = func.row_number().over(order_by=(case((shares, 0), else_=1), apart, Incident.id)).label("place")
    return (
        select(literal("related").label("how"), Incident.id.label("id"), place)
        .join(Monitor, Monitor.id == Incident.monitor_id)
        .where(
            Incident.organization_id == incident.organization_id,
            Incident.id != incident.id,
            Incident.opened_at.between(incident.opened_at - AROUND, incident.opened_at + AROUND),
            or_(shares, apart <= NEAR.total_seconds()),
        )
        .order_by(place)
    )


def _similar(incident: Incident) -> Select[Any]:
    """The latest resolved incidents of the same monitor and class that opened before it, those of its kind first."""
    same_kind = case((Incident.kind == incident.kind, 0), else_=1)
    place = func.row_number().over(order_by=(same_kind, Incident.opened_at.desc(), Incident.id)).label("place")
    return (
        select(literal("similar").label("how"), Incident.id.label("id"), place)
        .where(
            Incident.monitor_id == incident.monitor_id,
            Incident.class_ == incident.class_,
            Incident.resolved_at.is_not(None),
            Incident.opened_at <= incident.opened_at,
            Incident.id != incident.id,
        )
        .order_by(place)
    )
