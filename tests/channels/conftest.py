"""A believable message of every kind, and an outside that is a real local server."""

from __future__ import annotations

import socket
from dataclasses import replace
from email.message import EmailMessage
from ipaddress import ip_network
from urllib.parse import urlsplit

import pytest

from tokiflow.adapters.http import Client
from tokiflow.channels.examples import GOOD_RUNS, OPENED, TROUBLES, message
from tokiflow.channels.outside import Outside

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


class Diverted:
    """An outbound client that takes what is meant for any service to a server here, and remembers whom it was for."""

    def __init__(self, client: Client, server: str) -> None:
        self.client, self.server = client, server
        self.urls: list[str] = []
        self.options: list[dict[str, object]] = []

    def send(self, method, url, **options):
        self.urls.append(url)
        self.options.append(options)
        parts = urlsplit(url)
        return self.client.send(method, f"{self.server}{parts.path}?{parts.query}", **options)


@pytest.fixture
def diverted(outside, httpserver):
    """`outside`, all of which is the server here."""
    return replace(outside, http=Diverted(outside.http, httpserver.url_for("")))


@pytest.fixture
def mute():
    """The address of a server that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
