"""Handing mail over: to an SMTP server, to Resend, or, in development, to a folder that a page shows.

All of them take a finished `EmailMessage` and say what they were answered. An error is permanent only if every
recipient was refused for good, and then names each in `refused`; that our own account or sender is wrong is nobody's
fault but ours, and passes.
"""

from __future__ import annotations

from email.message import EmailMessage
from typing import TYPE_CHECKING, Protocol

from tokiflow.adapters.mail.outbox import Outbox, StoredMail, outbox_from
from tokiflow.adapters.mail.resend import Resend
from tokiflow.adapters.mail.smtp import Smtp, smtp_from
from tokiflow.adapters.mail.smtp_connections import TIME_LIMIT
from tokiflow.db import in_transaction
from tokiflow.errors import DeliveryError
from tokiflow.settings import Settings

if TYPE_CHECKING:
    from tokiflow.adapters.http import Client

__all__ = [
    "TIME_LIMIT", "Mailer", "Outbox", "Resend", "Smtp", "StoredMail", "Unconfigured",
    "mailer_from", "outbox_from", "smtp_from",
]  # fmt: skip


class Mailer(Protocol):
    """Takes a mail and gives back what was answered, in a line. Raises DeliveryError."""

    def send(self, message: EmailMessage) -> str: ...


def mailer_from(settings: Settings, client: Client) -> Mailer:
    """The mailer these settings ask for. Without a mail server, development has its outbox and production a refusal."""
    if settings.smtp_url:
        return smtp_from(settings.smtp_url, forbidden=(lambda: False) if settings.production else in_transaction)
    if settings.resend_api_key:
        return Resend(settings.resend_api_key, client)
    if settings.production or settings.data_dir is None:
        return Unconfigured()
    return outbox_from(settings.data_dir)


class Unconfigured:
    """Where no mail can be sent: every mail waits, until the operator says how."""

    def send(self, message: EmailMessage) -> str:
        raise DeliveryError("no mail server is configured; set SMTP_URL or RESEND_API_KEY")
