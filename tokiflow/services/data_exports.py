"""Copies of one's own data: of a person for themselves, of an organization for its owners. Small ones at once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tokiflow.core.actors import Actor
from tokiflow.db import transaction
from tokiflow.queries import organizations
from tokiflow.services import audit, exports
from tokiflow.services.exporting import organization, person


def of_organization(organization_id: UUID, by: Actor, now: datetime) -> UUID:
    """Everything of the organization, for the owner who asks; the id of the export. Raises Conflict (exports.ask)."""
    assert by.id is not None
    name, small = organizations.get(organization_id).name, organization.is_small(organization_id)
    with transaction():
        export_id = exports.ask("organization", by.id, organization_id, {}, now, at_once=small)
        audit.record("organization.exported", by, organization_id, now, object_id=organization_id, object_name=name)
    return _made(export_id, small)


def of_person(user_id: UUID, now: datetime) -> UUID:
    """Everything about this person, for themselves; the id of the export. Raises Conflict (exports.ask)."""
    small = person.is_small(user_id)
    return _made(exports.ask("person", user_id, None, {}, now, at_once=small), small)


def _made(export_id: UUID, small: bool) -> UUID:
    """If that does not work now, it is tried again in the background, as any other."""
    if small:
        exports.make([export_id])
    return export_id
