"""How many people the plan of an organization has room for."""

from __future__ import annotations

from tokiflow.models import Organization
from tokiflow.queries import invitations


def members_allowed(organization: Organization) -> int | None:
    """How many people the organization may have; None for any number, as for everybody who runs Tokiflow themselves."""
    return None


def left(organization: Organization, promised: int = 0) -> int | None:
    """How many more people may come, when so many are `promised` a place; None for any number."""
    allowed = members_allowed(organization)
    return None if allowed is None else allowed - invitations.count_members(organization.id) - promised
