"""Slack, by incoming webhook: a line that tells it all in the notification, and a card below with the rest.

Blocks and their limits: https://docs.slack.dev/reference/block-kit
Answers: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

from tokiflow.channels import fields, text, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Answer, Outside
from tokiflow.errors import DeliveryError

# Slack refuses a section of more than 3,000 letters and a field of more than 2,000, counted after escaping,
# which makes five letters out of one at worst.
TEXT_LIMIT = 580
FIELD_LIMIT = 380
FIELDS_LIMIT = 10
OUTPUT_LIMIT = 2_900
URL_LIMIT = 500
COLOURS = {"down": "#bf2d20", "late": "#d9930d", "up": "#16794f", "rest": "#68707e"}
# The webhook, its app, its channel or its workspace is gone, or an administrator said no: waiting doesn't help.
_GONE_STATUSES = frozenset({403, 404, 410})
_GONE_WORDS = frozenset(
    {"no_service", "no_service_id", "no_team", "team_disabled", "channel_not_found", "channel_is_archived"}
    | {"action_prohibited", "posting_to_general_channel_denied", "invalid_token", "no_active_hooks"}
)


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
        fields.url(
            "Webhook address",
            secret=True,
            help="It is the key to the room: treat it like a password. It is never shown again.",
            placeholder="https://hooks.slack.com/services/…",
        ),
    )

    def describe(self, config: Config) -> str:
        host = urlsplit(config["url"]).hostname or ""
        return "Slack webhook" if host == "hooks.slack.com" else f"Slack webhook at {host}"

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        return _receipt(outside.http.send("POST", config["url"], json=card(message)))


def card(message: Message) -> dict[str, Any]:
    """The body of the request. `text` is what notifications and screen readers get."""
    tone = words.tone(message)
    return {
        "text": f"{tone.shape} *{_mrkdwn(words.headline(message))}*",
        "unfurl_links": False,
        "unfurl_media": False,
        "attachments": [
            {"color": COLOURS[tone.name], "fallback": words.headline(message), "blocks": blocks(message)},
        ],
    }


def blocks(message: Message) -> list[dict[str, Any]]:
    """The card: what happened, why, the last output, what to do, the facts, where to go, the run strip."""
    parts = [
        _section(_mrkdwn(words.sentence(message.summary))),
        _section(_mrkdwn(words.sentence(message.reason))),
        _section(_output(message.last_lines)) if message.last_lines else None,
        _section(f"*What to do*\n{_mrkdwn(message.advice)}") if message.advice else None,
        _facts(message),
        _section(_links(message)),
        _context(message),
    ]
    return [part for part in parts if part is not None]


def _facts(message: Message) -> dict[str, Any] | None:
    rows = words.facts(message)[:FIELDS_LIMIT]
    cells = [_text(f"*{label}*\n{_mrkdwn(value, FIELD_LIMIT)}") for label, value in rows]
    return {"type": "section", "fields": cells} if cells else None


def _output(lines: tuple[str, ...]) -> str:
    """As many of the last lines as fit, in a block that no back-ticks of theirs can end."""
    kept: list[str] = []
    room = OUTPUT_LIMIT
    for line in reversed(lines):
        escaped = _mrkdwn(line.replace("```", "`\u200b`\u200b`"))
        room -= len(escaped) + 1
        if room < 0:
            break
        kept.insert(0, escaped)
    return "*Last output*\n```" + "\n".join(kept) + "```"


def _links(message: Message) -> str:
    # Links, not buttons: a button of a webhook has nobody to answer it, and Slack says so to whoever presses it.
    links = words.links(message)
    return "   ".join(f"*<{_mrkdwn(url, URL_LIMIT).replace('|', '%7C')}|{label}>*" for label, url in links)


def _context(message: Message) -> dict[str, Any]:
    strip = f"{words.strip(message)}   " if message.runs else ""
    return {"type": "context", "elements": [_text(f"{strip}{_mrkdwn(message.organization)} · Tokiflow")]}


def _section(content: str) -> dict[str, Any] | None:
    return {"type": "section", "text": _text(content)} if content else None


def _text(content: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": content}


def _mrkdwn(value: str, limit: int = TEXT_LIMIT) -> str:
    """`value` without the three characters that make links, mentions and `<!channel>`; cut before it grows."""
    return text.truncate(value, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


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
