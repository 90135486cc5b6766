"""A mail server, spoken to by SMTP (RFC 5321)."""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tokiflow.adapters.mail import contents, smtp_connections, smtp_replies
from tokiflow.adapters.mail.smtp_connections import Connection, Resting, Server, TlsConnection
from tokiflow.errors import DeliveryError


@dataclass(frozen=True, repr=False)
class Smtp:
    """A mail server. `encryption` is "none", "starttls" or "tls" (from the first byte)."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    encryption: str = "none"
    forbidden: Callable[[], bool] = lambda: False
    tls: ssl.SSLContext | None = None
    resting: Resting = field(default_factory=Resting, compare=False)

    def send(self, message: EmailMessage) -> str:
        """What the server said when it took the mail, and whom it refused."""
        if self.forbidden():
            raise RuntimeError("no network inside a database transaction: commit first, then send")
        try:
            return self._send(message)
        except smtplib.SMTPResponseException as error:
            raise DeliveryError(
                f"the mail server did not take it: {_said(error)}", status_code=error.smtp_code
            ) from None
        except ssl.SSLError as error:
            raise DeliveryError(_no_tls(error, self.host, self.port), unreachable=True) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            away = isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException)
            raise DeliveryError(f"the mail server did not take it: {_said(error)}", unreachable=away) from None

    def _send(self, message: EmailMessage) -> str:
        until = time.monotonic() + smtp_connections.TIME_LIMIT
        server = self.resting.take(until) or self._connected(until)
        try:
            answer = _hand_over(server, message)
        except DeliveryError:
            # A plain no leaves the connection as good as it was.
            self.resting.put(server)
            raise
        except BaseException:
            server.close()
            raise
        self.resting.put(server)
        return answer

    def _connected(self, until: float) -> Server:
        context = self.tls or ssl.create_default_context()
        server: Server = (
            TlsConnection(self.host, self.port, until, context=context)
            if self.encryption == "tls"
            else Connection(self.host, self.port, until)
        )
        try:
            if self.encryption == "starttls":
                server.starttls(context=context)
            server.ehlo_or_helo_if_needed()
            if self.user:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server


def smtp_from(url: str, **options: Any) -> Smtp:
    """`smtp://user:password@host:587?starttls=1` or `smtps://…`. User and password are percent-encoded."""
    parts = urlsplit(url)
    tls = parts.scheme == "smtps"
    starttls = parse_qs(parts.query).get("starttls", ["0"])[-1].lower() in ("1", "true", "yes", "on")
    return Smtp(
        host=parts.hostname or "localhost",
        port=parts.port or (465 if tls else 587 if starttls else 25),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        encryption="tls" if tls else "starttls" if starttls else "none",
        **options,
    )


def _hand_over(server: Server, message: EmailMessage) -> str:
    """One mail in one SMTP exchange. Raises DeliveryError if nobody may have it."""
    recipients = contents.recipients_of(message)
    code, said = server.mail(parseaddr(str(message["From"]))[1])
    if code != 250:
        raise DeliveryError(f"the mail server refused our sender: {smtp_replies.line(code, said)}", status_code=code)
    refused: dict[str, tuple[int, bytes]] = {}
    for recipient in recipients:
        code, said = server.rcpt(recipient)
        if code not in (250, 251):
            refused[recipient] = (code, said)
    if len(refused) == len(recipients):
        raise smtp_replies.nobody(refused)
    code, said = server.data(message.as_bytes())
    if code != 250:
        raise smtp_replies.not_taken(recipients, code, said)
    return "; ".join([smtp_replies.line(code, said), *smtp_replies.refusals(refused)])


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return smtp_replies.line(error.smtp_code, said if isinstance(said, bytes) else str(said).encode())
    return str(error) or type(error).__name__


# X509_V_ERR_… of OpenSSL (https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/)
_OTHER_NAME = (62, 64)
_EXPIRED = 10


def _no_tls(error: ssl.SSLError, host: str, port: int) -> str:
    """Why no encrypted connection came about, and what to do. Nothing was said in the clear."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_NAME:
            why = f"its certificate is not for {host}; put the name that the certificate has into SMTP_URL"
        elif error.verify_code == _EXPIRED:
            why = "its certificate has expired; it needs a new one"
        else:
            why = f"its certificate is signed by nobody whom this machine trusts ({error.verify_message})"
        return f"the mail server {host} can't be trusted: {why}"
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return (
            f"the mail server {host} does not speak TLS from the first byte on port {port}; "
            "write smtp://…?starttls=1 into SMTP_URL"
        )
    return f"no encrypted connection to the mail server {host}: {error.reason or error}"
