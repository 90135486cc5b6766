"""Tokiflow's app in Slack: add it to a workspace, see where it is, take it out again."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)

from tokiflow import outside
from tokiflow.channels.slack_oauth import InstallationRefused, SlackClient
from tokiflow.core.roles import Right
from tokiflow.queries import slack_installations as installed
from tokiflow.services import slack_installations as service
from tokiflow.settings import Settings
from tokiflow.web import access, channel_rows, frame, htmx, named, slack_manifest

blueprint = Blueprint("slack", __name__, url_prefix="/app/channels/slack")

INSTALL_SECONDS = 600
TABS = 5
_SESSION_KEY = "slack_installs"


@blueprint.get("")
@access.requires(Right.EDIT_CHANNELS)
def index() -> str:
    """The workspaces that the app is in; or how an operator makes an app."""
    return render_template(
        "slack/index.html",
        workspaces=channel_rows.workspaces(installed.of_organization(access.organization().id)),
        set_up=_settings().slack_app,
        manifest=slack_manifest.manifest(_settings().public_url),
        new_app=slack_manifest.NEW_APP,
    )


@blueprint.get("/install")
@access.requires(Right.EDIT_CHANNELS)
def install() -> Response:
    """Go to Slack, choose a workspace there, and come back to `callback`."""
    if not _settings().slack_app:
        return htmx.see_other(url_for("slack.index"))
    visit = _Visit(secrets.token_urlsafe(24), str(access.organization().id), int(frame.now().timestamp()))
    _remember(visit)
    # No-store, as every page is (web.security): the address holds what works once.
    return make_response(redirect(_client().authorize_url(_settings().slack_api_base, visit.state, _callback()), 303))


@blueprint.get("/callback")
@access.requires(Right.EDIT_CHANNELS)
def callback() -> Response:
    """Back from Slack, with a code or without."""
    try:
        name = _installed()
    except InstallationRefused as refused:
        flash(str(refused), "error")
        return htmx.see_other(url_for("slack.index"))
    flash(f"Tokiflow is in {name}. Now choose the channel it writes in.", "success")
    return htmx.see_other(url_for("channels.create", kind=installed.KIND))


@blueprint.route("/<installation_id>/remove", methods=["GET", "POST"])
@access.requires(Right.EDIT_CHANNELS)
def remove(installation_id: str) -> Response:
    """Ask, with what stops in numbers; then take the app out."""
    row = named.slack_installation(installation_id)
    if request.method == "POST":
        name = row.team_name
        service.remove(row.id, access.actor(), outside.of(current_app), frame.now())
        flash(f"Tokiflow is no longer in {name}.", "success")
        return htmx.see_other(url_for("slack.index"))
    return htmx.page(
        "slack/remove.html",
        "slack/_remove.html",
        row=row,
        row_id=installation_id,
        channels=installed.count_of_channels(row),
    )


@dataclass(frozen=True)
class _Visit:
    """One visit to Slack that has not come back yet: for which organization, and when it began (Unix seconds)."""

    state: str
    organization: str
    begun_at: int


def _installed() -> str:
    """The workspace that the app is in from now on. Raises InstallationRefused."""
    visit = _recall(request.args.get("state", ""))
    if error := request.args.get("error"):
        raise InstallationRefused(_declined(error))
    code = request.args.get("code", "")
    if not code or len(code) > 1_000:
        raise InstallationRefused("Slack sent no code along. Please try again.")
    if not _settings().slack_app:
        raise InstallationRefused("The Slack app of this Tokiflow is no longer set up.")
    # Whoever switched to another organization meanwhile adds it to the one they began with.
    organization = access.go_to(UUID(visit.organization))
    grant = _client().exchange(service.api(outside.of(current_app)), code, _callback())
    service.install(organization.id, grant, access.actor(), frame.now())
    return grant.team_name


def _declined(error: str) -> str:
    if error == "access_denied":
        return "You did not let Tokiflow into the workspace, so nothing was changed."
    return f"Slack did not let Tokiflow in ({error[:60]}). Please try again."


def _remember(visit: _Visit) -> None:
    """Beside those begun in other tabs, of which the newest few count."""
    pending = list(session.get(_SESSION_KEY, []))[-TABS + 1 :]
    session[_SESSION_KEY] = [*pending, [visit.state, visit.organization, visit.begun_at]]


def _recall(state: str) -> _Visit:
    """The visit that `state` belongs to, which is then over. Raises InstallationRefused if it is none of this
    person's."""
    pending = [_Visit(*values) for values in session.get(_SESSION_KEY, [])]
    found = next((one for one in pending if secrets.compare_digest(one.state.encode(), state.encode())), None)
    if found is None:
        raise InstallationRefused("This was not begun in this browser, or was used already. Please try again.")
    session[_SESSION_KEY] = [[one.state, one.organization, one.begun_at] for one in pending if one.state != found.state]
    if frame.now().timestamp() - found.begun_at > INSTALL_SECONDS:
        raise InstallationRefused("This took longer than ten minutes. Please try again.")
    return found


def _callback() -> str:
    return f"{_settings().public_url}{slack_manifest.CALLBACK}"


def _client() -> SlackClient:
    return SlackClient(_settings().slack_client_id, _settings().slack_client_secret)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings
