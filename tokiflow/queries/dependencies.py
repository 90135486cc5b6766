"""What monitors depend on, and what that means while something upstream is down."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, cast, func, literal, select, union_all

from tokiflow.core import dependencies
from tokiflow.db import db
from tokiflow.models import Incident, Monitor, MonitorDependency


@dataclass(frozen=True)
class Named:
    """A monitor that others point to, or that points to another, and how it stands."""

    id: UUID
    name: str
    status: str
    due_at: datetime | None
    misses: int


_NAMED = (Monitor.id, Monitor.name, Monitor.status, Monitor.due_at, Monitor.misses)


def of_monitors(monitor_ids: Collection[UUID]) -> Mapping[UUID, list[Named]]:
    """By monitor: what it depends on itself, by name."""
    link = MonitorDependency
    statement = (
        select(link.monitor_id, *_NAMED)
        .join(Monitor, Monitor.id == link.depends_on_id)
        .where(link.monitor_id.in_(monitor_ids))
        .order_by(Monitor.name, Monitor.id)
    )
    found: dict[UUID, list[Named]] = {}
    for row in db.session.execute(statement):
        found.setdefault(row[0], []).append(Named(*row[1:]))
    return found


@dataclass(frozen=True)
class Neighbours:
    """What a monitor depends on, and the first of those that depend on it, of `below_in_all`; both by name."""

    above: list[Named]
    below: list[Named]
    below_in_all: int


def neighbours(monitor_id: UUID, most: int) -> Neighbours:
    """What stands next to the monitor, `most` below it. One statement."""
    link = MonitorDependency
    in_all = func.count().over()
    above = select(literal("above"), in_all, *_NAMED).join(link, link.depends_on_id == Monitor.id)
    below = select(literal("below"), in_all, *_NAMED).join(link, link.monitor_id == Monitor.id)
    sides = union_all(
        above.where(link.monitor_id == monitor_id).order_by(Monitor.name, Monitor.id).subquery().select(),
        below.where(link.depends_on_id == monitor_id)
        .order_by(Monitor.name, Monitor.id)
        .limit(most)
        .subquery()
        .select(),
    )
    rows = db.session.execute(sides).all()
    named = {side: [Named(*row[2:]) for row in rows if row[0] == side] for side in ("above", "below")}
    return Neighbours(**named, below_in_all=next((row[1] for row in rows if row[0] == "below"), 0))


def way_round(monitor_id: UUID, wanted: Collection[UUID]) -> list[str]:
    """The names along the way from the monitor back to itself, if it depended on `wanted`. Empty if there is none."""
    edges, names, _ = _upstream(wanted)
    return [names[one] for one in dependencies.way_round(edges, monitor_id, sorted(wanted))]


def blockers(monitor_ids: Collection[UUID]) -> Mapping[UUID, tuple[UUID, str]]:
    """By monitor: what it can't be well without and is down, as (id, name). Those that nothing holds are left out.

    Down is whoever has an outage that is not resolved. One statement, whatever the number.
    """
    if not monitor_ids:
        return {}
    edges, names, down = _upstream(monitor_ids)
    found = dependencies.blockers(edges, monitor_ids, down.__contains__)
    return {monitor_id: (upstream, names[upstream]) for monitor_id, upstream in found.items()}


def _upstream(monitor_ids: Collection[UUID]) -> tuple[dict[UUID, list[UUID]], dict[UUID, str], set[UUID]]:
    """All that lies upstream of these: who depends on whom, what they are called, and which are down."""
    link = MonitorDependency
    reached = select(func.unnest(cast(list(monitor_ids), ARRAY(Uuid))).label("id")).cte("reached", recursive=True)
    reached = reached.union(select(link.depends_on_id).join(reached, link.monitor_id == reached.c.id))
    down = select(Incident.id).where(
        Incident.monitor_id == Monitor.id, Incident.class_ == "outage", Incident.resolved_at.is_(None)
    )
    statement = (
        select(reached.c.id, Monitor.name, down.exists(), link.depends_on_id)
        .join(Monitor, Monitor.id == reached.c.id)
        .outerjoin(link, link.monitor_id == reached.c.id)
        .order_by(reached.c.id, link.depends_on_id)
    )
    edges: dict[UUID, list[UUID]] = {}
    names: dict[UUID, str] = {}
    trouble = set()
    for monitor_id, name, is_down, depends_on_id in db.session.execute(statement):
        names[monitor_id] = name
        if is_down:
            trouble.add(monitor_id)
        if depends_on_id is not None:
            edges.setdefault(monitor_id, []).append(depends_on_id)
    return edges, names, trouble
