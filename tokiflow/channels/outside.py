"""What a channel may touch of the world, as small interfaces that the adapters fulfil."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Protocol


class Answer(Protocol):
    """What came back over HTTP."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, their names in lower case."""

    @property
    def text(self) -> str:
        """The first 64 KB of the body, decoded."""

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, if the other side named a time."""


class Http(Protocol):
    """The outbound client. Raises DeliveryError for anything that is not an answer."""

    def send(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> Answer: ...


class Mailer(Protocol):
    """Takes a finished mail and says what the mail server answered. Raises DeliveryError."""

    def send(self, message: EmailMessage) -> str: ...


@dataclass(frozen=True)
class Outside:
    """Handed to every `ChannelKind.send`."""

    http: Http
    mailer: Mailer
    email_from: str
    public_url: str
