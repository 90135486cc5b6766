from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt


class Spool(Model):
    """How far a spool file has been replayed, in bytes: written with its pings, so that none is ever counted twice."""

    __tablename__ = "spools"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    replayed: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[CreatedAt]
