"""What the frame around every page counts: an organization's monitors by status, and what is not resolved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, literal, select, union_all

from tokiflow.core.status import Status
from tokiflow.db import db
from tokiflow.models import Incident
from tokiflow.queries import monitors

_INCIDENTS = "incidents"


def of_organization(organization_id: UUID, now: datetime) -> tuple[Mapping[Status, int], int]:
    """How many monitors have each status as shown, and how many incidents are not resolved. One statement."""
    unresolved = select(literal(_INCIDENTS), func.count()).where(
        Incident.organization_id == organization_id, Incident.resolved_at.is_(None)
    )
    counted = union_all(monitors.by_status(organization_id, now), unresolved)
    found: dict[str, int] = dict(db.session.execute(counted).all())
    return {one: found.get(one.value, 0) for one in Status}, found[_INCIDENTS]
