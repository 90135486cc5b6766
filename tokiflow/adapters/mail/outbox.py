"""The local twin of a mail server: mails become files in a folder, and a page of development shows them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from tokiflow.adapters.mail import contents
from tokiflow.core import ids
from tokiflow.errors import NotFound

KEEPS = 500


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
    """Mails become files in one folder, so the web process shows what the worker sent."""

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
        self._remove(self._names()[:-KEEPS])

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
        to=contents.recipients_of(message),
        subject=str(message["Subject"]),
        text=contents.text(message, "plain"),
        html=contents.text(message, "html"),
        headers={name: str(value) for name, value in message.items()},
    )
