from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Moment, Words


class Attempt(Model):
    """One try to send a delivery: when, what came back, how long it took."""

    __tablename__ = "attempts"
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Moment]
    duration_ms: Mapped[int]
    ok: Mapped[bool]
    status_code: Mapped[int | None]
    response: Mapped[Words]
    error: Mapped[Words]
