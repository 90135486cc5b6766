"""Slack, by incoming webhook: a line that tells it all in the notification, and a card below with the rest.

Answers: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tokiflow.channels import fields, slack_blocks, text
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Answer, Outside
from tokiflow.core import addresses
from tokiflow.errors import DeliveryError

# The webhook, its app, its channel or its workspace is gone, or an administrator said no: waiting doesn't help.
_GONE_STATUSES = frozenset({403, 404, 410})
_GONE_WORDS = frozenset(
    {"no_service", "no_service_id", "no_team", "team_disabled", "channel_not_found", "channel_is_archived"}
    | {"action_prohibited", "posting_to_general_channel_denied", "invalid_token", "no_active_hooks"}
)

_HOST = "hooks.slack.com"
_PATH = re.compile(r"/(services|workflows|triggers)(/[^/]+){2,}/?")


def _address(value: object) -> str:
    url = addresses.web(value)
    parts = urlsplit(url)
    if parts.hostname == _HOST and not _PATH.fullmatch(parts.path):
        raise ValueError("is not a webhook of Slack; write all of it, like https://hooks.slack.com/services/T…/B…/…")
    return url


class Slack(ChannelKind):
    """Config: `{"url": "https://hooks.slack.com/services/…"}`. The address is the key to the room: a secret.

    Services that speak the same protocol (Mattermost, Rocket.Chat) have addresses of their own, so any is taken.
    """

    kind = "slack"
    title = "Slack"
    line = "Into a room, by an incoming webhook. Mattermost and Rocket.Chat take the same."
    icon = "slack"
    setup = (
        "In Slack, open Tools and settings, then Manage apps.",
        "Add Incoming Webhooks, or an app of yours that has it, and choose the room.",
        "Copy the webhook address into this form.",
    )
    fields: ClassVar = (
        replace(
            fields.url(
                "Webhook address",
                secret=True,
                help="It is the key to the room: treat it like a password. It is never shown again.",
                placeholder="https://hooks.slack.com/services/…",
            ),
            read=_address,
        ),
    )

    def describe(self, config: Config) -> str:
        host = urlsplit(config["url"]).hostname or ""
        return "Slack webhook" if host == _HOST else f"Slack webhook at {host}"

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        return _receipt(outside.http.send("POST", config["url"], json=card(message)))


def card(message: Message) -> dict[str, Any]:
    """The body of the request. `text` is what notifications and screen readers get.

    It has links and no buttons: a button of a webhook has nobody to answer it, and Slack says so to whoever presses it.
    """
    return {
        "text": slack_blocks.headline(message),
        "unfurl_links": False,
        "unfurl_media": False,
        "attachments": [slack_blocks.below(message)],
    }


def _receipt(answer: Answer) -> Receipt:
    said = Receipt(answer.status_code, answer.text.strip())
    if 200 <= answer.status_code < 300:
        return said
    gone = answer.status_code in _GONE_STATUSES or said.response in _GONE_WORDS
    raise DeliveryError(
        f"Slack answered {answer.status_code}: {text.line(said.response, 100) or 'nothing'}",
        permanent=gone,
        retry_after=answer.retry_after,
        status_code=answer.status_code,
        response=said.response,
    )
