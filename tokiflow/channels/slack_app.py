"""Slack, by Tokiflow's app: a card with buttons that changes in place, and one thread for all that follows.

https://docs.slack.dev/reference/methods/chat.postMessage and chat.update
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tokiflow.channels import slack_blocks, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Outside
from tokiflow.channels.slack_api import BLOCKS_REFUSED, MESSAGE_GONE, SLACK, SlackApi, SlackRefused, base
from tokiflow.channels.slack_blocks import Block
from tokiflow.errors import DeliveryError

NOT_INSTALLED = "Tokiflow’s app is not in this Slack workspace; add it again"
ACKNOWLEDGE, MUTE, UNMUTE, RESOLVE = "acknowledge", "mute", "unmute", "resolve"
_QUIET = frozenset({"muted", "unmuted"})
"""What is only worth telling below the card that it changes."""
_ALOUD = frozenset({"reopened", "flapping", "escalated", "reminder"})
"""What the channel hears as well as the thread: an answer in a thread rings for nobody who is not in it."""
_TEAM = re.compile(r"[TE][A-Z0-9]{1,19}")
_ID = re.compile(r"[CGD][A-Z0-9]{5,19}")
_LINK = re.compile(r"https://[a-z0-9.-]+/archives/([CGD][A-Z0-9]{5,19})(?:[/?].*)?")
_NAME = re.compile(r"[^\s#@,<>\"'/]{1,80}")


def _read_team(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is missing; choose a workspace that Tokiflow’s app is in")
    if not _TEAM.fullmatch(value.strip()):
        raise ValueError("is not a workspace; write its id, like T0123ABCD")
    return value.strip()


def _read_channel(value: Any) -> str:
    """An id, or a name with its #. A link to a channel is taken for the id in it."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is missing; write the name of a channel, like #ops")
    written = value.strip()
    if found := _LINK.fullmatch(written):
        return found[1]
    if _ID.fullmatch(written):
        return written
    name = written.removeprefix("#").lower()
    if not _NAME.fullmatch(name) or not name.isprintable():
        raise ValueError("is not a channel; write its name, like #ops, or its id, like C0123ABCD")
    return f"#{name}"


class SlackApp(ChannelKind):
    """Config: `{"team": "T0123ABCD", "channel": "#ops"}`. The token lies sealed beside it and comes with the briefing,
    as `token`, and with it `server`, where Slack is."""

    kind = "slack_app"
    title = "Slack app"
    line = "Into a channel, with buttons to acknowledge, mute and resolve, threads, and the command /tokiflow."
    icon = "slack"
    arrives = (
        "A card with buttons that changes in place, whoever acts and wherever. Whatever follows about the incident "
        "stands in the card’s thread."
    )
    fields: ClassVar = (
        Field(name="team", label="Workspace", read=_read_team, shape="choice"),
        Field(
            name="channel",
            label="Channel",
            read=_read_channel,
            help="Its name or its id. Invite the app to a private one first: /invite @Tokiflow.",
            placeholder="#ops",
        ),
    )
    follows = frozenset({"acknowledged", *_QUIET})

    def describe(self, config: Config) -> str:
        return str(config["channel"])

    def facts(self, config: Config) -> list[tuple[str, str]]:
        return [("Workspace", str(config["team"]))]

    def host(self, config: Config) -> str:
        return urlsplit(config.get("server") or SLACK).netloc.lower()

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        """The first message about an incident, or about many, is a card; whatever follows changes it and is an answer
        to it."""
        if not config.get("token"):
            raise DeliveryError(NOT_INSTALLED, permanent=True)
        room = Room(SlackApi(outside.http, base(config.get("server") or SLACK)), config["token"])
        begun = message.thread if message.kind != "test" else {}
        if begun.get("ts") and room.change(begun["channel"], begun["ts"], card(_as_begun(message))):
            ts = room.write(begun["channel"], reply(message), thread=begun["ts"], aloud=_aloud(message))[1]
            known = {name: begun[name] for name in ("channel", "ts", "because") if name in begun}
            return Receipt(200, "ok", memory={**known, "reply": ts})
        if message.kind in _QUIET:
            return Receipt(response="There is no card of its own to change.")
        channel, ts = room.write(config["channel"], card(message))
        return Receipt(200, "ok", memory={"channel": channel, "ts": ts, "because": message.because})


def _aloud(message: Message) -> bool:
    return message.kind in _ALOUD or (message.kind == "summary" and words.tone(message).name != "up")


def _as_begun(message: Message) -> Message:
    """With the reason why this channel was told in the first place, which the card goes on showing."""
    return replace(message, because=str(message.thread.get("because") or message.because))


class Room:
    """A workspace, as our app may write in it. `timeout` is in seconds, for each call."""

    def __init__(self, api: SlackApi, token: str, timeout: float = 10.0) -> None:
        self._api = api
        self._token = token
        self._timeout = timeout

    def write(self, channel: str, message: Block, thread: str = "", aloud: bool = False) -> tuple[str, str]:
        """Post `message`, below the message `thread` if that is given; its channel and ts. Raises DeliveryError.

        aloud: the channel sees it, too.
        """
        place = {"channel": channel} | ({"thread_ts": thread, "reply_broadcast": aloud} if thread else {})
        said = self._plainly_at_worst("chat.postMessage", message | place)
        return str(said.get("channel") or channel), str(said.get("ts") or "")

    def change(self, channel: str, ts: str, message: Block) -> bool:
        """Put `message` in the place of ours at `ts`. False if that one is gone. Raises DeliveryError."""
        try:
            self._plainly_at_worst("chat.update", message | {"channel": channel, "ts": ts})
        except SlackRefused as refused:
            if refused.code in MESSAGE_GONE:
                return False
            raise
        return True

    def whisper(self, channel: str, user: str, words: str) -> None:
        """Say `words`, already markup, to one person in a channel. Raises DeliveryError."""
        self._call("chat.postEphemeral", {"channel": channel, "user": user, "text": words})

    def _plainly_at_worst(self, method: str, arguments: Block) -> Block:
        """Blocks that Slack doesn't take are a mistake of ours, and must not cost the alert: the line alone goes."""
        try:
            return self._call(method, arguments)
        except SlackRefused as refused:
            if refused.code not in BLOCKS_REFUSED:
                raise
        plain = {name: value for name, value in arguments.items() if name not in ("blocks", "attachments")}
        return self._call(method, plain)

    def _call(self, method: str, arguments: Block) -> Block:
        return self._api.call(method, self._token, arguments, self._timeout)


def card(message: Message) -> Block:
    """The message in the channel: the line that tells it all, how it stands, buttons; and below it the details."""
    if message.kind in _QUIET:
        message = replace(message, kind="acknowledged" if message.acknowledged_by else message.opened_as or "opened")
    return {
        "text": slack_blocks.headline(message),
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": slack_blocks.several(
            slack_blocks.section(slack_blocks.headline(message)),
            slack_blocks.context(_standing(message)),
            _buttons(message),
        ),
        "attachments": [slack_blocks.below(message)],
    }


def reply(message: Message) -> Block:
    """What follows in the thread, short: the card above it has been brought up to date."""
    if message.kind == "acknowledged":
        return _line(_acknowledged(message))
    if message.kind in _QUIET:
        return _line(" by ".join(filter(None, (_muted(message) or "Unmuted", slack_blocks.mrkdwn(message.by)))))
    said = "" if message.kind == "resolved" else words.follow_up(message) or words.sentence(message.summary)
    return {
        "text": slack_blocks.headline(message),
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": slack_blocks.several(
            slack_blocks.section(slack_blocks.headline(message)),
            slack_blocks.section(slack_blocks.mrkdwn(said)),
        ),
    }


def _line(content: str) -> Block:
    """One line of markup as a message."""
    return {"text": content, "unfurl_links": False, "unfurl_media": False}


def _standing(message: Message) -> str:
    """What somebody did about it, in small letters below the headline."""
    if not message.about_incident or message.kind == "resolved":
        return ""
    said = (_acknowledged(message) if _is_acknowledged(message) else "", _muted(message))
    return " · ".join(filter(None, said))


def _acknowledged(message: Message) -> str:
    """`◔ Acknowledged by Alice`, as markup."""
    by = slack_blocks.mrkdwn(message.acknowledged_by)
    return f"◔ Acknowledged by {by}" if by else "◔ Acknowledged"


def _is_acknowledged(message: Message) -> bool:
    return message.kind == "acknowledged" or bool(message.acknowledged_by)


def _muted(message: Message) -> str:
    """`Muted until Sat 21 Nov, 03:05 (Europe/Berlin)`; empty where it isn't."""
    until = message.muted_until
    return f"Muted until {slack_blocks.mrkdwn(words.moment(message, until))}" if until else ""


def _buttons(message: Message) -> Block | None:
    if not message.about_incident or message.kind == "resolved":
        return None
    buttons = [
        None if _is_acknowledged(message) else _button(message, ACKNOWLEDGE, "Acknowledge", style="primary"),
        _button(message, UNMUTE, "Unmute") if message.muted_until else _button(message, MUTE, "Mute 1 h"),
        _button(message, RESOLVE, "Resolve"),
    ]
    return {"type": "actions", "block_id": "incident", "elements": slack_blocks.several(*buttons)}


def _button(message: Message, action: str, label: str, **more: str) -> Block:
    return {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": label},
        "value": message.incident_id,
        **more,
    }
