from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model, UtcDateTime
from tokiflow.models.columns import Count, Moment


class ApiKeyUse(Model):
    """How often an API key was used on one day, which begins at `day` (UTC)."""

    __tablename__ = "api_key_uses"
    api_key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[Moment] = mapped_column(UtcDateTime, primary_key=True)
    count: Mapped[Count]
