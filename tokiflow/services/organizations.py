"""Create organizations."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert

from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.monitor_draft import line, slug_from
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.errors import Invalid
from tokiflow.models import Membership, Organization, User
from tokiflow.services import audit

log = structlog.get_logger()

NAME_LIMIT = 200
_SLUG_LIMIT = 70  # of 80, so that there is room to make it unique


def create(name: str, owner_id: UUID, now: datetime) -> UUID:
    """A new organization that `owner_id` owns; its id. Raises Invalid for a bad name."""
    try:
        name = line(name, NAME_LIMIT, "what the organization is called")
    except ValueError as error:
        raise Invalid({"name": [str(error)]}) from None
    with transaction():
        owner = db.session.get_one(User, owner_id)
        organization_id = _insert(name, now)
        db.session.add(
            Membership(organization_id=organization_id, user_id=owner_id, role=str(Role.OWNER), created_at=now)
        )
        by = Actor("person", owner.name or owner.email, owner.id)
        audit.record("organization.created", by, organization_id, now, object_id=organization_id, object_name=name)
    log.info("organization_created", organization=str(organization_id))
    return organization_id


def _insert(name: str, now: datetime) -> UUID:
    """The row, under the first slug that is free: `harbour-freight`, then `harbour-freight-x7k2`."""
    slug = base = slug_from(name, "organization")[:_SLUG_LIMIT].strip("-")
    while True:
        row = insert(Organization).values(id=ids.new(), name=name, slug=slug, created_at=now)
        made = db.session.execute(
            row.on_conflict_do_nothing(index_elements=["slug"]).returning(Organization.id)
        ).scalar_one_or_none()
        if made is not None:
            return made
        slug = f"{base}-{secrets.token_hex(3)}"
