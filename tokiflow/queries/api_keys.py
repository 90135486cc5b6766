"""API keys: whose is this one, and which are there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select

from tokiflow.core import tokens
from tokiflow.db import db
from tokiflow.models import ApiKey


def authenticate(text: str, now: datetime) -> ApiKey | None:
    """The key that `text` is; None if it is none of ours, revoked or expired.

    Looked up by its digest: what time the comparison takes then tells nothing about any key.
    """
    if not tokens.looks_like_api_key(text):
        return None
    statement = select(ApiKey).where(
        ApiKey.digest == tokens.digest(text),
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
    )
    return db.session.execute(statement).scalar_one_or_none()


def of_organization(organization_id: UUID) -> Sequence[ApiKey]:
    """All keys, newest first, revoked ones too."""
    statement = select(ApiKey).where(ApiKey.organization_id == organization_id).order_by(ApiKey.id.desc())
    return db.session.execute(statement).scalars().all()


def by_prefix(organization_id: UUID, prefix: str) -> ApiKey | None:
    """The key that shows as `prefix` (`tfk_x7K2…`), or None."""
    statement = select(ApiKey).where(ApiKey.organization_id == organization_id, ApiKey.prefix == prefix).limit(1)
    return db.session.execute(statement).scalar_one_or_none()
