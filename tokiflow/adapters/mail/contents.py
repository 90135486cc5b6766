"""What is in a finished mail."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import getaddresses


def recipients_of(message: EmailMessage) -> list[str]:
    """The bare addresses in To and Cc, each once."""
    headers = [str(value) for name in ("To", "Cc") for value in message.get_all(name, [])]
    return list(dict.fromkeys(address for _, address in getaddresses(headers) if address))


def text(message: EmailMessage, subtype: str) -> str:
    """Its `plain` or `html` part; empty if it has none."""
    part = message.get_body((subtype,))
    return str(part.get_content()) if part is not None else ""
