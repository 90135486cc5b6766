"""Saved views of the list of incidents."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import joinedload

from tokiflow.db import db
from tokiflow.errors import NotFound
from tokiflow.models import Preset


def of(organization_id: UUID, user_id: UUID) -> Sequence[Preset]:
    """The person's own, then what others share, each by name, with their makers."""
    statement = select(Preset).where(Preset.organization_id == organization_id, _seen_by(user_id))
    statement = statement.options(joinedload(Preset.user))
    ordered = statement.order_by(Preset.user_id != user_id, func.lower(Preset.name), Preset.id)
    return db.session.execute(ordered).scalars().all()


def get(preset_id: UUID, user_id: UUID) -> Preset:
    """One that the person may see, of whichever organization, with its maker. Raises NotFound."""
    statement = select(Preset).where(Preset.id == preset_id, _seen_by(user_id)).options(joinedload(Preset.user))
    found = db.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def query_of(preset_id: UUID, organization_id: UUID, user_id: UUID) -> str | None:
    """What it asks for, as it stands in an address; None if it is gone, or not shared any more."""
    mine = Preset.id == preset_id, Preset.organization_id == organization_id, _seen_by(user_id)
    return db.session.execute(select(Preset.query).where(*mine)).scalar_one_or_none()


def _seen_by(user_id: UUID) -> ColumnElement[bool]:
    return or_(Preset.user_id == user_id, Preset.shared)
