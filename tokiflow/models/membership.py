from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tokiflow.core.roles import Role
from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt
from tokiflow.models.organization import Organization
from tokiflow.models.user import User


class Membership(Model):
    """A person in an organization, with a role."""

    __tablename__ = "memberships"
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[CreatedAt]
    # The view of the incidents that opens first.
    preset_id: Mapped[UUID | None] = mapped_column(ForeignKey("presets.id", ondelete="SET NULL"))

    organization: Mapped[Organization] = relationship(lazy="raise")
    user: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint("role in ('owner', 'admin', 'member', 'viewer')", name="role"),
        # queries.organizations.of_user
        Index("ix_memberships_user_id", "user_id"),
        Index("ix_memberships_preset_id", "preset_id", postgresql_where=text("preset_id is not null")),
    )

    @property
    def rank(self) -> Role:
        return Role(self.role)
