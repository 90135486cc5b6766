"""Organizations and who is in them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from tokiflow.db import db
from tokiflow.errors import NotFound
from tokiflow.models import Membership, Organization


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


def by_slug(slug: str | None) -> Organization | None:
    """The organization called `slug`; without one, the only one there is. None if that is not clear."""
    statement = select(Organization).limit(2)
    found = db.session.execute(statement.where(Organization.slug == slug) if slug else statement).scalars().all()
    return found[0] if len(found) == 1 else None


def slugs(most: int = 20) -> list[str]:
    """What the first `most` organizations are called in addresses, in alphabetical order."""
    return list(db.session.execute(select(Organization.slug).order_by(Organization.slug).limit(most)).scalars())
