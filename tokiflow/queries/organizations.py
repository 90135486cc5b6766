"""Organizations and who is in them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import joinedload

from tokiflow.db import db
from tokiflow.errors import NotFound
from tokiflow.models import ApiKey, Channel, Incident, Membership, Monitor, Organization, Ping, Run


def memberships(user_id: UUID) -> list[Membership]:
    """The person's memberships with their organizations, by name."""
    statement = (
        select(Membership)
        .join(Organization)
        .where(Membership.user_id == user_id)
        .options(joinedload(Membership.organization))
        .order_by(Organization.name, Organization.id)
    )
    return list(db.session.execute(statement).scalars())


def membership(user_id: UUID, organization_id: UUID) -> Membership | None:
    """The person's membership in the organization, with it; None for an outsider."""
    statement = (
        select(Membership)
        .where(Membership.user_id == user_id, Membership.organization_id == organization_id)
        .options(joinedload(Membership.organization))
    )
    return db.session.execute(statement).scalar_one_or_none()


def get(organization_id: UUID) -> Organization:
    """The organization. Raises NotFound once it is gone."""
    found = db.session.get(Organization, organization_id)
    if found is None:
        raise NotFound("This organization is gone.")
    return found


COUNTED_TO = 100_000
"""Pings and runs are counted no further: nobody's mind depends on it."""


def contents(organization_id: UUID) -> Sequence[tuple[str, int]]:
    """What would go with the organization: nouns, and how many of each there are."""
    here = (("members", Membership), ("monitors", Monitor), ("incidents", Incident), ("channels", Channel))
    counts = [
        *(select(func.count()).select_from(model).where(model.organization_id == organization_id) for _, model in here),
        select(func.count()).where(ApiKey.organization_id == organization_id, ApiKey.revoked_at.is_(None)),
        *(_some(model, organization_id) for model in (Ping, Run)),
    ]
    row = db.session.execute(select(*(one.scalar_subquery() for one in counts))).one()
    return list(zip([*(noun for noun, _ in here), "API keys", "pings", "runs"], row, strict=True))


def _some(model: type[Ping] | type[Run], organization_id: UUID) -> Select[int]:
    monitors = select(Monitor.id).where(Monitor.organization_id == organization_id)
    some = select(model.monitor_id).where(model.monitor_id.in_(monitors)).limit(COUNTED_TO + 1).subquery()
    return select(func.count()).select_from(some)


def by_slug(slug: str | None) -> Organization | None:
    """The organization called `slug`; without one, the only one there is. None if that is not clear."""
    statement = select(Organization).limit(2)
    found = db.session.execute(statement.where(Organization.slug == slug) if slug else statement).scalars().all()
    return found[0] if len(found) == 1 else None


def slugs(most: int = 20) -> list[str]:
    """What the first `most` organizations are called in addresses, in alphabetical order."""
    return list(db.session.execute(select(Organization.slug).order_by(Organization.slug).limit(most)).scalars())
