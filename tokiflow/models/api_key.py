from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, MaybeMoment, MaybeUserId, Moment, Name, OrganizationId, TextList


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
    # The key that takes its place; until `expires_at` both work.
    replaced_by: Mapped[UUID | None] = mapped_column(ForeignKey("api_keys.id", ondelete="SET NULL"))
    # When people were told that it ends soon: once.
    warned_at: Mapped[MaybeMoment]

    __table_args__ = (
        Index("ix_api_keys_organization_id", "organization_id"),
        # services.api_key_letters.warn: what ends soon
        Index(
            "ix_api_keys_expires_at",
            "expires_at",
            postgresql_where=text("expires_at is not null and revoked_at is null and warned_at is null"),
        ),
        Index("ix_api_keys_replaced_by", "replaced_by", postgresql_where=text("replaced_by is not null")),
    )
