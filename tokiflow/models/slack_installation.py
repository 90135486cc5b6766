from __future__ import annotations

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, MaybeUserId, Name, OrganizationId, Words
from tokiflow.models.organization import Organization


class SlackInstallation(Model):
    """Our app in a Slack workspace, for one organization. `sealed_token` is core.sealing's."""

    __tablename__ = "slack_installations"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    team_id: Mapped[str] = mapped_column(String(20))
    team_name: Mapped[Name]
    bot_user_id: Mapped[str] = mapped_column(String(20), server_default="")
    sealed_token: Mapped[str] = mapped_column(Text)
    scopes: Mapped[Words]
    installed_by: Mapped[MaybeUserId]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]

    organization: Mapped[Organization] = relationship(lazy="raise")

    __table_args__ = (
        UniqueConstraint("organization_id", "team_id"),
        # A request from Slack names its team
        Index("ix_slack_installations_team_id", "team_id"),
    )
