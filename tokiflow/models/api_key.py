from __future__ import annotations

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, MaybeUserId, Moment, Name, OrganizationId, TextList


class ApiKey(Model):
    """A key for programs. `digest` is its SHA-256; `prefix` is the part people may see."""

    __tablename__ = "api_keys"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    name: Mapped[Name]
    prefix: Mapped[str] = mapped_column(String(20))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[TextList]
    created_by: Mapped[MaybeUserId]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Moment | None]
    last_used_at: Mapped[Moment | None]
    revoked_at: Mapped[Moment | None]

    __table_args__ = (Index("ix_api_keys_organization_id", "organization_id"),)
