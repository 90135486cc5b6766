"""What people mean when they write the name of a monitor or the end of an id, as they do in chats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import contains_eager

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.db import db
from tokiflow.models import Incident, Monitor

SHORTEST_ENDING = 4
MOST = 6


def monitors(organization_ids: Sequence[UUID], what: str) -> Sequence[Monitor]:
    """Monitors of these organizations that `what` names, at most six: by id, or by their whole name or slug, or else
    by a part of either."""
    statement = select(Monitor).where(Monitor.organization_id.in_(organization_ids)).order_by(Monitor.name, Monitor.id)
    return _best(statement, what)


def incidents(organization_ids: Sequence[UUID], what: str) -> Sequence[Incident]:
    """Incidents of these organizations that `what` means, with their monitors, at most six: any by its id; unresolved
    ones by the end of their id (four letters or more) or by their monitor."""
    statement = select(Incident).where(Incident.organization_id.in_(organization_ids)).join(Incident.monitor)
    statement = statement.options(contains_eager(Incident.monitor)).order_by(Incident.opened_at.desc(), Incident.id)
    if (incident_id := _id("inc", what)) is not None:
        return _first(statement.where(Incident.id == incident_id))
    unresolved = statement.where(Incident.resolved_at.is_(None))
    return _ending_in(unresolved, what) or _best(unresolved, what)


def _best(statement: Select[Any], what: str) -> Sequence[Any]:
    """Those whose monitor `what` names, as exactly as can be."""
    what = what.replace("\x00", "").strip()
    if not what:
        return ()
    if (monitor_id := _id("mon", what)) is not None:
        return _first(statement.where(Monitor.id == monitor_id))
    whole = or_(func.lower(Monitor.name) == what.lower(), Monitor.slug == what.lower())
    part = or_(Monitor.name.icontains(what, autoescape=True), Monitor.slug.icontains(what, autoescape=True))
    return _first(statement.where(whole)) or _first(statement.where(part))


def _ending_in(statement: Select[Incident], what: str) -> Sequence[Incident]:
    """`inc_…k7wq2m`, `…k7wq2m` or `k7wq2m`: those whose id ends like this."""
    ending = what.strip().lower().removeprefix("inc_").lstrip("….")
    if len(ending) < SHORTEST_ENDING or any(letter not in ids.ALPHABET for letter in ending):
        return ()
    rows = db.session.execute(statement.with_only_columns(Incident.id)).scalars()
    found = [one for one in rows if ids.public("inc", one).endswith(ending)][:MOST]
    return _first(statement.where(Incident.id.in_(found))) if found else ()


def _id(prefix: str, what: str) -> UUID | None:
    try:
        return ids.parse(prefix, what.strip().lower())
    except errors.NotFound:
        return None


def _first(statement: Select[Any]) -> Sequence[Any]:
    return db.session.execute(statement.limit(MOST)).scalars().all()
