"""ntfy, at ntfy.sh or on a server of one's own: a push message that opens the incident, and turns into its recovery.

Publishing: https://docs.ntfy.sh/publish/#publish-as-json
Its errors: https://github.com/binwiederhier/ntfy/blob/main/server/errors.go
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tokiflow.channels import answers, fields, plain, text, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Answer, Outside
from tokiflow.errors import DeliveryError

NTFY = "https://ntfy.sh"
# A message of more bytes becomes a file that nobody reads at night. Phones are sent no more for message, title and
# buttons together, so the whole request keeps to it.
SIZE_LIMIT = 4_096
SMALL = 1_200
"""What a server of one's own that takes less is asked to take instead."""
TITLE_SIZE = 500
TAGS_LIMIT = 5
LOW, DEFAULT, HIGH, URGENT = 2, 3, 4, 5
_EMOJI = {"down": "rotating_light", "late": "warning", "up": "white_check_mark", "rest": "wave"}
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
_TOKEN = re.compile(r"[!-~]{1,200}")
_GONE = frozenset({401, 403, 404, 405, 410})
# Codes of ntfy's own, answered with 400: a topic of that name is never taken; what is long can't become a file.
_NO_TOPIC = frozenset({40009, 40010})
_NO_FILES = 40014


def _topic(value: object) -> str:
    written = value.strip() if isinstance(value, str) else ""
    if not written:
        raise ValueError("is missing; write a name that nobody can guess, like alerts-7fk2x9qd")
    if "/" in written:
        raise ValueError("is an address; write only the last part of it, and the address of the server below")
    if not _TOPIC.fullmatch(written):
        raise ValueError("is no topic; write at most 64 letters, digits, - and _, without spaces")
    return written


def _token(value: object) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not _TOKEN.fullmatch(value.strip()):
        raise ValueError("is no access token; copy it from your account at the server, like tk_…")
    return value.strip()


def new_topic() -> str:
    """A topic that nobody guesses: on a public server, whoever knows it can read along."""
    return f"tokiflow-{secrets.token_hex(8)}"


class Ntfy(ChannelKind):
    """Config: `{"topic": "alerts-7fk2x9qd", "token"?: "tk_…", "server"?: "https://ntfy.example.com"}`."""

    kind = "ntfy"
    title = "ntfy"
    line = "A push message to phones and browsers, without an account, or by a server of your own."
    icon = "ntfy"
    follows = frozenset({"acknowledged"})
    setup = (
        "Install the app ntfy from your phone’s store, or open ntfy.sh in a browser.",
        "In the app, press + and subscribe to the topic that stands in this form. Tick “Use another server” if it is "
        "not ntfy.sh.",
        "If the server asks who you are, open Account there, then Access tokens, make one and paste it into this form. "
        "Its user must be allowed to write to the topic.",
        "So that outages also ring while the phone is silent, let the app override “Do not disturb” for the highest "
        "priority, in its settings.",
    )
    arrives = (
        "What happened, why, the last lines of output and what to do; a tap opens the incident. Outages have the "
        "highest priority, warnings the usual one. When somebody is on it or it is over, the first message changes "
        "without a sound."
    )
    fields: ClassVar = (
        Field(
            name="topic",
            label="Topic",
            read=_topic,
            suggest=new_topic,
            mono=True,
            help="Whoever knows it can read along, unless the server protects it: keep one that nobody can guess.",
            placeholder="alerts-7fk2x9qd",
        ),
        Field(
            name="token",
            label="Access token",
            read=_token,
            secret=True,
            optional=True,
            mono=True,
            help="Only for topics that are protected. It is never shown again.",
            placeholder="tk_…",
            none="Send without an access token",
            none_help="Everybody may write to the topic.",
        ),
        fields.server(NTFY, f"Leave it empty for {NTFY}, or write that of a server of your own."),
    )

    def describe(self, config: Config) -> str:
        return f"{self.host(config)}/{config['topic']}"

    def host(self, config: Config) -> str:
        return urlsplit(config.get("server") or NTFY).netloc.lower()

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        answer = _publish(config, body(config["topic"], message), outside)
        if answer.status_code == 413 or answers.parsed(answer).get("code") == _NO_FILES:
            answer = _publish(config, body(config["topic"], message, SMALL), outside)
        return _receipt(answer, config, _sequence(message))


def _publish(config: Config, content: bytes, outside: Outside) -> Answer:
    headers = {"Content-Type": "application/json"}
    if config.get("token"):
        headers["Authorization"] = f"Bearer {config['token']}"
    server = str(config.get("server") or NTFY).rstrip("/")
    return outside.http.send("POST", f"{server}/", content=content, headers=headers)


def body(topic: str, message: Message, limit: int = SIZE_LIMIT) -> bytes:
    """The body of the request, `limit` bytes at most where that can be: of the text, the least needed gives way."""
    return _json(payload(topic, message, limit))


def payload(topic: str, message: Message, limit: int = SIZE_LIMIT) -> dict[str, Any]:
    """What is published. `sequence_id` lets the first message change in place; servers before 2.16 ignore it."""
    links = words.links(message)
    bare = {
        "topic": topic,
        "title": text.fitting(words.headline(message), lambda cut: len(_json(cut)) <= TITLE_SIZE),
        "priority": priority(message),
        "tags": [_emoji(message), *_tags(message)],
        "click": links[0][1] if links else "",
        "actions": [{"action": "view", "label": label, "url": url} for label, url in links],
        "sequence_id": _sequence(message),
    }
    said = plain.body(message, lambda cut: len(_json({**bare, "message": cut})) <= limit)
    return {name: value for name, value in {**bare, "message": said or words.headline(message)}.items() if value}


def priority(message: Message) -> int:
    """1 to 5: an outage is urgent, what is over or in somebody's hands makes no sound."""
    tone = words.tone(message)
    if tone.name == "up" or message.kind == "acknowledged":
        return LOW
    if message.kind == "test":
        return DEFAULT
    if message.kind == "flapping":
        return HIGH if message.severity == "critical" else DEFAULT
    return URGENT if tone.name == "down" else DEFAULT


def _emoji(message: Message) -> str:
    return "eyes" if message.kind == "acknowledged" else _EMOJI[words.tone(message).name]


def _tags(message: Message) -> list[str]:
    """The monitor's tags, by which one can filter. A comma would make two of one."""
    return [tag.replace(",", " ") for tag in message.tags[:TAGS_LIMIT]]


def _sequence(message: Message) -> str:
    """What names the message on the other side: the same over all tries, and that of the first message for news that
    may take its place. Trouble that goes on is a message of its own, because a changed one may make no sound."""
    quiet = message.kind in ("acknowledged", "resolved")
    return str((quiet and message.thread.get("sequence_id")) or message.dedup_key)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _receipt(answer: Answer, config: Config, sequence: str) -> Receipt:
    said = answers.parsed(answer)
    access = [str(config.get("token") or "")]
    response = answers.shown(answer, access)
    if answers.ok(answer) and answer.text.lstrip().startswith("{"):
        return Receipt(answer.status_code, response, {"sequence_id": sequence})
    why = text.line(text.without(str(said.get("error") or response), access), 100) or "nothing"
    raise DeliveryError(
        f"ntfy answered {answer.status_code}: {why}",
        permanent=answer.status_code in _GONE or said.get("code") in _NO_TOPIC,
        retry_after=answer.retry_after,
        status_code=answer.status_code,
        response=response,
    )
