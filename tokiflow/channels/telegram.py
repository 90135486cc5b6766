"""Telegram, by a bot of one's own: a message with a button, and answers to it for all that follows.

Methods: https://core.telegram.org/bots/api#sendmessage
Its HTML: https://core.telegram.org/bots/api#html-style
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tokiflow.channels import answers, fields, text, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.message import Listed, Message, Receipt
from tokiflow.channels.outside import Answer, Outside
from tokiflow.errors import DeliveryError

TELEGRAM = "https://api.telegram.org"
TEXT_LIMIT = 4_096
"""Of what is shown, markup not counted. Letters or UTF-16 units? The stricter is kept to."""
ROOM = 3_800
"""So much is written, to leave room for addresses where there can be no buttons."""
HEADLINE_LIMIT = 300
SUMMARY_LIMIT = 450
REASON_LIMIT = 700
ADVICE_LIMIT = 400
FACT_LIMIT = 150
FOOTER_LIMIT = 160
_QUIET = frozenset({"acknowledged", "resolved"})
_BRIEF = frozenset({"acknowledged", "reminder", "resolved"})
"""What is short where it answers the first message, which has the rest."""

_TOKEN = re.compile(r"(?:https?://[^/]+/)?(?:bot)?(\d{5,20}:[A-Za-z0-9_-]{30,100})(?:/.*)?")
_NUMBER = re.compile(r"-?\d{1,15}")
_NAME = re.compile(r"@?([A-Za-z][A-Za-z0-9_]{3,31})")
_LINK = re.compile(r"(?:https?://)?(?:t\.me|telegram\.me)/(?:s/)?([A-Za-z][A-Za-z0-9_]{3,31})(?:/.*)?")
_PRIVATE_LINK = re.compile(r"(?:https?://)?(?:t\.me|telegram\.me)/c/(\d{5,13})(?:/.*)?")
_TOPIC_LINK = re.compile(r"(?:https?://)?(?:t\.me|telegram\.me)/(?:c/\d+|[A-Za-z][A-Za-z0-9_]+)/(\d{1,12})(?:/\d+)?/?")
_TAG = re.compile(r"</?[a-z]+[^>]*>")
# Telegram makes links of what looks like one, and calls people whose @name it sees: backup.sh is an address to it.
_LIVELY = re.compile(r"[@#$](?=\w)|(?<![\w/])/(?=\w)|:(?=//)|(?<=\w)\.(?=[^\W\d])")
_NOTHING = "\u200b"
"""Takes no room, and what it stands in is only a word."""

_NO_BOT = "there is no bot with this token any more; ask @BotFather for it"
_GONE = frozenset({401, 403, 404})
_WHY = {
    "chat not found": "there is no such chat, or the bot is not in it: add it there, or press Start in its chat",
    "peer_id_invalid": "there is no such chat, or the bot is not in it: add it there, or press Start in its chat",
    "chat_id is empty": "the number of the chat is missing",
    "not enough rights": "the bot may not write there: let it, in the permissions of the chat",
    "no rights to send": "the bot may not write there: let it, in the permissions of the chat",
    "need administrator rights": "in a channel, the bot must be an administrator who may post",
    "chat_write_forbidden": "the bot may not write there: let it, in the permissions of the chat",
    "chat_admin_required": "in a channel, the bot must be an administrator who may post",
    "chat_restricted": "the bot may not write there: let it, in the permissions of the chat",
    "group chat was deactivated": "the group is gone",
    "blocked by the user": "whoever it writes to has blocked the bot; they can press Start in its chat again",
    "bot was kicked": "somebody removed the bot from the chat; add it again",
    "not a member": "the bot is not in the channel; add it as an administrator who may post",
    "initiate conversation": "a bot can’t begin: open its chat and press Start",
}
"""What Telegram's words mean, and what to do. With any of them, trying again can't help."""


def _token(value: object) -> str:
    """A token; or the address of the API with a token in it, which people copy as well."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is missing; @BotFather told it when you made the bot, like 123456789:AAE…")
    found = _TOKEN.fullmatch(value.strip())
    if not found:
        raise ValueError("is no token of a bot; copy it from @BotFather, all of it, like 123456789:AAE…")
    return found[1]


def _chat(value: object) -> str:
    """The number of a chat, or the @name of a public one; links to it are taken for what stands in them."""
    if value in (None, "") or (isinstance(value, str) and not value.strip()):
        raise ValueError("is missing; write the number of the chat, like -1001234567890, or the @name of a public one")
    written = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    written = written.replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-")
    if written.isascii() and _NUMBER.fullmatch(written) and int(written):
        return str(int(written))
    if found := _PRIVATE_LINK.fullmatch(written):
        return f"-100{found[1]}"
    if "/+" in written or "joinchat" in written:
        raise ValueError("is an invitation, which bots can’t follow; add the bot to the chat and write its number")
    if found := _NAME.fullmatch(written) or _LINK.fullmatch(written):
        return f"@{found[1]}"
    raise ValueError("is no chat; write its number, like -1001234567890, or the @name of a public one")


def _topic(value: object) -> int | None:
    """The number of a topic, or a link to it. The general topic has none: what names no topic goes there."""
    if value in (None, "") or (isinstance(value, str) and not value.strip()):
        return None
    written = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if found := _TOPIC_LINK.fullmatch(written):
        written = found[1]
    if not (written.isascii() and written.isdigit() and len(written) <= 12):
        raise ValueError("is no topic; write its number, which is the last one in the link to it, or nothing")
    return int(written) if int(written) > 1 else None


class Telegram(ChannelKind):
    """Config: `{"token": "123:AA…", "chat": "-100…" or "@name", "topic"?: 7, "server"?: "https://…"}`."""

    kind = "telegram"
    title = "Telegram"
    line = "By a bot of your own, to a person, a group or a channel. What follows answers the first message."
    icon = "telegram"
    follows = frozenset({"acknowledged"})
    setup = (
        "In Telegram, open a chat with @BotFather, send /newbot, and answer its two questions. It tells you the token.",
        "Let the bot in: for yourself, open its chat and press Start; for a group, add it as a member; for a channel, "
        "add it as an administrator who may post.",
        "For a public group or channel, its @name is all it takes. For others, write /start@ and the name "
        "of the bot in the chat, then open https://api.telegram.org/bot<token>/getUpdates in a browser, with your "
        'token in it, and copy the number after "chat":{"id": with its minus sign.',
        "In a group with topics, open the topic, choose Copy Link from its menu, and paste that into Topic. "
        "Without it, messages go to the general topic.",
    )
    arrives = (
        "What happened, why, the last lines of output and what to do, with a button that opens the incident. Reminders "
        "and the recovery are answers to it; the recovery makes no sound."
    )
    fields: ClassVar = (
        Field(
            name="token",
            label="Token of the bot",
            read=_token,
            secret=True,
            mono=True,
            help="Whoever has it can write as the bot: treat it like a password. It is never shown again.",
            placeholder="123456789:AAE…",
        ),
        Field(
            name="chat",
            label="Chat",
            read=_chat,
            mono=True,
            help="Its number, with a minus sign if it has one, or the @name of a public group or channel.",
            placeholder="-1001234567890",
        ),
        Field(
            name="topic",
            label="Topic",
            read=_topic,
            optional=True,
            mono=True,
            help="Only for groups with topics: its number, or the link to it.",
        ),
        fields.server(TELEGRAM, "Leave it empty, unless you run a Bot API server of your own."),
    )

    def describe(self, config: Config) -> str:
        chat = config["chat"] if str(config["chat"]).startswith("@") else f"chat {config['chat']}"
        return f"{chat}, topic {config['topic']}" if config.get("topic") else str(chat)

    def host(self, config: Config) -> str:
        return urlsplit(config.get("server") or TELEGRAM).netloc.lower()

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        """Telegram says what it doesn't like, and much of that costs the message nothing: a button less, another
        number of the same group. Each time something is given up for good, so this comes to an end."""
        url = f"{str(config.get('server') or TELEGRAM).rstrip('/')}/bot{config['token']}/sendMessage"
        asked = request(config, message)
        while True:
            answer = outside.http.send("POST", url, json=asked)
            said = answers.parsed(answer)
            if answers.ok(answer) and said.get("ok") is True:
                return _receipt(answer, said, asked, config)
            corrected = _corrected(asked, said, config)
            if corrected is None:
                raise _refusal(answer, said, config)
            asked = corrected


def request(config: Config, message: Message) -> dict[str, Any]:
    """The arguments of `sendMessage`."""
    first = _first(config, message)
    buttons = [{"text": label, "url": url} for label, url in words.links(message) if _is_button(url)]
    asked: dict[str, Any] = {
        "chat_id": _chat_id(first.get("moved_to") or config["chat"]),
        "text": content(message, brief=bool(first) and message.kind in _BRIEF),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": message.kind in _QUIET or words.tone(message).name == "up",
    }
    if config.get("topic"):
        asked["message_thread_id"] = config["topic"]
    if first:
        asked["reply_parameters"] = {"message_id": first["message_id"], "allow_sending_without_reply": True}
    if buttons:
        asked["reply_markup"] = {"inline_keyboard": [buttons]}
    return asked


def content(message: Message, brief: bool = False) -> str:
    """The text, in Telegram's HTML: headline, what happened, and unless it is to be `brief`, all the rest."""
    opening = [f"{words.tone(message).shape} <b>{_said(words.headline(message), HEADLINE_LIMIT)}</b>"]
    opening += [_said(one, SUMMARY_LIMIT) for one in (words.follow_up(message), words.sentence(message.summary)) if one]
    addresses = [_address(label, url) for label, url in words.links(message) if not _is_button(url)]
    if brief:
        return "\n".join([*opening, *addresses])
    closing = [
        f"<b>What to do</b>\n{_said(message.advice, ADVICE_LIMIT)}" if message.advice else "",
        "\n".join(_said(f"{label}: {value}", FACT_LIMIT) for label, value in words.facts(message)),
        "\n".join([*addresses, _footer(message)]),
    ]
    above, below = ["\n".join(opening), _said(words.sentence(message.reason), REASON_LIMIT)], [*filter(None, closing)]
    room = ROOM - shown("\n\n".join([*above, *below]))
    middle = words.listing(message, _listed, lambda kept: shown(kept) <= room - 4) or _output(message.last_lines, room)
    return "\n\n".join(part for part in [*above, middle, *below] if part)


def shown(written: str) -> int:
    """How much of the limit `written` takes, once its markup is understood."""
    return text.units(html.unescape(_TAG.sub("", written)))


def _output(lines: Sequence[str], room: int) -> str:
    kept = text.tail(lines, lambda kept: text.units(kept) <= room - 4)
    return f"<pre>{html.escape(kept, quote=False)}</pre>" if kept else ""


def _listed(one: Listed) -> str:
    name = f"<b>{_said(one.monitor_name, 120)}</b>"
    linked = f'<a href="{html.escape(one.url)}">{name}</a>' if _is_button(one.url) else name
    return f"{words.shape(one)} {linked} {_said(one.summary, 160)}"


def _footer(message: Message) -> str:
    strip = f"{words.strip(message)}  " if message.runs else ""
    return _said(f"{strip}{message.organization} · Tokiflow", FOOTER_LIMIT)


def _said(value: str, limit: int) -> str:
    """`value` as it is: no markup, no links, nobody called."""
    still = _LIVELY.sub(rf"\g<0>{_NOTHING}", value)
    return html.escape(text.fitting(still, lambda cut: text.units(cut) <= limit), quote=False)


def _address(label: str, url: str) -> str:
    """What stands for a button, to be copied."""
    return html.escape(f"{label}: {url}", quote=False)


def _is_button(url: str) -> bool:
    """Whether Telegram takes `url` for an address. It refuses a message with a button that leads to localhost."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and "." in (parts.hostname or "")


def _first(config: Config, message: Message) -> dict[str, Any]:
    """The first message about the same incident, unless that was in another chat: its number means nothing here."""
    known = dict(message.thread)
    there = config["chat"] in (known.get("chat"), known.get("moved_to"))
    return known if known.get("message_id") and there else {}


def _chat_id(chat: object) -> int | str:
    written = str(chat)
    return written if written.startswith("@") else int(written)


def _corrected(asked: dict[str, Any], said: dict[str, Any], config: Config) -> dict[str, Any] | None:
    """What to ask instead, where Telegram said what it doesn't like and the message can do without."""
    why = str(said.get("description") or "").lower()
    moved_to = _parameter(said, "migrate_to_chat_id")
    if isinstance(moved_to, int) and asked["chat_id"] == _chat_id(config["chat"]) != moved_to:
        # A group that became a supergroup has another number, and so have its messages.
        return _left_out(asked, "reply_parameters") | {"chat_id": moved_to}
    if ("thread not found" in why or "topic_" in why) and "message_thread_id" in asked:
        return _left_out(asked, "message_thread_id")
    if "repl" in why and "not found" in why and "reply_parameters" in asked:
        return _left_out(asked, "reply_parameters")
    if ("button" in why or "keyboard" in why) and "reply_markup" in asked:
        return _with_addresses(asked)
    if "too long" in why and "\n\n" in asked["text"]:
        return asked | {"text": asked["text"].partition("\n\n")[0]}
    if "parse entities" in why and "parse_mode" in asked:
        return _left_out(asked, "parse_mode") | {"text": html.unescape(_TAG.sub("", asked["text"]))}
    return None


def _parameter(said: dict[str, Any], name: str) -> object:
    given = said.get("parameters")
    return given.get(name) if isinstance(given, dict) else None


def _left_out(asked: dict[str, Any], name: str) -> dict[str, Any]:
    return {known: value for known, value in asked.items() if known != name}


def _with_addresses(asked: dict[str, Any]) -> dict[str, Any]:
    """The same with the addresses of its buttons at the end of the text."""
    [buttons] = asked["reply_markup"]["inline_keyboard"]
    written = asked["text"]
    for one in buttons:
        longer = f"{written}\n{_address(one['text'], one['url'])}"
        written = longer if shown(longer) <= TEXT_LIMIT else written
    return _left_out(asked, "reply_markup") | {"text": written}


def _receipt(answer: Answer, said: dict[str, Any], asked: dict[str, Any], config: Config) -> Receipt:
    memory: dict[str, Any] = {}
    result = said.get("result")
    if isinstance(result, dict) and isinstance(result.get("message_id"), int):
        memory = {"message_id": result["message_id"], "chat": config["chat"]}
    notes = []
    if asked["chat_id"] != _chat_id(config["chat"]):
        memory |= {"moved_to": str(asked["chat_id"])} if memory else {}
        notes.append(f"The group has become a supergroup: write {asked['chat_id']} into this channel.")
    if config.get("topic") and "message_thread_id" not in asked:
        notes.append("The topic is gone or closed, so it went to the general one.")
    return Receipt(answer.status_code, "\n".join([*notes, answers.shown(answer, _secrets(config))]), memory)


def _refusal(answer: Answer, said: dict[str, Any], config: Config) -> DeliveryError:
    response = answers.shown(answer, _secrets(config))
    why = text.line(text.without(str(said.get("description") or response), _secrets(config)), 120) or "nothing"
    meaning = _NO_BOT if answer.status_code in (401, 404) else _meaning(why)
    return DeliveryError(
        f"Telegram answered {answer.status_code}: {why}" + (f" ({meaning})" if meaning else ""),
        permanent=answer.status_code in _GONE or (answer.status_code == 400 and bool(meaning)),
        retry_after=answers.longest_wait(answer, _parameter(said, "retry_after")),
        status_code=answer.status_code,
        response=response,
    )


def _meaning(why: str) -> str:
    return next((meaning for known, meaning in _WHY.items() if known in why.lower()), "")


def _secrets(config: Config) -> tuple[str, ...]:
    """The token, and the half of it that matters. What is refused may repeat the address it stands in."""
    token = str(config["token"])
    return (token, token.replace(":", "%3A"), token.partition(":")[2])
