"""Who did what to which thing."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from tokiflow.db import db
from tokiflow.models import AuditEvent


def of_object(organization_id: UUID, object_id: UUID, most: int) -> Sequence[AuditEvent]:
    """What people did to one thing, newest first."""
    statement = (
        select(AuditEvent)
        .where(AuditEvent.organization_id == organization_id, AuditEvent.object_id == object_id)
        .order_by(AuditEvent.id.desc())
        .limit(most)
    )
    return db.session.execute(statement).scalars().all()
