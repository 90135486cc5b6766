"""Copies of one's own data: of a person for themselves, of an organization for its owners. Small ones at once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tokiflow.core.actors import Actor
from tokiflow.services import exports
from tokiflow.services.exporting import organization, person


def of_organization(organization_id: UUID, by: Actor, now: datetime) -> UUID:
    """Everything of the organization, for the owner who asks; the id of the export. Raises Conflict (exports.ask)."""
    small = organization.is_small(organization_id)
    return _made(exports.ask("organization", by, organization_id, {}, now, at_once=small), small)


def of_person(by: Actor, now: datetime) -> UUID:
    """Everything about this person, for themselves; the id of the export. Raises Conflict (exports.ask)."""
    assert by.id is not None
    small = person.is_small(by.id)
    return _made(exports.ask("person", by, None, {}, now, at_once=small), small)


def _made(export_id: UUID, small: bool) -> UUID:
    """If that does not work now, it is tried again in the background, as any other."""
    if small:
        exports.make([export_id])
    return export_id
