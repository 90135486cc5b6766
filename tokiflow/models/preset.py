from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tokiflow.db import Model
from tokiflow.models.columns import Count, CreatedAt, Key, Name, OrganizationId, UserId, Words
from tokiflow.models.user import User


class Preset(Model):
    """A named view of the list of incidents: filters as the address has them. Its owner's, or shared with all."""

    __tablename__ = "presets"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    user_id: Mapped[UserId]
    name: Mapped[Name]
    query: Mapped[Words]
    shared: Mapped[bool] = mapped_column(server_default="false")
    version: Mapped[Count]
    created_at: Mapped[CreatedAt]

    # Who made it.
    user: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (
        # queries.presets.of
        Index("ix_presets_organization_id", "organization_id"),
        Index("ix_presets_user_id", "user_id"),
    )
