"""A believable message of every kind, and an outside that is a real local server."""

from __future__ import annotations

from email.message import EmailMessage
from ipaddress import ip_network

import pytest

from tokiflow.adapters.http import Client
from tokiflow.channels.outside import Outside
from tokiflow.web.message_examples import GOOD_RUNS, OPENED, TROUBLES, message

__all__ = ["GOOD_RUNS", "OPENED", "TROUBLES", "KeptMail", "message"]


class KeptMail:
    """A mailer that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    def send(self, message: EmailMessage) -> str:
        self.mails.append(message)
        return "250 kept"


@pytest.fixture
def mailer():
    return KeptMail()


@pytest.fixture
def outside(mailer):
    """What a channel may touch, with receivers on this machine allowed."""
    client = Client((ip_network("127.0.0.0/8"), ip_network("::1/128")))
    yield Outside(client, mailer, "Tokiflow <alerts@tokiflow.example>", "https://tokiflow.example")
    client.close()
