"""Pushover: a push message, and for outages, if that is chosen, one that rings until somebody acknowledges it.

Messages: https://pushover.net/api
Emergencies and their receipts: https://pushover.net/api/receipts
"""

from __future__ import annotations

import re
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from tokiflow.channels import answers, fields, plain, text, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Answer, Outside
from tokiflow.errors import DeliveryError

PUSHOVER = "https://api.pushover.net"
# Counted in characters, however many bytes each takes.
TITLE_LIMIT = 250
MESSAGE_LIMIT = 1_024
URL_LIMIT = 512
URL_TITLE_LIMIT = 100
QUIET, NORMAL, HIGH, EMERGENCY = -1, 0, 1, 2
URGENCY = {"high": HIGH, "emergency": EMERGENCY, "normal": NORMAL}
RETRY_SECONDS = 60
EXPIRE_SECONDS = 3_600
"""An emergency rings every so often, for so long. Pushover stops after fifty times in any case."""
LONGEST_WAIT = 3_600.0
"""Seconds to wait at most when the month's messages are used up: more can be bought at any time."""
_KEY = re.compile(r"[A-Za-z0-9]{30}")
_DEVICES = re.compile(r"[A-Za-z0-9_-]{1,25}(,[A-Za-z0-9_-]{1,25})*")
_SOUND = re.compile(r"[A-Za-z0-9_-]{1,20}")


def _key(value: object, where: str) -> str:
    written = value.strip() if isinstance(value, str) else ""
    if not written:
        raise ValueError(f"is missing; copy it from {where}")
    if "@" in written:
        raise ValueError(f"is an e-mail address; copy the 30 letters and digits from {where}")
    if not _KEY.fullmatch(written):
        raise ValueError(f"must be 30 letters and digits; copy it from {where}")
    return written


def _token(value: object) -> str:
    return _key(value, "the page of your application at Pushover, where it is called API Token")


def _user(value: object) -> str:
    return _key(value, "Pushover’s first page, or from the page of your group")


def _devices(value: object) -> str:
    if value in (None, ""):
        return ""
    written = re.sub(r"\s*,\s*", ",", value.strip()) if isinstance(value, str) else ""
    if not _DEVICES.fullmatch(written):
        raise ValueError("is no name of a device; write it as Pushover shows it, several with commas between")
    return written


def _sound(value: object) -> str:
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not _SOUND.fullmatch(value.strip()):
        raise ValueError("is no name of a sound; write one like siren, or the name of one that you uploaded")
    return value.strip()


class Pushover(ChannelKind):
    """Config: `{"token", "user", "urgency"?: high, emergency or normal, "sound"?, "device"?, "server"?}`."""

    kind = "pushover"
    title = "Pushover"
    line = "A push message to the phones of a person or a group. It can ring until somebody answers."
    icon = "pushover"
    follows = frozenset({"acknowledged"})
    setup = (
        "Sign in at pushover.net, and install Pushover on each phone that should ring.",
        "Your User Key stands on the first page. For several people, make a delivery group and use its key.",
        "Further down, choose Create an Application/API Token, call it Tokiflow, and copy its API Token.",
        "Paste both into this form.",
    )
    arrives = (
        "What happened, why, the last lines of output and what to do, with a link to the incident. Outages come "
        "through in quiet hours, warnings don’t. An emergency stops ringing when somebody acknowledges it, in Pushover "
        "or in Tokiflow, or when it is over."
    )
    fields: ClassVar = (
        Field(
            name="token",
            label="API token of the application",
            read=_token,
            secret=True,
            mono=True,
            help="It is never shown again.",
            placeholder="30 letters and digits",
        ),
        Field(
            name="user",
            label="User key or group key",
            read=_user,
            secret=True,
            mono=True,
            help="Whom it rings. It is never shown again.",
            placeholder="30 letters and digits",
        ),
        Field(
            name="urgency",
            label="When a job is down",
            read=fields.one_of(tuple(URGENCY)),
            shape="choice",
            choices=(
                ("high", "Ring once, also in quiet hours (high)"),
                ("emergency", "Ring every minute until somebody acknowledges, for an hour (emergency)"),
                ("normal", "Ring once, but not in quiet hours (normal)"),
            ),
            help="Quiet hours are those of the person, set in Pushover. Warnings are always normal.",
        ),
        Field(
            name="sound",
            label="Sound",
            read=_sound,
            optional=True,
            help="Like siren, spacealarm or persistent, or one that you uploaded. Empty: the person’s own choice.",
            placeholder="siren",
        ),
        Field(
            name="device",
            label="Device",
            read=_devices,
            optional=True,
            help="Its name in Pushover, several with commas between. Empty: all of them.",
            placeholder="iphone",
        ),
        fields.server(PUSHOVER),
    )

    def describe(self, config: Config) -> str:
        return str(config.get("device") or "all devices").replace(",", ", ")

    def facts(self, config: Config) -> list[tuple[str, str]]:
        urgency = {"high": "Rings once", "emergency": "Rings until somebody acknowledges", "normal": "Normal priority"}
        rows = [("When a job is down", urgency[config.get("urgency") or "high"]), ("Sound", config.get("sound", ""))]
        return [(label, value) for label, value in rows if value]

    def host(self, config: Config) -> str:
        return urlsplit(config.get("server") or PUSHOVER).netloc.lower()

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        """Deliver it; what is over or in somebody's hands also stops the ringing. A try that got no further than the
        message goes on from there."""
        receipt = _delivered(message) or _deliver(config, message, outside)
        if _may_ring(config, message):
            try:
                _hush(config, message, outside)
            except DeliveryError as error:
                error.memory |= {**receipt.memory, "delivered": True}
                raise
        return receipt


def request(config: Config, message: Message) -> dict[str, Any]:
    """What is sent about `message`, but for who sends it to whom."""
    level = priority(config, message)
    link = next(((label, url) for label, url in words.links(message) if len(url) <= URL_LIMIT), ("", ""))
    headline = words.headline(message)
    asked = {
        "title": text.truncate(f"{words.tone(message).shape} {headline}", TITLE_LIMIT),
        "message": plain.body(message, lambda cut: len(cut) <= MESSAGE_LIMIT) or headline,
        "priority": level,
        "url": link[1],
        "url_title": text.truncate(link[0], URL_TITLE_LIMIT),
        "sound": config.get("sound") if level > QUIET else "",
        "device": config.get("device"),
    }
    if level == EMERGENCY:
        asked |= {"retry": RETRY_SECONDS, "expire": EXPIRE_SECONDS, "tags": message.thread_key}
    return {name: value for name, value in asked.items() if value not in (None, "")}


def priority(config: Config, message: Message) -> int:
    """−1 to 2: outages as it was chosen, warnings normally, and what is over or in somebody's hands without a sound."""
    if words.tone(message).name == "up" or message.kind == "acknowledged":
        return QUIET
    if message.kind == "test" or message.severity == "warning":
        return NORMAL
    chosen = URGENCY.get(str(config.get("urgency") or "high"), HIGH)
    # Whoever is on it is reminded, and not rung out of what they do.
    return min(chosen, HIGH) if message.acknowledged_by else chosen


def _deliver(config: Config, message: Message, outside: Outside) -> Receipt:
    return _receipt(_post(config, "messages.json", request(config, message), outside), config, message)


def _may_ring(config: Config, message: Message) -> bool:
    """Whether something may still be ringing that `message` ends."""
    rings = config.get("urgency") == "emergency" or bool(message.thread.get("receipt"))
    return rings and message.kind in ("acknowledged", "resolved")


def _hush(config: Config, message: Message, outside: Outside) -> None:
    """Stop every emergency about the incident. Nothing to stop is fine. Raises DeliveryError."""
    answer = _post(config, f"receipts/cancel_by_tag/{quote(message.thread_key, safe='')}.json", {}, outside)
    if answer.status_code == 429 or not 200 <= answer.status_code < 500:
        _receipt(answer, config, message)


def _post(config: Config, path: str, asked: dict[str, Any], outside: Outside) -> Answer:
    server = str(config.get("server") or PUSHOVER).rstrip("/")
    keys = {"token": config["token"]} | ({"user": config["user"]} if asked else {})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return outside.http.send("POST", f"{server}/1/{path}", content=urlencode(keys | asked).encode(), headers=headers)


def _delivered(message: Message) -> Receipt | None:
    """What an earlier try of this delivery achieved."""
    if not message.memory.get("delivered"):
        return None
    return Receipt(200, "Sent in an earlier try; it rings no more.", _without(message.memory, "delivered"))


def _without(memory: Any, name: str) -> dict[str, Any]:
    return {known: value for known, value in memory.items() if known != name}


def _receipt(answer: Answer, config: Config, message: Message) -> Receipt:
    said = answers.parsed(answer)
    keys = (config["token"], config["user"])
    response = answers.shown(answer, keys)
    if answers.ok(answer) and said.get("status") == 1:
        return Receipt(answer.status_code, response, {"receipt": said["receipt"]} if said.get("receipt") else {})
    errors = said.get("errors")
    why = "; ".join(map(str, errors)) if isinstance(errors, list) else response
    raise DeliveryError(
        f"Pushover answered {answer.status_code}: {text.line(text.without(why, keys), 200) or 'nothing'}",
        permanent=400 <= answer.status_code < 500 and answer.status_code not in (408, 429),
        retry_after=_wait(answer, message),
        status_code=answer.status_code,
        response=response,
    )


def _wait(answer: Answer, message: Message) -> float | None:
    """Seconds to wait: what is asked for, or until the month's messages are counted anew, an hour at most."""
    reset = answer.headers.get("x-limit-app-reset", "")
    if answer.status_code != 429 or not (reset.isascii() and reset.isdigit()):
        return answer.retry_after
    left = float(reset[:12]) - message.sent_at.timestamp()
    return min(max(left, answer.retry_after or 0.0), LONGEST_WAIT)
