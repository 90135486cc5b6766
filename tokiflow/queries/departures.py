"""What happens to organizations when somebody goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from tokiflow.core.roles import Role
from tokiflow.db import db
from tokiflow.models import Membership, Organization


@dataclass(frozen=True)
class Impact:
    """Organizations of a person, as (id, name).

    goes: they are alone in it, or are its last owner and have it deleted; so it goes with them. headless: they are its
    last owner, and others are in it. stays: it does not need them.
    """

    goes: Sequence[tuple[UUID, str]]
    headless: Sequence[tuple[UUID, str]]
    stays: Sequence[tuple[UUID, str]]


def impact(user_id: UUID) -> Impact:
    """What it would mean for their organizations if this person went now."""
    mine = select(Membership.organization_id).where(Membership.user_id == user_id)
    owner = Membership.role == str(Role.OWNER)
    statement = (
        select(
            Organization.id,
            Organization.name,
            Organization.erase_at,
            func.count().label("members"),
            func.count().filter(owner).label("owners"),
            func.count().filter(owner, Membership.user_id == user_id).label("owned"),
        )
        .join(Membership, Membership.organization_id == Organization.id)
        .where(Organization.id.in_(mine))
        .group_by(Organization.id)
        .order_by(Organization.name, Organization.id)
    )
    found = Impact([], [], [])
    for row in db.session.execute(statement):
        last_owner = row.owned and row.owners == 1
        goes = row.members == 1 or (last_owner and row.erase_at is not None)
        kind = found.goes if goes else found.headless if last_owner else found.stays
        assert isinstance(kind, list)
        kind.append((row.id, row.name))
    return found
