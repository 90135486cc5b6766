"""What was promised about an incident for later, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from tokiflow.db import db
from tokiflow.models import FollowUp


def of_incident(incident_id: UUID) -> Sequence[FollowUp]:
    """Every promise, in the order in which they are due."""
    statement = select(FollowUp).where(FollowUp.incident_id == incident_id).order_by(FollowUp.at, FollowUp.id)
    return db.session.execute(statement).scalars().all()
