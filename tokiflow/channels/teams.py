"""Microsoft Teams, by a workflow that posts what a webhook is given: an adaptive card.

Workflows: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
Cards: https://adaptivecards.io/explorer; Teams takes messages of at most 28 KB and says nothing of larger ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tokiflow.channels import answers, fields, text, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config
from tokiflow.channels.message import Listed, Message, Receipt
from tokiflow.channels.outside import Answer, Outside
from tokiflow.core import addresses
from tokiflow.errors import DeliveryError

SIZE_LIMIT = 28_000
LISTING_SIZE = 12_000
STYLES = {"down": "attention", "late": "warning", "up": "good", "rest": "emphasis"}
_WORKFLOWS = (".logic.azure.com", ".api.powerplatform.com")
_CONNECTORS = (".webhook.office.com", "outlook.office.com", "outlook.office365.com")
_GONE = frozenset({401, 403, 404, 410})
# A workflow that was turned off answers with these, and may be turned on again.
_ASLEEP = ("WorkflowTriggerIsNotEnabled", "WorkflowDisabled", "WorkflowSuspended")


def _address(value: object) -> str:
    url = addresses.web(value)
    parts = urlsplit(url)
    host = f".{parts.hostname or ''}"
    if host.endswith(tuple(f".{one.lstrip('.')}" for one in _CONNECTORS)):
        raise ValueError(
            "is an Office 365 connector, which Microsoft has retired; make a workflow and paste its address"
        )
    if host.endswith((".teams.microsoft.com", ".teams.live.com")):
        raise ValueError("is the link to a channel; paste the address of a workflow, as it is told beside this form")
    if host.endswith(_WORKFLOWS) and not parse_qs(parts.query).get("sig"):
        raise ValueError(
            "has no sig=… at its end, without which the workflow lets nobody in; copy all of it, from a workflow "
            "that anyone may trigger"
        )
    return url


class Teams(ChannelKind):
    """Config: `{"url": "https://….api.powerplatform.com/…&sig=…"}`. Whoever has it can post: a secret.

    A workflow may have any address in front of it, so any host is taken.
    """

    kind = "teams"
    title = "Microsoft Teams"
    line = "A card in a channel or a chat, posted by a workflow."
    icon = "teams"
    follows = frozenset({"acknowledged"})
    setup = (
        "In Teams, open the menu of the channel or chat, then Workflows.",
        "Choose “Send webhook alerts to a channel” (or to a chat), name it, and choose where it posts.",
        "Copy the address it shows at the end, all of it, and paste it into this form.",
    )
    arrives = (
        "A card with what happened, why, the facts, the last lines of output, what to do, and a button that opens the "
        "incident. The workflow takes a message before it posts it: look in the channel once, after a test."
    )
    fields: ClassVar = (
        replace(
            fields.url(
                "Address of the workflow",
                secret=True,
                help="Whoever has it can post there: treat it like a password. It is never shown again.",
                placeholder="https://….api.powerplatform.com/…&sig=…",
            ),
            read=_address,
        ),
    )

    def describe(self, config: Config) -> str:
        host = urlsplit(config["url"]).hostname or ""
        return "Teams workflow" if host.endswith(_WORKFLOWS) else f"Teams workflow at {host}"

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        headers = {"Content-Type": "application/json"}
        return _receipt(outside.http.send("POST", config["url"], content=body(message), headers=headers), config)


def body(message: Message) -> bytes:
    """The body of the request, at most 28 KB of it: of the output, the oldest lines go first."""
    lines = message.last_lines
    while len(written := _json(payload(message, lines))) > SIZE_LIMIT and lines:
        lines = lines[1:]
    return written


def payload(message: Message, lines: Sequence[str] | None = None) -> dict[str, Any]:
    """The message with its card; `lines` of output instead of all there are."""
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": card(message, message.last_lines if lines is None else lines),
            }
        ],
    }


def card(message: Message, lines: Sequence[str]) -> dict[str, Any]:
    """The card: headline, what happened, why, the last output, what to do, the facts, and where to go."""
    tone = words.tone(message)
    headline = f"{tone.shape} {words.headline(message)}"
    parts = [
        _headline(headline, tone.name),
        _text(words.sentence(message.summary)),
        _text(words.follow_up(message)),
        *_listing(message),
        _text(words.sentence(message.reason)),
        *_output(lines),
        *([_text("What to do", weight="Bolder"), _text(message.advice)] if message.advice else []),
        _facts(message),
        _footer(message),
    ]
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": headline,
        "msteams": {"width": "Full"},
        "body": [part for part in parts if part is not None],
        "actions": [{"type": "Action.OpenUrl", "title": label, "url": url} for label, url in words.links(message)],
    }


def _headline(headline: str, tone: str) -> dict[str, Any]:
    items = [_text(headline, size="Medium", weight="Bolder", style="heading")]
    return {"type": "Container", "style": STYLES[tone], "bleed": True, "items": items}


def _text(content: str, **look: Any) -> dict[str, Any] | None:
    return {"type": "TextBlock", "text": text.markdown(content), "wrap": True, **look} if content else None


def _output(lines: Sequence[str]) -> list[dict[str, Any] | None]:
    """The last lines as they are: in a run of text there is no Markdown to break out of."""
    run = {"type": "TextRun", "text": "\n".join(lines), "fontType": "Monospace", "size": "Small"}
    block = {"type": "Container", "style": "emphasis", "items": [{"type": "RichTextBlock", "inlines": [run]}]}
    return [_text("Last output", weight="Bolder"), block] if lines else []


def _facts(message: Message) -> dict[str, Any] | None:
    rows = [{"title": label, "value": text.markdown(value)} for label, value in words.facts(message)]
    return {"type": "FactSet", "facts": rows} if rows else None


def _listing(message: Message) -> list[dict[str, Any]]:
    listed = words.listing(
        message, _listed, lambda kept: text.size(json.dumps(kept, ensure_ascii=False)) < LISTING_SIZE
    )
    return [{"type": "TextBlock", "text": line, "wrap": True, "spacing": "Small"} for line in listed.splitlines()]


def _listed(one: Listed) -> str:
    name = text.markdown(one.monitor_name)
    return f"{words.shape(one)} {f'[{name}]({one.url})' if one.url else name} {text.markdown(one.summary)}"


def _footer(message: Message) -> dict[str, Any] | None:
    strip = f"{words.strip(message)}   " if message.runs else ""
    return _text(strip + words.signed(message), isSubtle=True, size="Small", separator=True)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _receipt(answer: Answer, config: Config) -> Receipt:
    parts = urlsplit(config["url"])
    secrets = (config["url"], parts.path, parts.query, *parse_qs(parts.query).get("sig", ()))
    response = answers.shown(answer, secrets)
    if answers.ok(answer):
        return Receipt(answer.status_code, response or "Taken; the workflow posts it in a moment.")
    asleep = any(word in answer.text for word in _ASLEEP)
    said = "the workflow is turned off" if asleep else text.line(_reason(answer) or response, 100) or "nothing"
    raise DeliveryError(
        f"Teams answered {answer.status_code}: {said}",
        permanent=answer.status_code in _GONE and not asleep,
        retry_after=answer.retry_after,
        status_code=answer.status_code,
        response=response,
    )


def _reason(answer: Answer) -> str:
    """`{"error": {"code": …, "message": …}}` in words."""
    error = answers.parsed(answer).get("error")
    return str(error.get("code") or error.get("message") or "") if isinstance(error, dict) else ""
