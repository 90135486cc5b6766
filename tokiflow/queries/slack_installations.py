"""The Slack workspaces that Tokiflow's app is in."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import joinedload

from tokiflow import errors
from tokiflow.db import db
from tokiflow.models import Channel, SlackInstallation

KIND = "slack_app"


def get(installation_id: UUID) -> SlackInstallation:
    """Raises NotFound. Whoever calls checks the organization."""
    found = db.session.get(SlackInstallation, installation_id)
    if found is None:
        raise errors.NotFound
    return found


def of_organization(organization_id: UUID) -> Sequence[SlackInstallation]:
    """By the names of the workspaces."""
    statement = select(SlackInstallation).where(SlackInstallation.organization_id == organization_id)
    return db.session.execute(statement.order_by(SlackInstallation.team_name, SlackInstallation.id)).scalars().all()


def of_team(team_id: str) -> Sequence[SlackInstallation]:
    """All of a workspace, with their organizations: several of ours may share one."""
    statement = select(SlackInstallation).where(SlackInstallation.team_id == team_id)
    statement = statement.options(joinedload(SlackInstallation.organization)).order_by(SlackInstallation.id)
    return db.session.execute(statement).scalars().all()


def channels(organization_id: UUID, team_id: str) -> Select[Channel]:
    """The organization's channels in that workspace."""
    return select(Channel).where(
        Channel.organization_id == organization_id,
        Channel.kind == KIND,
        Channel.config["team"].astext == team_id,
    )


def count_of_channels(installation: SlackInstallation) -> int:
    """How many channels write through this installation."""
    statement = channels(installation.organization_id, installation.team_id)
    return db.session.execute(statement.with_only_columns(func.count())).scalar_one()
