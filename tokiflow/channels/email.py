"""E-mail: a subject that says it all, a page that survives mail programs, and good plain text."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, ClassVar

from tokiflow.channels import letters, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Outside
from tokiflow.core import mail_addresses
from tokiflow.errors import DeliveryError, Invalid

ADDRESSES_LIMIT = 20
LISTED_LIMIT = 50
"""So many incidents of a summary are listed. Mail programs cut off what is longer than 100 KB."""
NOBODY_LEFT = "nobody is left to write to"
"""So begins the reason for which a channel without readers is disabled (services.desertions)."""
BEGIN_WITHIN = 14.0
"""Seconds in which one try begins its mails. The last may take a while, and the lease must outlast it."""


def _read_addresses(given: object) -> list[str]:
    """A list of addresses, or one text of them. Raises ValueError, or Invalid naming each that can't be one."""
    given = re.split(r"[,;\s]+", given.strip()) if isinstance(given, str) else given
    if not isinstance(given, Sequence) or not all(isinstance(one, str) for one in given):
        raise ValueError("must be a list of e-mail addresses")
    if not any(given):
        raise ValueError("is empty; write at least one e-mail address")
    if len(given) > ADDRESSES_LIMIT:
        raise ValueError(f"has {len(given)} addresses; write at most {ADDRESSES_LIMIT}")
    return _addresses([one for one in given if one])


def _addresses(given: Sequence[str]) -> list[str]:
    """Normalised, each once, in the order given. Raises Invalid naming every address that can't be one."""
    normalised = {one: mail_addresses.read(one) for one in given}
    wrong = [f"'{one[:80]}' is not an e-mail address" for one, address in normalised.items() if not address]
    if wrong:
        raise Invalid({"config.to": wrong})
    return list(dict.fromkeys(address for address in normalised.values() if address))


class Email(ChannelKind):
    """Config: `{"to": ["alice@harbour.example", …]}`, up to 20 addresses, each of which gets a mail of its own.

    To send, it must be told how each address stands (services.briefings):
    `"recipients": {address: {"state", "unsubscribe"}}`. Whoever has not confirmed gets nothing.
    """

    kind = "email"
    title = "E-mail"
    line = "To one address or up to twenty. Nothing to set up on the other side."
    icon = "mail"
    arrives = (
        "A subject that says it all, the reason, the job’s last lines and a link. Everything about one incident is one "
        "thread, and the recovery goes to whoever was told of the trouble. Each address gets a mail of its own, with a "
        "link that stops them."
    )
    fields: ClassVar = (
        Field(
            name="to",
            label="Addresses",
            read=_read_addresses,
            shape="list",
            help="One a line, or with commas between, up to 20. Whoever is no member is asked first, by mail.",
            placeholder="ops@example.com",
        ),
    )

    def describe(self, config: Config) -> str:
        return _names(config["to"])

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        """Hands one mail for each address to the mail server; arriving there is all that is known of it.

        A try that failed halfway is gone on with: who got the mail is in the delivery's memory.
        """
        standing = _standing(config)
        round_ = _Round(sent=list(message.memory.get("sent", ())))
        until = time.monotonic() + BEGIN_WITHIN
        for address in [one for one, state in standing.items() if state == "confirmed" and one not in round_.sent]:
            if time.monotonic() > until:
                round_.failed[address] = DeliveryError("there was no time left for it in this try")
                continue
            unsubscribe = config["recipients"][address].get("unsubscribe", "")
            round_.hand_over(address, letter(message, [address], outside, unsubscribe), outside)
        return _outcome(round_, standing)


@dataclass
class _Round:
    """What came of the mails of one try, and of those before it."""

    sent: list[str]
    answers: list[str] = field(default_factory=list)
    failed: dict[str, DeliveryError] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def hand_over(self, address: str, mail: EmailMessage, outside: Outside) -> None:
        try:
            answer = outside.mailer.send(mail)
        except DeliveryError as error:
            if error.permanent or error.refused:
                self.refused[address] = error.refused.get(address) or error.message
            else:
                self.failed[address] = error
        else:
            self.sent.append(address)
            self.answers.append(answer)


def _standing(config: Config) -> dict[str, str]:
    """By address: confirmed, waiting, unsubscribed or bounced. Of whom nothing is known, no yes is known."""
    told: Mapping[str, Any] = config.get("recipients", {})
    return {address: told.get(address, {}).get("state", "waiting") for address in config["to"]}


def _outcome(made: _Round, standing: Mapping[str, str]) -> Receipt:
    memory = {"sent": made.sent} if made.sent else {}
    if made.failed:
        first = next(iter(made.failed.values()))
        waits = [error.retry_after for error in made.failed.values() if error.retry_after]
        raise DeliveryError(
            _why_not(made.failed, len(standing)),
            retry_after=max(waits, default=None),
            status_code=first.status_code,
            response="; ".join(made.answers) or first.response,
            unreachable=all(error.unreachable for error in made.failed.values()),
            memory=memory,
            refused=made.refused,
        )
    standing = {**standing, **dict.fromkeys(made.refused, "bounced")}
    if made.sent:
        return Receipt(response=_answer(made, standing), memory=memory, refused=made.refused)
    waiting = [address for address, state in standing.items() if state == "waiting"]
    if waiting:
        raise DeliveryError(_not_yet(waiting), refused=made.refused)
    raise DeliveryError(nobody_left(standing, made.refused), permanent=True, refused=made.refused)


def _why_not(failed: Mapping[str, DeliveryError], of: int) -> str:
    """What went wrong, and for whom if others are fine."""
    reasons = list(dict.fromkeys(error.message for error in failed.values()))
    said = "; ".join(reasons)[:600]
    return said if len(failed) == of else f"{_names(list(failed))} got no mail yet: {said}"


def _answer(made: _Round, standing: Mapping[str, str]) -> str:
    """What the mail server said, and who got nothing."""
    left_out = [
        f"not sent to {address}: {made.refused.get(address) or _STATES[state]}"
        for address, state in standing.items()
        if state != "confirmed"
    ]
    return "; ".join([*dict.fromkeys(made.answers or ["sent in an earlier try"]), *left_out])


def _not_yet(waiting: Sequence[str]) -> str:
    wants = "has not confirmed yet that it wants" if len(waiting) == 1 else "have not confirmed yet that they want"
    return f"{_names(waiting)} {wants} these mails"


def nobody_left(standing: Mapping[str, str], why: Mapping[str, str] | None = None) -> str:
    """Why a channel has nobody left to write to: "nobody is left to write to: ops@example.com unsubscribed".

    why: by address, what its mail server said.
    """
    said = {address: f" ({words})" for address, words in (why or {}).items()}
    reasons = [f"{address} {_STATES[state]}{said.get(address, '')}" for address, state in standing.items()]
    return f"{NOBODY_LEFT}: {'; '.join(reasons)}"[:1_000]


_STATES = {
    "waiting": "has not confirmed yet",
    "unsubscribed": "unsubscribed",
    "bounced": "takes no mail",
}


def _names(addresses: Sequence[str]) -> str:
    if not addresses:
        return "nobody"
    first, *others = addresses
    if len(others) <= 1:
        return " and ".join([first, *others])
    return f"{first} and {len(others)} others"


def letter(message: Message, to: Sequence[str], outside: Outside, unsubscribe: str = "") -> EmailMessage:
    """The mail about `message`. Those about one incident share a thread; a retry has the same Message-ID.

    unsubscribe: the address that stops mails to `to` with one POST (RFC 8058).
    """
    thread = letters.identifier(message.thread_key, outside.email_from)
    headers = {
        "Message-ID": letters.identifier(f"{message.dedup_key} {' '.join(to)}", outside.email_from),
        "In-Reply-To": thread,
        "References": thread,
        "X-Tokiflow-Delivery": message.dedup_key,
        "X-Auto-Response-Suppress": "All",
    }
    if unsubscribe:
        headers |= {"List-Unsubscribe": f"<{unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return letters.compose(
        "alert",
        sender=outside.email_from,
        to=to,
        subject=words.headline(message),
        context={
            "message": message,
            "words": words,
            "most": LISTED_LIMIT,
            "more": max(message.listed_total, len(message.listed)) - min(len(message.listed), LISTED_LIMIT),
            "public_url": outside.public_url,
            "unsubscribe": unsubscribe,
        },
        sent_at=message.sent_at,
        headers=headers,
    )
