"""SMS, by Twilio: a few words and a link, for the phones that must ring.

Requests and answers: https://www.twilio.com/docs/messaging/api/message-resource
Codes of errors: https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from tokiflow.channels import answers, fields, gsm, text, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Answer, Outside
from tokiflow.errors import DeliveryError, Invalid

SERVER = "https://api.twilio.com"
NUMBERS_LIMIT = 5
MOST_SEGMENTS = 2
"""So many messages one alert may be paid for as, where a name in another script or a long address asks for it."""
WORDS_LEAST = 40
"""With less room than this, words say nothing any more."""
BEGIN_WITHIN = 15.0
"""Seconds in which one try begins its messages; one more request must end before the try has to."""
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT_CODE = re.compile(r"[0-9]{5,6}")
_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
_KEY = re.compile(r"SK[0-9a-fA-F]{32}")
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_SECRET = re.compile(r"[A-Za-z0-9]{32}")

_NEVER_TO_THIS_NUMBER = {
    21211: "is not a valid number",
    21214: "can’t be reached",
    21217: "is not a valid number",
    21265: "is a short code",
    21408: "is in a country that the account may not send to",
    21601: "takes no text messages",
    21604: "is not a valid number",
    21608: "is not verified, and a trial account only sends to verified numbers",
    21610: "has unsubscribed by answering STOP",
    21612: "can’t be reached from this sender",
    21614: "is no mobile number",
}
_NEVER_BY_THIS_CHANNEL = frozenset(
    # Who we say we are: signed in wrongly, closed, suspended, unknown.
    {20003, 20005, 20006, 20404}
    # Whom it comes from: no such sender, not ours, not for messages, no sender in the service.
    | {21212, 21213, 21603, 21606, 21659, 21660, 21661, 21701, 21703, 21704}
)


def _matching(pattern: re.Pattern[str], hint: str, *, optional: bool = False) -> Any:
    """A reader of what `pattern` matches; `hint` says what to write."""

    def read(value: object) -> str:
        written = value.strip() if isinstance(value, str) else ""
        if not written and optional and value in (None, ""):
            return ""
        if not written:
            raise ValueError(f"is missing; write {hint}")
        if not pattern.fullmatch(written):
            raise ValueError(f"is something else; write {hint}")
        return written

    return read


def _number(written: str) -> str:
    """`+49 (151) 1234-5678` → `+4915112345678`; empty if it is no number of the whole world (E.164)."""
    number = re.sub(r"[\s().\-/]", "", written)
    number = f"+{number[2:]}" if number.startswith("00") else number
    return number if _NUMBER.fullmatch(number) else ""


def _numbers(value: Any) -> list[str]:
    given = re.split(r"[,;\n]+", value) if isinstance(value, str) else value
    if not isinstance(given or [], Sequence) or not all(isinstance(one, str) for one in given or []):
        raise ValueError("must be a list of numbers like +49 151 23456789")
    found = {one.strip(): _number(one) for one in given or [] if one.strip()}
    if not found:
        raise ValueError("is missing; write a number like +49 151 23456789")
    wrong = [
        f"“{one[:40]}” is no number; write it with + and the code of its country, like +49 151 23456789"
        for one, number in found.items()
        if not number
    ]
    if wrong:
        raise Invalid({"config.to": wrong})
    numbers = list(dict.fromkeys(found.values()))
    if len(numbers) > NUMBERS_LIMIT:
        raise ValueError(f"has {len(numbers)} numbers; write at most {NUMBERS_LIMIT}, each message costs")
    return numbers


def _sender(value: object) -> str:
    written = value.strip() if isinstance(value, str) else ""
    if not written:
        raise ValueError("is missing; write a number of your Twilio account, or the SID of a messaging service (MG…)")
    if _SERVICE.fullmatch(written) or _SHORT_CODE.fullmatch(written):
        return written
    if number := _number(written):
        return number
    raise ValueError("is no sender; write a number like +1 555 0100 200, or the SID of a messaging service (MG…)")


class Sms(ChannelKind):
    """Config: `{"account": AC…, "api_key"?: SK…, "secret", "sender": +… or MG…, "to": [+…], "server"?}`.

    `secret` is the auth token of the account, or the secret of the API key if there is one.
    """

    kind = "sms"
    title = "SMS"
    line = "A short text to up to five phones, by Twilio."
    icon = "phone"
    setup = (
        "In Twilio’s console, copy the Account SID and the Auth Token. Better: make an API key, and copy its SID and "
        "its secret.",
        "Buy a number that can send text messages, or make a messaging service, which chooses one for each country.",
        "See that the account may send to the countries of your phones: Messaging, Settings, Geo permissions.",
    )
    arrives = (
        "One short text for trouble and one when it is over: what happened, and a link. Mostly it is a single message "
        "of 160 letters; a name in another script may make it two. That somebody acknowledged it costs nothing."
    )
    fields: ClassVar = (
        Field(
            name="account",
            label="Account SID",
            read=_matching(_ACCOUNT, "the Account SID, AC and 32 letters and digits"),
            placeholder="AC…",
            mono=True,
        ),
        Field(
            name="api_key",
            label="SID of an API key",
            read=_matching(_KEY, "the SID of an API key, SK and 32 letters and digits, or nothing", optional=True),
            placeholder="SK…",
            optional=True,
            mono=True,
            help="Empty signs in with the auth token of the account.",
        ),
        Field(
            name="secret",
            label="Auth token, or secret of the API key",
            read=_matching(_SECRET, "the 32 letters and digits of the auth token, or of the secret of the API key"),
            secret=True,
            mono=True,
            help="Whoever has it can send on your account: it is never shown again.",
        ),
        Field(
            name="sender",
            label="Sender",
            read=_sender,
            placeholder="+1 555 0100 200",
            mono=True,
            help="A number of your Twilio account, or the SID of a messaging service (MG…).",
        ),
        Field(
            name="to",
            label="Phones",
            read=_numbers,
            shape="list",
            placeholder="+49 151 23456789",
            mono=True,
            help="One a line, up to five, each with + and the code of its country.",
        ),
        fields.server("", help="Leave it empty, unless your account lives in a region of its own."),
    )

    def describe(self, config: Config) -> str:
        first, *others = config["to"]
        return f"{first} and {len(others)} more" if len(others) > 1 else " and ".join([first, *others])

    def facts(self, config: Config) -> list[tuple[str, str]]:
        return [("Phones", ", ".join(config["to"])), ("Sender", config["sender"]), ("Account", config["account"])]

    def host(self, config: Config) -> str:
        return urlsplit(config["server"] or SERVER).netloc.lower()

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        """One message for each phone. A try that failed halfway is gone on with: who got it is in its memory."""
        round_ = _Round(sent=list(message.memory.get("sent", ())), refused=dict(message.memory.get("refused", {})))
        said, until = body(message), time.monotonic() + BEGIN_WITHIN
        for number in [one for one in config["to"] if one not in round_.sent and one not in round_.refused]:
            if time.monotonic() > until:
                round_.failed[number] = DeliveryError("there was no time left for it in this try")
                continue
            round_.hand_over(number, _posted(config, number, said, outside), config)
            if round_.hopeless:
                break
        return _outcome(round_, config)


def body(message: Message) -> str:
    """A few words and the link, in one message if it can be said in one."""
    link = message.incident_url
    if not gsm.plain(message.monitor_name):
        message = replace(message, monitor_name="a monitor")  # its name is a picture; the link knows
    for most in range(1, MOST_SEGMENTS + 1):
        if gsm.segments(written := _written(message, link, most)) <= most and _says_enough(written, message, link):
            return written
    return _written(message, "", 1)


def _written(message: Message, link: str, most: int) -> str:
    return _joined(words.short_headline(message, lambda cut: gsm.segments(_joined(cut, link)) <= most), link)


def _says_enough(written: str, message: Message, link: str) -> bool:
    whole = len(_joined(words.headline(message), link))
    return len(written) >= min(whole, len(link) + WORDS_LEAST)


def _joined(said: str, link: str) -> str:
    return " ".join(filter(None, (gsm.plain(said), link)))


@dataclass
class _Round:
    """What came of the messages of one try, and of those before it."""

    sent: list[str]
    refused: dict[str, str]
    answers: list[str] = field(default_factory=list)
    failed: dict[str, DeliveryError] = field(default_factory=dict)
    status_code: int | None = None

    def hand_over(self, number: str, answer: Answer | DeliveryError, config: Config) -> None:
        if isinstance(answer, DeliveryError):
            self.failed[number] = answer
            return
        self.status_code = answer.status_code
        if answers.ok(answer):
            self.sent.append(number)
            self.answers.append(f"{number}: {_taken(answer)}")
        elif why := _NEVER_TO_THIS_NUMBER.get(_code(answer)):
            self.refused[number] = f"{why} ({_code(answer)})"
        else:
            self.failed[number] = _error(answer, config)

    @property
    def hopeless(self) -> bool:
        """Whether we are refused as a sender, and so for every phone."""
        return any(error.permanent for error in self.failed.values())

    def memory(self) -> dict[str, Any]:
        """What the next try must know."""
        return {name: kept for name, kept in (("sent", self.sent), ("refused", self.refused)) if kept}


def _posted(config: Config, number: str, said: str, outside: Outside) -> Answer | DeliveryError:
    server = config["server"] or SERVER
    signed = base64.b64encode(f"{config['api_key'] or config['account']}:{config['secret']}".encode()).decode()
    whence = "MessagingServiceSid" if config["sender"].startswith("MG") else "From"
    try:
        return outside.http.send(
            "POST",
            f"{server}/2010-04-01/Accounts/{config['account']}/Messages.json",
            content=urlencode({"To": number, whence: config["sender"], "Body": said}).encode(),
            headers={"Authorization": f"Basic {signed}", "Content-Type": "application/x-www-form-urlencoded"},
        )
    except DeliveryError as error:
        return error


def _outcome(made: _Round, config: Config) -> Receipt:
    refused = [f"not sent to {number}: it {why}" for number, why in made.refused.items()]
    if made.failed:
        first = next(iter(made.failed.values()))
        waits = [error.retry_after for error in made.failed.values() if error.retry_after is not None]
        raise DeliveryError(
            _why_not(made, config),
            permanent=made.hopeless,
            retry_after=max(waits, default=None),
            status_code=first.status_code,
            response="; ".join([*made.answers, *refused]) or first.response,
            unreachable=all(error.unreachable for error in made.failed.values()),
            memory=made.memory(),
        )
    if not made.sent:
        why = "; ".join(f"{number} {why}" for number, why in made.refused.items())
        raise DeliveryError(f"nobody is left to write to: {why}", permanent=True, status_code=made.status_code)
    said = made.answers or ["sent in an earlier try"]
    return Receipt(made.status_code, "; ".join([*said, *refused]), made.memory())


def _why_not(made: _Round, config: Config) -> str:
    """What went wrong, and for whom if others are fine."""
    said = "; ".join(dict.fromkeys(error.message for error in made.failed.values()))[:600]
    return said if len(made.failed) == len(config["to"]) else f"{', '.join(made.failed)} got no message yet: {said}"


def _error(answer: Answer, config: Config) -> DeliveryError:
    secrets = (config["secret"],)
    response = answers.shown(answer, secrets)
    code = _code(answer)
    said = text.without(str(answers.parsed(answer).get("message") or ""), secrets)
    named = f" ({code})" if code else ""
    return DeliveryError(
        f"Twilio answered {answer.status_code}{named}: {text.line(said or response, 200) or 'nothing'}",
        permanent=code in _NEVER_BY_THIS_CHANNEL,
        retry_after=answer.retry_after,
        status_code=answer.status_code,
        response=response,
    )


def _code(answer: Answer) -> int:
    """Twilio's code of what is wrong; 0 if it names none."""
    code = answers.parsed(answer).get("code")
    return code if isinstance(code, int) else 0


def _taken(answer: Answer) -> str:
    said = answers.parsed(answer)
    named = [str(said[name]) for name in ("status", "sid") if said.get(name)]
    return text.line(" ".join(named), 100) or "taken"
