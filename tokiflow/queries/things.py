"""What things of an organization are called now, whatever they are: for lists that name many kinds at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import String, cast, func, literal, select, union_all

from tokiflow.db import db
from tokiflow.models import (
    ApiKey,
    Channel,
    Incident,
    MaintenanceWindow,
    Membership,
    Monitor,
    RoutingRule,
    SlackInstallation,
    User,
)

_NAMED = {
    "mon": (Monitor.id, Monitor.organization_id, Monitor.name),
    "chn": (Channel.id, Channel.organization_id, Channel.name),
    "inc": (Incident.id, Incident.organization_id, Incident.summary),
    "rul": (RoutingRule.id, RoutingRule.organization_id, RoutingRule.name),
    "mnt": (MaintenanceWindow.id, MaintenanceWindow.organization_id, MaintenanceWindow.name),
    "slk": (SlackInstallation.id, SlackInstallation.organization_id, SlackInstallation.team_name),
    "key": (ApiKey.id, ApiKey.organization_id, ApiKey.name),
}
KINDS = (*_NAMED, "usr")
"""The prefixes of ids of things that have a name."""


def names(organization_id: UUID, wanted: Mapping[str, Collection[UUID]]) -> dict[tuple[str, UUID], str]:
    """By prefix and id: what those of `wanted` are called that still exist here. One statement, whatever is asked."""
    each = [
        select(literal(prefix).label("prefix"), key, cast(name, String).label("name")).where(
            owner == organization_id, key.in_(wanted.get(prefix, ()))
        )
        for prefix, (key, owner, name) in _NAMED.items()
    ]
    people = (
        select(literal("usr"), User.id, cast(func.coalesce(func.nullif(User.name, ""), User.email), String))
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.organization_id == organization_id, User.id.in_(wanted.get("usr", ())))
    )
    return {(row[0], row[1]): row[2] for row in db.session.execute(union_all(*each, people))}


def people_and_keys(organization_id: UUID) -> list[tuple[str, UUID, str]]:
    """Who can do something here, by name: kind (person, api_key), id and name of members and of keys."""
    people = (
        select(literal("person"), User.id, cast(func.coalesce(func.nullif(User.name, ""), User.email), String))
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.organization_id == organization_id)
    )
    keys = select(literal("api_key"), ApiKey.id, cast(ApiKey.name, String))
    both = union_all(people, keys.where(ApiKey.organization_id == organization_id))
    found = [(row[0], row[1], row[2]) for row in db.session.execute(both)]
    return sorted(found, key=lambda one: (one[0] != "person", one[2].casefold(), one[1]))
