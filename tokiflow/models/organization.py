from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, Name


class Organization(Model):
    """A tenant. Everything else belongs to one."""

    __tablename__ = "organizations"
    id: Mapped[Key]
    name: Mapped[Name]
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    created_at: Mapped[CreatedAt]
