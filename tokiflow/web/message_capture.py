"""What a kind of channel would really send: its own `send`, let out into a world that only takes notes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from typing import Any

from tokiflow import channels
from tokiflow.channels import ChannelKind, Message, Outside
from tokiflow.errors import DeliveryError, NotFound

FOLLOWS_UP = frozenset({"reopened", "flapping", "reminder", "acknowledged", "assigned", "muted", "unmuted", "resolved"})
"""What is told to those who have had the first message, and may be written below it."""


@dataclass(frozen=True)
class Example:
    """A channel to draw: its config, what it is briefed with when it sends, how its messages look (a template in
    gallery/, message_pictures.DRAWINGS), and what the other side would answer beyond `ANSWER`."""

    config: Mapping[str, Any]
    drawing: str = "request"
    briefing: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)


ANSWER: Mapping[str, Any] = {
    "ok": True,
    "id": "998877",
    "channel": "C0OPS0000",
    "ts": "1700000000.000100",
    "result": {"message_id": 7},
    "status": 1,
}
"""An answer that every service would recognise as a good one of its own."""

EXAMPLES: Mapping[str, Example] = {
    "email": Example(
        {"to": ["ops@harbour.example"]},
        "mail",
        {"recipients": {"ops@harbour.example": {"state": "confirmed", "unsubscribe": "https://tokiflow.example/u/1"}}},
    ),
    "slack_app": Example({"team": "T0HARBOUR", "channel": "#ops"}, "slack", {"token": "xoxb-1", "server": ""}),
    "slack": Example({"url": "https://hooks.slack.com/services/T0/B0/example"}, "slack"),
    "discord": Example({"url": "https://discord.com/api/webhooks/112233/example"}, "discord"),
    "teams": Example({"url": "https://example.api.powerplatform.com/workflows/1/run?sig=example"}, "teams"),
    "webhook": Example({"url": "https://robot.harbour.example/hooks/tokiflow", "secret": "example"}),
    "telegram": Example({"token": f"123456789:{'A' * 35}", "chat": "-1001234567890"}, "chat"),
    "ntfy": Example({"topic": "alerts-7fk2x9qd"}, "push"),
    "pushover": Example({"token": "a" * 30, "user": "u" * 30}, "push"),
    "pagerduty": Example({"routing_key": "0123456789abcdef0123456789abcdef"}, "pager"),
    "opsgenie": Example({"key": "12345678-90ab-cdef-1234-567890abcdef"}, "pager"),
    "sms": Example(
        {"account": f"AC{'0' * 32}", "secret": "0" * 32, "sender": "+15550100200", "to": ["+15550100201"]}, "sms"
    ),
    "apprise": Example({"url": "gchat://workspace/key/token"}, "chat"),
}
"""By kind. One that is missing here can't be looked at; one that is not there yet does no harm."""


@dataclass(frozen=True)
class Request:
    """One request over HTTP, with its body as bytes."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What the body says, if it is JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Captured:
    """What one message became: requests and mails in their order; or why nothing came of it."""

    requests: tuple[Request, ...] = ()
    mails: tuple[EmailMessage, ...] = ()
    error: str = ""
    memory: Mapping[str, Any] = field(default_factory=dict)


def example(kind: str) -> Example:
    """Raises NotFound for a kind that is none, or that has no example."""
    if kind not in EXAMPLES or kind not in {one.kind for one in channels.KINDS}:
        raise NotFound(f"There is no example of “{kind[:40]}” in message_capture.EXAMPLES.")
    return EXAMPLES[kind]


def capture(kind: ChannelKind, message: Message, first: Message | None = None) -> Captured:
    """What `kind` sends of `message`; with `first`, after it has told that of the same incident."""
    if first is not None and message.kind in FOLLOWS_UP:
        return _sent(kind, message, _sent(kind, first, {}).memory)
    return _sent(kind, message, {})


def _sent(kind: ChannelKind, message: Message, thread: Mapping[str, Any]) -> Captured:
    shown = example(kind.kind)
    notes = _Notes(json.dumps({**ANSWER, **shown.answer}))
    there = Outside(notes, notes.mailer, "Tokiflow <alerts@tokiflow.example>", "https://tokiflow.example")
    config = {**kind.validate(shown.config), **shown.briefing}
    try:
        receipt = kind.send(config, replace(message, thread=thread), there)
    except DeliveryError as error:
        return Captured(tuple(notes.requests), tuple(notes.mailer.mails), error.message)
    return Captured(tuple(notes.requests), tuple(notes.mailer.mails), memory=receipt.memory)


class _Notes:
    """An outbound client that sends nothing and is always answered well."""

    def __init__(self, answer: str) -> None:
        self.requests: list[Request] = []
        self.mailer = _Mailer()
        self._answer = answer

    def send(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> _Answer:
        body, known = content or b"", dict(headers or {})
        if json is not None:
            body, known = _json(json), {"Content-Type": "application/json", **known}
        self.requests.append(Request(method, url, known, body))
        return _Answer(self._answer)


class _Mailer:
    """A mailer that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    def send(self, message: EmailMessage) -> str:
        self.mails.append(message)
        return "250 noted"


@dataclass(frozen=True)
class _Answer:
    text: str
    status_code: int = 200
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
