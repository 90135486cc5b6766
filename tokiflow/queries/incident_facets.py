"""By what else a list of incidents could be narrowed, and how many would be left: the numbers beside its choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, literal, select, union_all

from tokiflow.db import db
from tokiflow.models import Incident, IncidentEvent, Monitor
from tokiflow.queries.incidents import Filter, matching


@dataclass(frozen=True)
class Facets:
    """How many match: by tag, by whom they are assigned to (None: nobody), by whose hand is in them, and by period."""

    tags: Mapping[str, int]
    assigned: Mapping[UUID | None, int]
    hands: Mapping[UUID | None, int]
    periods: Mapping[str, int]


def of(organization_id: UUID, wanted: Filter, periods: Mapping[str, Filter]) -> Facets:
    """Each is narrowed by all of `wanted` but by what it counts; `periods` has the filter of each by name. One
    statement."""
    parts = [
        _tags(matching(organization_id, replace(wanted, tag=""))),
        _assigned(matching(organization_id, replace(wanted, assigned_to=None, unassigned=False))),
        _hands(matching(organization_id, replace(wanted, hand=None))),
        *(_all_of(name, matching(organization_id, one)) for name, one in periods.items()),
    ]
    found: dict[str, dict[str | None, int]] = {"tag": {}, "assigned": {}, "hand": {}, "period": {}}
    for what, value, number in db.session.execute(union_all(*parts)):
        found[what][value] = number
    return Facets(
        tags={tag: number for tag, number in found["tag"].items() if tag is not None},
        assigned={UUID(user) if user else None: number for user, number in found["assigned"].items()},
        hands={UUID(user): number for user, number in found["hand"].items() if user},
        periods={name: number for name, number in found["period"].items() if name is not None},
    )


def _tags(those: Select[Any]) -> Select[str, str, int]:
    tagged = those.join(Monitor, Monitor.id == Incident.monitor_id)
    each = tagged.with_only_columns(func.unnest(Monitor.tags).label("tag")).subquery()
    return select(literal("tag"), cast(each.c.tag, Text), func.count()).group_by(each.c.tag)


def _assigned(those: Select[Any]) -> Select[str, str, int]:
    to = Incident.assigned_to
    return those.with_only_columns(literal("assigned"), cast(to, Text), func.count()).group_by(to)


def _hands(those: Select[Any]) -> Select[str, str, int]:
    """Who has it, or did something about it: however often, it counts once."""
    ours = those.with_only_columns(Incident.id, Incident.assigned_to).cte()
    did = select(IncidentEvent.incident_id, IncidentEvent.user_id).join(ours, ours.c.id == IncidentEvent.incident_id)
    has = select(ours.c.id, ours.c.assigned_to).where(ours.c.assigned_to.is_not(None))
    each = did.where(IncidentEvent.user_id.is_not(None)).union(has).subquery()
    return select(literal("hand"), cast(each.c.user_id, Text), func.count()).group_by(each.c.user_id)


def _all_of(name: str, those: Select[Any]) -> Select[str, str, int]:
    return those.with_only_columns(literal("period"), literal(name), func.count())
