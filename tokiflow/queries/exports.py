"""Files that people asked for."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from tokiflow.db import db
from tokiflow.errors import NotFound
from tokiflow.models import Export


def get(export_id: UUID, user_id: UUID) -> Export:
    """The export that this person asked for. Raises NotFound for one of anybody else."""
    statement = select(Export).where(Export.id == export_id, Export.user_id == user_id)
    found = db.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def of_user(user_id: UUID, most: int = 20) -> Sequence[Export]:
    """What the person asked for, newest first."""
    statement = select(Export).where(Export.user_id == user_id).order_by(Export.id.desc()).limit(most)
    return db.session.execute(statement).scalars().all()
