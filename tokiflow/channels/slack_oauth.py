"""Adding our app to a workspace: OAuth v2, https://docs.slack.dev/authentication/installing-with-oauth"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tokiflow.channels import text
from tokiflow.channels.slack_api import SlackApi, SlackRefused, base
from tokiflow.errors import DeliveryError

SCOPES = ("chat:write", "chat:write.public", "commands", "channels:read", "groups:read")
NEEDED = frozenset({"chat:write", "commands"})
"""Without these nothing works. Without the others channels can't be chosen from a list, or must invite the app."""


class InstallationRefused(Exception):
    """The app was not added; `str()` of it says why and what to do, as sentences."""


@dataclass(frozen=True)
class Grant:
    """What a workspace lets our app do, and the token to do it with."""

    team_id: str
    team_name: str
    bot_user_id: str
    scopes: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class SlackClient:
    """Our app as Slack knows it. `secret` is nobody's business."""

    id: str
    secret: str = field(repr=False)

    def authorize_url(self, address: str, state: str, redirect_uri: str) -> str:
        """Where somebody chooses a workspace and lets the app in."""
        asked = {"client_id": self.id, "scope": ",".join(SCOPES), "state": state, "redirect_uri": redirect_uri}
        return f"{base(address)}/oauth/v2/authorize?{urlencode(asked)}"

    def exchange(self, api: SlackApi, code: str, redirect_uri: str) -> Grant:
        """What `code` is worth, which works once. Raises InstallationRefused."""
        form = {"client_id": self.id, "client_secret": self.secret, "code": code, "redirect_uri": redirect_uri}
        try:
            return _granted(api.ask("oauth.v2.access", "", form))
        except SlackRefused as refused:
            raise InstallationRefused(_WHY.get(refused.code, _again(refused.code))) from None
        except DeliveryError:
            raise InstallationRefused("Slack can’t be reached at the moment. Try again shortly.") from None


_UNKNOWN = (
    "Slack does not know this Tokiflow. Whoever operates it should check SLACK_CLIENT_ID and SLACK_CLIENT_SECRET."
)
_WHY = {
    "invalid_client_id": _UNKNOWN,
    "bad_client_secret": _UNKNOWN,
    "bad_redirect_uri": "Slack does not know this address of Tokiflow. Whoever operates it should add the redirect URL "
    "to the app at Slack.",
    "ratelimited": "Slack has been asked too often. Wait a minute and try again.",
}


def _again(code: str) -> str:
    return f"Slack no longer takes this answer ({code}). Please try again."


def _granted(said: dict[str, Any]) -> Grant:
    team, token, scopes = said.get("team"), said.get("access_token"), str(said.get("scope") or "")
    if said.get("is_enterprise_install") or not isinstance(team, dict) or not team.get("id"):
        raise InstallationRefused("Tokiflow is added to one workspace at a time. Choose a workspace and try again.")
    if not isinstance(token, str) or not token:
        raise InstallationRefused("Slack sent no token along. Please try again.")
    if missing := NEEDED - set(scopes.replace(" ", ",").split(",")):
        raise InstallationRefused(
            f"Slack let Tokiflow in without the right to {' and '.join(sorted(missing))}, which it can’t do without. "
            "Please try again and grant all it asks for."
        )
    team_id = str(team["id"])[:20]
    name = text.line(str(team.get("name") or team_id), 200)
    return Grant(team_id, name, str(said.get("bot_user_id") or "")[:20], scopes, token)
