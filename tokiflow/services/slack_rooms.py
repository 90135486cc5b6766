"""The channels of a Slack workspace, to choose from: https://docs.slack.dev/reference/methods/conversations.list"""

from __future__ import annotations

import structlog

from tokiflow.channels.outside import Outside
from tokiflow.channels.slack_api import SlackApi
from tokiflow.errors import DeliveryError
from tokiflow.models import SlackInstallation
from tokiflow.services import slack_installations

log = structlog.get_logger()

PAGE = 50
"""Channels in one answer: more of them could be larger than an answer may be."""
PAGES = 4
TIME_LIMIT = 2.0


def names(row: SlackInstallation, outside: Outside) -> list[str]:
    """The first 200 or so, like "#ops", by name. Fewer or none if Slack doesn't tell: any can be written, too."""
    token = slack_installations.token(row)
    found: list[str] = []
    try:
        if token:
            _gather(slack_installations.api(outside), token, found)
    except DeliveryError as error:
        log.info("slack_rooms_unknown", error=error.message)
    return sorted(set(found))


def _gather(api: SlackApi, token: str, found: list[str]) -> None:
    asked = {"types": "public_channel,private_channel", "exclude_archived": "true", "limit": str(PAGE)}
    for _ in range(PAGES):
        said = api.ask("conversations.list", token, asked, TIME_LIMIT)
        rooms = said.get("channels")
        found += [f"#{room['name']}" for room in rooms or () if isinstance(room, dict) and room.get("name")]
        asked["cursor"] = str((said.get("response_metadata") or {}).get("next_cursor") or "")
        if not asked["cursor"]:
            return
