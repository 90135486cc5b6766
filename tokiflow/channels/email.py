"""E-mail: a subject that says it all, a page that survives mail programs, and good plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.message import EmailMessage
from typing import ClassVar

from tokiflow.channels import letters, words
from tokiflow.channels.base import ChannelKind
from tokiflow.channels.fields import Config, Field
from tokiflow.channels.message import Message, Receipt
from tokiflow.channels.outside import Outside
from tokiflow.errors import Invalid

ADDRESSES_LIMIT = 20
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
# localhost, too: on a machine of one's own that is where cron's mail has always gone.
_DOMAIN = re.compile(r"localhost|([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


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
    normalised = {one: _address(one) for one in given}
    wrong = [f"'{one[:80]}' is not an e-mail address" for one, address in normalised.items() if not address]
    if wrong:
        raise Invalid({"config.to": wrong})
    return list(dict.fromkeys(address for address in normalised.values() if address))


def _address(given: str) -> str | None:
    """`Alice@Bücher.example` → `Alice@xn--bcher-kva.example`; None if it can't be an address (RFC 5321 §4.1.2)."""
    local, at, domain = given.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    fits = len(local) <= 64 and len(domain) <= 253
    return f"{local}@{domain}" if at and fits and _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain) else None


class Email(ChannelKind):
    """Config: `{"to": ["alice@harbour.example", …]}`, up to 20 addresses that all get the same mail."""

    kind = "email"
    title = "E-mail"
    line = "To one address or up to twenty. Nothing to set up on the other side."
    icon = "mail"
    arrives = (
        "A subject that says it all, the reason, the job’s last lines and a link. Everything about one incident is one "
        "thread, and the recovery goes to whoever was told of the trouble."
    )
    fields: ClassVar = (
        Field(
            name="to",
            label="Addresses",
            read=_read_addresses,
            shape="list",
            help="One a line, or with commas between. Up to 20; all get the same mail.",
            placeholder="ops@example.com",
        ),
    )

    def describe(self, config: Config) -> str:
        first, *others = config["to"]
        if len(others) <= 1:
            return " and ".join([first, *others])
        return f"{first} and {len(others)} others"

    def send(self, config: Config, message: Message, outside: Outside) -> Receipt:
        """Hands the mail to the mail server; arriving there is all that is known of it."""
        return Receipt(response=outside.mailer.send(letter(message, config["to"], outside)))


def letter(message: Message, to: Sequence[str], outside: Outside) -> EmailMessage:
    """The mail about `message`. Those about one incident share a thread; a retry has the same Message-ID."""
    thread = letters.identifier(message.thread_key, outside.email_from)
    return letters.compose(
        "alert",
        sender=outside.email_from,
        to=to,
        subject=words.headline(message),
        context={"message": message, "words": words, "public_url": outside.public_url},
        sent_at=message.sent_at,
        headers={
            "Message-ID": letters.identifier(message.dedup_key, outside.email_from),
            "In-Reply-To": thread,
            "References": thread,
            "X-Tokiflow-Delivery": message.dedup_key,
            "X-Auto-Response-Suppress": "All",
        },
    )
