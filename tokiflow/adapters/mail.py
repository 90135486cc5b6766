"""Handing mail over: to an SMTP server, to Resend, or, in development, to a folder that a page shows.

All of them take a finished `EmailMessage` and say what they were answered. An error is permanent only if every
recipient was refused for good, and then names each in `refused`; that our own account or sender is wrong is nobody's
fault but ours, and passes.
"""

from __future__ import annotations

import json
import os
import re
import smtplib
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import getaddresses, parseaddr
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from tokiflow.core import ids
from tokiflow.db import in_transaction
from tokiflow.errors import DeliveryError, NotFound
from tokiflow.settings import Settings

if TYPE_CHECKING:
    from tokiflow.adapters.http import Client, OutboundResponse

TIME_LIMIT = 14.0
"""Seconds for one mail from first to last: far less than anybody holds a lease for."""
PATIENCE = 2.0
"""Seconds: when Resend asks for no more than this, it is waited for, up to three times."""
OUTBOX_KEEPS = 500
RESEND_API = "https://api.resend.com"


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

    def send(self, message: EmailMessage) -> str:
        """What the server said when it took the mail, and whom it refused."""
        if self.forbidden():
            raise RuntimeError("no network inside a database transaction: commit first, then send")
        try:
            with self._connection() as server:
                return _hand_over(server, message)
        except smtplib.SMTPResponseException as error:
            raise DeliveryError(
                f"the mail server did not take it: {_said(error)}", status_code=error.smtp_code
            ) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            away = isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException)
            raise DeliveryError(f"the mail server did not take it: {_said(error)}", unreachable=away) from None

    def _connection(self) -> smtplib.SMTP:
        context = self.tls or ssl.create_default_context()
        server = (
            _PunctualTls(self.host, self.port, timeout=TIME_LIMIT, context=context)
            if self.encryption == "tls"
            else _Punctual(self.host, self.port, timeout=TIME_LIMIT)
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


class _OnTime:
    """A conversation that ends in TIME_LIMIT seconds, however slow each answer comes."""

    sock: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        self._until = time.monotonic() + TIME_LIMIT
        super().__init__(*args, **options)

    def getreply(self) -> tuple[int, bytes]:
        self._hurry()
        return super().getreply()  # type: ignore[misc, no-any-return]

    def send(self, s: Any) -> None:
        self._hurry()
        super().send(s)  # type: ignore[misc]

    def _hurry(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"timed out after {TIME_LIMIT:g} s")
        if self.sock is not None:
            self.sock.settimeout(left)


class _Punctual(_OnTime, smtplib.SMTP):
    pass


class _PunctualTls(_OnTime, smtplib.SMTP_SSL):
    pass


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


def _hand_over(server: smtplib.SMTP, message: EmailMessage) -> str:
    """One mail in one SMTP exchange. Raises DeliveryError if nobody may have it."""
    recipients = recipients_of(message)
    code, said = server.mail(parseaddr(str(message["From"]))[1])
    if code != 250:
        raise DeliveryError(f"the mail server refused our sender: {_reply(code, said)}", status_code=code)
    refused: dict[str, tuple[int, bytes]] = {}
    for recipient in recipients:
        code, said = server.rcpt(recipient)
        if code not in (250, 251):
            refused[recipient] = (code, said)
    if len(refused) == len(recipients):
        raise _nobody(refused)
    code, said = server.data(message.as_bytes())
    if code != 250:
        raise _not_taken(recipients, code, said)
    return "; ".join([_reply(code, said), *_refusals(refused)])


def _not_taken(recipients: Sequence[str], code: int, said: bytes) -> DeliveryError:
    """Some servers look whether there is such a mailbox only when they have the mail; they say so by 5.1.x or 5.2.1."""
    nowhere = len(recipients) == 1 and code >= 500 and _NO_MAILBOX.search(said) is not None
    return DeliveryError(
        f"the mail server refused the mail: {_reply(code, said)}",
        status_code=code,
        permanent=nowhere,
        refused={recipients[0]: _reply(code, said)} if nowhere else None,
    )


def _nobody(refused: dict[str, tuple[int, bytes]]) -> DeliveryError:
    """Permanent only if each single address was refused for good; a grey list says 4xx first."""
    codes = [code for code, _ in refused.values()]
    for_good = {address: _reply(code, said) for address, (code, said) in refused.items() if _is_for_good(code, said)}
    return DeliveryError(
        "; ".join(_refusals(refused)) or "the mail has no recipient",
        permanent=bool(codes) and len(for_good) == len(codes),
        status_code=codes[0] if codes else None,
        refused=for_good,
    )


# RFC 3463: 5.1.x bad address, 5.2.1 mailbox disabled. Any other class (5.7.x: relaying, authentication, policy;
# 5.2.2: full) is about us, or passes.
_NO_MAILBOX = re.compile(rb"(?<![0-9.])5\.(1\.(?!7\b|8\b)[0-9]+|2\.1)(?![0-9])")
_ENHANCED = re.compile(rb"(?<![0-9.])5\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")
_ABOUT_US = re.compile(rb"(?i)relay|authenticat|spam|blacklist|block ?list|blocked|\bspf\b|dkim|dmarc|sender|policy")
_ADDRESS_CODES = frozenset({521, 550, 551, 553, 556})


def _is_for_good(code: int, said: bytes) -> bool:
    """Whether an answer to RCPT means that this address will never take mail, and not that we may not send it.

    The enhanced status code says it plainly where there is one; many servers only say 550 and some words.
    """
    if _ENHANCED.search(said):
        return code >= 500 and _NO_MAILBOX.search(said) is not None
    return code in _ADDRESS_CODES and not _ABOUT_US.search(said)


def _refusals(refused: dict[str, tuple[int, bytes]]) -> list[str]:
    return [f"{recipient} was refused: {_reply(code, said)}" for recipient, (code, said) in refused.items()]


def _reply(code: int, said: bytes) -> str:
    return f"{code} {' '.join(said.decode('utf-8', 'replace').split())}"[:500]


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return _reply(error.smtp_code, said if isinstance(said, bytes) else str(said).encode())
    return str(error) or type(error).__name__


def recipients_of(message: EmailMessage) -> list[str]:
    """The bare addresses in To and Cc, each once."""
    headers = [str(value) for name in ("To", "Cc") for value in message.get_all(name, [])]
    return list(dict.fromkeys(address for _, address in getaddresses(headers) if address))


@dataclass(frozen=True, repr=False)
class Resend:
    """Resend's HTTP API (https://resend.com/docs/api-reference/emails/send-email)."""

    api_key: str
    client: Client
    api: str = RESEND_API

    def send(self, message: EmailMessage) -> str:
        """The id Resend gave the mail. The Message-ID is its idempotency key, so a retry arrives once."""
        answer = self._ask(message)
        said = _parsed(answer)
        # The same key with another body: the first try did arrive, and only its answer was lost.
        if answer.status_code == 409 and said.get("name") == "invalid_idempotent_request":
            return "taken by Resend in an earlier try"
        if not 200 <= answer.status_code < 300:
            raise _resend_error(answer, said, recipients_of(message))
        return f"taken by Resend as {said.get('id', 'unknown')}"

    def _ask(self, message: EmailMessage) -> OutboundResponse:
        """Resend takes two requests a second by default; a mail for each of three addresses is more already."""
        key = str(message["Message-ID"] or ids.new()).strip("<>")
        body = _resend_body(message)
        headers = {"Authorization": f"Bearer {self.api_key}", "Idempotency-Key": key}
        for again in (True, True, True, False):
            answer = self.client.send("POST", f"{self.api}/emails", json=body, headers=headers, timeout=5.0)
            wait = answer.retry_after
            if not (again and answer.status_code == 429 and wait is not None and wait <= PATIENCE):
                break
            time.sleep(wait)
        return answer


# Resend writes these itself; the rest of the headers are handed over as they are.
_RESEND_OWN = frozenset({"from", "to", "cc", "subject", "date", "mime-version", "content-type", "message-id"})


def _resend_body(message: EmailMessage) -> dict[str, Any]:
    return {
        "from": str(message["From"]),
        "to": recipients_of(message),
        "subject": str(message["Subject"]),
        "text": _content(message, "plain"),
        "html": _content(message, "html"),
        "headers": {name: str(value) for name, value in message.items() if name.lower() not in _RESEND_OWN},
    }


def _resend_error(answer: OutboundResponse, said: dict[str, Any], recipients: Sequence[str]) -> DeliveryError:
    """Permanent only where Resend complains of the recipients; keys and limits are the operator's to mend."""
    about = str(said.get("message", ""))
    theirs = answer.status_code == 422 and "`to`" in about
    return DeliveryError(
        f"Resend answered {answer.status_code}: {about or 'nothing'}"[:500],
        permanent=theirs,
        refused=dict.fromkeys(recipients, about[:500]) if theirs and len(recipients) == 1 else None,
        retry_after=answer.retry_after,
        status_code=answer.status_code,
        response=answer.text[:2_000],
    )


def _parsed(answer: OutboundResponse) -> dict[str, Any]:
    try:
        said = json.loads(answer.content)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _content(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    return str(part.get_content()) if part is not None else ""


@dataclass(frozen=True)
class StoredMail:
    """A mail in the outbox, as the development page shows it. `at` is RFC 3339 in UTC."""

    id: str
    at: str
    sender: str
    to: list[str]
    subject: str
    text: str
    html: str
    headers: dict[str, str]


class Outbox:
    """The local twin: mails become files in one folder, so the web process shows what the worker sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, message: EmailMessage) -> str:
        """Stored whole or not at all. The newest 500 are kept."""
        mail = _stored(message)
        # Sign-in links are in here: nobody else on this machine needs to read them.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._folder / f".{mail.id}.tmp"
        unfinished.write_text(json.dumps(asdict(mail), ensure_ascii=False), encoding="utf-8", errors="replace")
        unfinished.replace(self._folder / f"{mail.id}.json")
        self._forget_the_oldest()
        return f"kept in the outbox as {mail.id}"

    def list(self, limit: int = 100) -> list[StoredMail]:
        """The newest mails first."""
        return [mail for name in reversed(self._names()) if (mail := self._load(name)) is not None][:limit]

    def read(self, mail_id: str) -> StoredMail:
        """One mail. Raises NotFound."""
        mail = self._load(f"{mail_id}.json") if _MAIL_ID.fullmatch(mail_id) else None
        if mail is None:
            raise NotFound("there is no such mail in the outbox")
        return mail

    def clear(self) -> None:
        """Forget all mails."""
        self._remove(self._names())

    def _names(self) -> Sequence[str]:
        try:
            return sorted(name for name in os.listdir(self._folder) if _MAIL_ID.fullmatch(name.removesuffix(".json")))
        except FileNotFoundError:
            return []

    def _load(self, name: str) -> StoredMail | None:
        """None if it is gone, as another process may forget it at any moment."""
        try:
            return StoredMail(**json.loads((self._folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _forget_the_oldest(self) -> None:
        self._remove(self._names()[:-OUTBOX_KEEPS])

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(FileNotFoundError):
                (self._folder / name).unlink()


def outbox_from(data_dir: Path) -> Outbox:
    """The outbox of the instance that keeps its data in `data_dir`."""
    return Outbox(data_dir / "outbox")


_MAIL_ID = re.compile(r"\d{8}T\d{12}Z-[0-9a-z_]{1,40}")


def _stored(message: EmailMessage) -> StoredMail:
    now = datetime.now(UTC)
    return StoredMail(
        id=f"{now:%Y%m%dT%H%M%S%f}Z-{ids.public('mail', ids.new())}",
        at=now.isoformat(),
        sender=str(message["From"]),
        to=recipients_of(message),
        subject=str(message["Subject"]),
        text=_content(message, "plain"),
        html=_content(message, "html"),
        headers={name: str(value) for name, value in message.items()},
    )
