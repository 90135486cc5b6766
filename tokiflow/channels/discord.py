"""Discord, by webhook: a card that turns green when it is over, and a new line so that people notice.

Requests and answers: https://docs.discord.com/developers/resources/webhook
Limits of a card: https://docs.discord.com/developers/resources/message#embed-object-embed-limits
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tokiflow.channels import answers, fields, text, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config
from tokiflow.channels.message import Listed, Message, Receipt
from tokiflow.channels.outside import Answer, Outside
from tokiflow.core import addresses
from tokiflow.errors import DeliveryError

# Discord refuses a card of more than 6,000 letters in all; these leave room for each other. It isn't told whether
# letters or UTF-16 units are counted, so the stricter is kept to.
TITLE_LIMIT = 256
DESCRIPTION_LIMIT = 3_600
OUTPUT_LIMIT = 1_400
SUMMARY_LIMIT = 500
FOLLOW_UP_LIMIT = 250
REASON_LIMIT = 800
ADVICE_LIMIT = 600
FIELD_LIMIT = 180
FOOTER_LIMIT = 320
COLOURS = {"down": 0xBF2D20, "late": 0xD9930D, "up": 0x16794F, "rest": 0x68707E}
# News that changes how the incident stands, or how many are down, and so how its first message looks.
CHANGES = frozenset({"acknowledged", "flapping", "reopened", "resolved", "summary"})
# What is short once its first message has been changed.
SHORT = frozenset({"resolved", "summary"})
SUPPRESS_EMBEDS = 4
WANTS_THREAD = 220001
"""Discord's code for a message to a forum, where every message stands in a thread: it must have a name for one."""
THREAD_LIMIT = 100
_HOST = re.compile(r"(?:(?:www|ptb|canary)\.)?discord(?:app)?\.com")
_PATH = re.compile(r"/api(?:/v\d+)?/webhooks/\d+/[A-Za-z0-9_-]+/?")


def _address(value: object) -> str:
    url = addresses.web(value)
    parts = urlsplit(url)
    if _HOST.fullmatch(parts.hostname or "") and not _PATH.fullmatch(parts.path):
        raise ValueError("is not a webhook of Discord; write it like https://discord.com/api/webhooks/123…/abc…")
    return url


class Discord(ChannelKind):
    """Config: `{"url": "https://discord.com/api/webhooks/<id>/<token>"}`, with `?thread_id=` if you like: a secret.

    Others that take the same requests have addresses of their own, so any host is taken.
    """

    kind = "discord"
    title = "Discord"
    line = "A card in a text channel. It turns green when the trouble is over."
    icon = "discord"
    follows = frozenset({"acknowledged"})
    setup = (
        "In Discord, open the settings of the text channel, then Integrations, then Webhooks.",
        "Choose New Webhook, and give it a name that people know.",
        "Choose Copy Webhook URL, and paste it into this form. For a thread, add ?thread_id= and its id at the end.",
    )
    arrives = (
        "A card with what happened, why, the last lines of output and what to do. It is edited when somebody is on "
        "it and when it is over; then a short new message says so, too. In a forum, each incident has a thread of its "
        "own. Nobody is ever mentioned."
    )
    fields: ClassVar = (
        replace(
            fields.url(
                "Webhook address",
                secret=True,
                help="Whoever has it can write there: treat it like a password. It is never shown again.",
                placeholder="https://discord.com/api/webhooks/…",
            ),
            read=_address,
        ),
    )

    def describe(self, config: Config) -> str:
        host = urlsplit(config["url"]).hostname or ""
        return "Discord webhook" if _HOST.fullmatch(host) else f"Discord webhook at {host}"

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        edited = self._edit(config, message, outside)
        if edited is not None and message.kind == "acknowledged":
            return edited
        body = back(message) if edited is not None and message.kind in SHORT else payload(message)
        answer, thread = self._post(config, message, body, outside)
        return _receipt(answer, config, {"thread_id": thread, "because": _because(message)})

    def _post(self, config: Config, message: Message, body: dict[str, Any], outside: Outside) -> tuple[Answer, str]:
        """What is answered, and the thread that it stands in, if it is one of a forum. Each incident has its own there:
        the first message begins it, and so does a later one if somebody deleted it."""

        def posted(asked: dict[str, str], body: dict[str, Any]) -> Answer:
            return outside.http.send("POST", _with(config["url"], "", {"wait": "true", **asked}), json=body)

        thread = _thread(message)
        answer = posted(thread, body)
        if thread and answer.status_code != 429 and 400 <= answer.status_code < 500:
            thread, answer = {}, posted({}, body)
        if answers.parsed(answer).get("code") == WANTS_THREAD:
            name = text.fitting(words.headline(message), lambda cut: text.units(cut) <= THREAD_LIMIT)
            answer = posted({}, {**body, "thread_name": name})
            thread = {"thread_id": str(answers.parsed(answer).get("channel_id") or "")}
        return answer, thread.get("thread_id", "")

    def _edit(self, config: Config, message: Message, outside: Outside) -> Receipt | None:
        """Let the first message say how things stand; None if there is nothing to edit, or it can't be edited.

        Safe to repeat, so a try that fails here begins again from here.
        """
        first = str(message.thread.get("message_id") or "")
        if message.kind not in CHANGES or not first:
            return None
        url = _with(config["url"], f"/messages/{first}", _thread(message))
        told = replace(message, because=_because(message))
        answer = outside.http.send("PATCH", url, json=payload(told))
        if answer.status_code != 429 and 400 <= answer.status_code < 500:
            return None  # Somebody deleted it. If the webhook itself is gone, the new message will tell.
        return _receipt(answer, config, {})


def _thread(message: Message) -> dict[str, str]:
    """Where the first message about the incident stands, if that is in a forum."""
    thread = str(message.thread.get("thread_id") or "")
    return {"thread_id": thread} if thread else {}


def _because(message: Message) -> str:
    """Why this channel was told in the first place."""
    return str(message.thread.get("because") or message.because)


def payload(message: Message) -> dict[str, Any]:
    """The body of a message with its card."""
    return {"embeds": [embed(message)], "allowed_mentions": {"parse": []}}


def back(message: Message) -> dict[str, Any]:
    """The body of the short message that says it is over; the card above has the rest."""
    tone = words.tone(message)
    said = f"{tone.shape} {_escaped(words.headline(message), 600)}"
    links = "".join(f" [{label}](<{url}>)" for label, url in words.links(message)[:1])
    return {"content": said + links, "flags": SUPPRESS_EMBEDS, "allowed_mentions": {"parse": []}}


def embed(message: Message) -> dict[str, Any]:
    """The card: headline, what happened, why, the last output, what to do, the facts."""
    tone = words.tone(message)
    links = words.links(message)
    card = {
        "title": f"{tone.shape} {_escaped(words.headline(message), TITLE_LIMIT - 2)}",
        "url": links[0][1] if links else None,
        "color": COLOURS[tone.name],
        "description": _description(message),
        "fields": [
            {"name": label, "value": _escaped(value, FIELD_LIMIT), "inline": True}
            for label, value in words.facts(message)
        ],
        "footer": {"text": _footer(message)},
        "timestamp": (message.resolved_at or message.opened_at).isoformat(),
    }
    return {name: value for name, value in card.items() if value}


def _description(message: Message) -> str:
    paragraphs = [
        _escaped(words.sentence(message.summary), SUMMARY_LIMIT),
        _escaped(words.follow_up(message), FOLLOW_UP_LIMIT),
        _escaped(words.sentence(message.reason), REASON_LIMIT),
        _output(message),
        f"**What to do**\n{_escaped(message.advice, ADVICE_LIMIT)}" if message.advice else "",
        "  ".join(f"[{label}]({url})" for label, url in words.links(message)),
    ]
    said = [one for one in paragraphs if one]
    room = DESCRIPTION_LIMIT - text.units("\n\n".join(said))
    listed = words.listing(message, _listed, lambda kept: text.units(kept) <= room - 2)
    return "\n\n".join([*said[:1], listed, *said[1:]] if listed else said)


def _output(message: Message) -> str:
    label, lines = words.output(message)
    kept = text.fenced(text.tail(lines, lambda kept: text.units(text.fenced(kept)) <= OUTPUT_LIMIT))
    return f"**{label}**\n{kept}" if kept else ""


def _listed(one: Listed) -> str:
    name = f"**{_escaped(one.monitor_name, 120)}**"
    linked = f"[{name}]({one.url})" if one.url else name
    return f"{words.shape(one)} {linked} {_escaped(one.summary, 160)}"


def _footer(message: Message) -> str:
    strip = f"{words.strip(message)}  " if message.runs else ""
    return text.fitting(strip + words.signed(message), lambda cut: text.units(cut) <= FOOTER_LIMIT)


def _escaped(value: str, limit: int) -> str:
    return text.markdown(text.fitting(value, lambda cut: text.units(text.markdown(cut)) <= limit))


def _with(url: str, path: str, query: dict[str, str]) -> str:
    """`url` with more of a path and more in its query; what the query says already (`thread_id`) stays."""
    parts = urlsplit(url)
    asked = urlencode([*(pair for pair in parse_qsl(parts.query) if pair[0] not in ("wait", *query)), *query.items()])
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + path, asked, ""))


def _receipt(answer: Answer, config: Config, memory: dict[str, str]) -> Receipt:
    said = answers.parsed(answer)
    response = answers.shown(answer, (config["url"], urlsplit(config["url"]).path))
    if answers.ok(answer):
        known = {"message_id": str(said["id"]), **memory} if said.get("id") else {}
        return Receipt(answer.status_code, response, {name: value for name, value in known.items() if value})
    raise DeliveryError(
        f"Discord answered {answer.status_code}: {text.line(str(said.get('message') or response), 100) or 'nothing'}",
        permanent=_gone(answer.status_code, said),
        retry_after=answers.longest_wait(answer, said.get("retry_after")),
        status_code=answer.status_code,
        response=response,
    )


def _gone(status_code: int, said: dict[str, Any]) -> bool:
    """Whether the webhook, its channel or its thread is no more. 401 and 403 count only with a code of Discord's:
    what guards Discord's door says 403 as well, and lets us in a minute later."""
    return status_code in (404, 410) or (status_code in (401, 403) and isinstance(said.get("code"), int))
