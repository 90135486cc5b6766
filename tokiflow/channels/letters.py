"""Composing mail: a template pair in `templates/mail/` becomes one message, in HTML and in plain text.

Everything mailed goes through `compose`, alerts and sign-in links alike, so that all of it looks and threads the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email import policy
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import Policy
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from textwrap import fill
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tokiflow.channels import text, words
from tokiflow.channels.inlining import inlined

SUBJECT_LIMIT = 160
_WIDTH = 72


class _Address(UnstructuredHeader):
    """A header that holds one web address. It may be long, and must never be folded as an encoded word, as the email
    package does with what fits on no line: no mail program would take that for an address."""

    name: str

    def fold(self, *, policy: Policy[Any]) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", _Address)  # type: ignore[arg-type]  # made a header by the registry
_POLICY = policy.SMTP.clone(header_factory=_HEADERS)


def compose(
    template: str,
    *,
    sender: str,
    to: Sequence[str],
    subject: str,
    context: Mapping[str, Any],
    sent_at: datetime,
    headers: Mapping[str, str] | None = None,
) -> EmailMessage:
    """A mail out of `mail/<template>.html` and `mail/<template>.txt`.

    sender: an address, or `Name <address>`. headers: more of them, which must hold no line breaks.
    The subject is cut to one line of at most 160 characters; what goes into the HTML is escaped.
    """
    subject = text.line(subject, SUBJECT_LIMIT)
    values = {"subject": subject, **context}
    message = EmailMessage(policy=_POLICY)
    message["Subject"] = subject
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(sent_at.astimezone(UTC))
    for name, value in {"Auto-Submitted": "auto-generated", **(headers or {})}.items():
        message[name] = value
    message.set_content(_templates().get_template(f"{template}.txt").render(values), cte="quoted-printable")
    html = inlined(_templates().get_template(f"{template}.html").render(values))
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message


def identifier(seed: str, sender: str) -> str:
    """A Message-ID that is the same whenever `seed` is: `<32 hex digits@domain of the sender>`."""
    domain = parseaddr(sender)[1].rpartition("@")[2]
    # A header that is too long to fold is written as an encoded word, which no mail client takes for an id.
    if not domain or not domain.isascii() or len(domain) > 40:
        domain = "tokiflow.invalid"
    return f"<{hashlib.sha256(seed.encode()).hexdigest()[:32]}@{domain}>"


@lru_cache(maxsize=1)
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("tokiflow", "templates/mail"),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["wrap"] = _wrap
    return environment


def _wrap(value: str, indent: int = 0) -> str:
    """Prose for a plain-text mail: lines of at most 72 characters, later ones indented; links stay whole."""
    unbroken = words.unbroken(value)
    lines = fill(unbroken, _WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\N{NO-BREAK SPACE}", " ")
