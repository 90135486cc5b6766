"""Tokiflow's app in Slack workspaces: added, added again, removed by us or over there. Its tokens lie sealed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import delete, select

from tokiflow.channels import slack_app
from tokiflow.channels.outside import Outside
from tokiflow.channels.slack_api import REMOVED, SlackApi, explained
from tokiflow.channels.slack_oauth import Grant
from tokiflow.core import ids, sealing
from tokiflow.core.actors import Actor
from tokiflow.db import db, transaction
from tokiflow.errors import DeliveryError, NotFound
from tokiflow.models import SlackInstallation
from tokiflow.queries import slack_installations as read
from tokiflow.services import audit
from tokiflow.settings import Settings

if TYPE_CHECKING:
    from tokiflow.services.briefings import Listener

log = structlog.get_logger()

SLACK = Actor("slack", "Slack")
REMOVED_HERE = "Tokiflow’s app was taken out of this Slack workspace; add it again"
_FOR_WANT_OF_THE_APP = {REMOVED_HERE, slack_app.NOT_INSTALLED, *(explained(code) for code in REMOVED)}
"""Why channels were disabled that work again once the app is back."""


def install(organization_id: UUID, grant: Grant, by: Actor, now: datetime) -> UUID:
    """The app is in a workspace, or was added once more: its token counts from now on. The installation's id."""
    with transaction():
        row = _of(organization_id, grant.team_id)
        if row is None:
            row = SlackInstallation(
                id=ids.new(), organization_id=organization_id, team_id=grant.team_id, created_at=now
            )
            db.session.add(row)
        row.team_name, row.bot_user_id, row.scopes = grant.team_name, grant.bot_user_id, grant.scopes
        row.sealed_token = sealing.seal(grant.token, _settings().secret_keys)
        row.installed_by, row.updated_at = by.id if by.kind == "person" else None, now
        for channel in db.session.execute(read.channels(organization_id, grant.team_id)).scalars():
            if channel.disabled_reason in _FOR_WANT_OF_THE_APP:
                channel.enabled, channel.disabled_reason, channel.last_error = True, "", ""
        _record("slack.installed", row, by, now, {"scopes": grant.scopes})
    return row.id


def remove(installation_id: UUID, by: Actor, outside: Outside, now: datetime) -> None:
    """Take the app out: its channels are disabled, and Slack is told, if it listens. Raises NotFound."""
    with transaction():
        row = db.session.get(SlackInstallation, installation_id, with_for_update=True)
        if row is None:
            raise NotFound("This workspace is gone already.")
        unsealed = token(row)
        # Slack gives each workspace one token, which another organization of ours may be using.
        shared = len(read.of_team(row.team_id)) > 1
        _forget(row, REMOVED_HERE, by, now)
    if unsealed and not shared:
        _revoke(unsealed, outside)


def removed_over_there(team_id: str, now: datetime) -> int:
    """The app was taken out of a workspace in Slack: how many organizations of ours had it there."""
    with transaction():
        rows = read.of_team(team_id)
        for row in rows:
            _forget(row, explained("token_revoked"), SLACK, now)
    return len(rows)


def briefing(listeners: Sequence[Listener], now: datetime) -> dict[UUID, dict[str, Any]]:
    """By channel: the token of its workspace and where Slack is. Nothing where the app is no longer there."""
    statement = select(SlackInstallation).where(
        SlackInstallation.organization_id.in_({one.organization_id for one in listeners})
    )
    rows = {(row.organization_id, row.team_id): row for row in db.session.execute(statement).scalars()}
    server = _settings().slack_api_base
    found: dict[UUID, dict[str, Any]] = {}
    for one in listeners:
        row = rows.get((one.organization_id, str(one.config.get("team"))))
        if row and (unsealed := token(row)):
            found[one.channel_id] = {"token": unsealed, "server": server}
    return found


def token(row: SlackInstallation) -> str:
    """The bot's token; empty if it was sealed under another SECRET_KEY, and the app must be added again."""
    try:
        return sealing.unseal(row.sealed_token, _settings().secret_keys)
    except ValueError:
        log.warning("slack_token_unreadable", installation=str(row.id))
        return ""


def api(outside: Outside) -> SlackApi:
    """Slack, as the settings say where it is."""
    return SlackApi(outside.http, _settings().slack_api_base)


def _of(organization_id: UUID, team_id: str) -> SlackInstallation | None:
    statement = select(SlackInstallation).where(
        SlackInstallation.organization_id == organization_id, SlackInstallation.team_id == team_id
    )
    return db.session.execute(statement.with_for_update()).scalar_one_or_none()


def _forget(row: SlackInstallation, reason: str, by: Actor, now: datetime) -> None:
    for channel in db.session.execute(read.channels(row.organization_id, row.team_id)).scalars():
        if channel.enabled:
            channel.enabled, channel.disabled_reason, channel.updated_at = False, reason, now
            channel.version += 1
    _record("slack.removed", row, by, now)
    db.session.execute(delete(SlackInstallation).where(SlackInstallation.id == row.id))


def _revoke(unsealed: str, outside: Outside) -> None:
    """It is out of our hands already; that Slack forgets it, too, is a courtesy."""
    try:
        api(outside).ask("auth.revoke", unsealed, {}, timeout=3.0)
    except DeliveryError as error:
        log.info("slack_revoke_failed", error=error.message)


def _record(what: str, row: SlackInstallation, by: Actor, now: datetime, after: dict[str, Any] | None = None) -> None:
    audit.record(what, by, row.organization_id, now, object_id=row.id, object_name=row.team_name, after=after)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings
