"""Connections to a mail server: each conversation ends in time, and between two mails a connection rests.

    open (TCP, TLS, sign in) ──▶ a mail ──▶ rest ──▶ a mail ──▶ rest ──▶ … ──▶ QUIT

The mails of one alert, and of a storm of them, so go over one connection instead of each over its own: what costs
time, and what mail servers count, is opening one.
"""

from __future__ import annotations

import smtplib
import threading
import time
from contextlib import suppress
from typing import Any

TIME_LIMIT = 14.0
"""Seconds for one mail from first to last: far less than anybody holds a lease for."""
REST_FOR = 10.0
"""Seconds that a connection waits for the next mail. Servers wait for minutes, but have only so many to give."""
MOST_AT_REST = 8
ANSWERS_WITHIN = 2.0
"""Seconds for a connection that has rested to show that it is still there."""


class _OnTime:
    """A conversation that ends at `until` (of time.monotonic), however slow each answer comes."""

    sock: Any
    until: float

    def __init__(self, host: str, port: int, until: float, **options: Any) -> None:
        self.until = until
        super().__init__(host, port, timeout=max(until - time.monotonic(), 0.01), **options)  # type: ignore[call-arg]

    def getreply(self) -> tuple[int, bytes]:
        """As SMTP's. Raises TimeoutError when the time is over."""
        self._hurry()
        try:
            return super().getreply()  # type: ignore[misc, no-any-return]
        except smtplib.SMTPServerDisconnected as error:
            if isinstance(error.__context__, TimeoutError):
                raise _too_late() from None
            raise

    def send(self, s: Any) -> None:
        """As SMTP's. Raises TimeoutError when the time is over."""
        self._hurry()
        super().send(s)  # type: ignore[misc]

    def _hurry(self) -> None:
        left = self.until - time.monotonic()
        if left <= 0:
            raise _too_late()
        if self.sock is not None:
            self.sock.settimeout(left)


def _too_late() -> TimeoutError:
    return TimeoutError(f"timed out after {TIME_LIMIT:g} s")


class Connection(_OnTime, smtplib.SMTP):
    """One that begins in the clear."""


class TlsConnection(_OnTime, smtplib.SMTP_SSL):
    """One with TLS from the first byte."""


Server = Connection | TlsConnection


class Resting:
    """The connections to one mail server that wait for their next mail, for REST_FOR seconds at least."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._there: list[tuple[float, Server]] = []
        self._porter: threading.Timer | None = None

    def take(self, until: float) -> Server | None:
        """One that is still there and has time until `until`, or None. It is the caller's now."""
        while True:
            with self._lock:
                server = self._there.pop()[1] if self._there else None
            if server is None or _is_awake(server, until):
                return server
            server.close()

    def put(self, server: Server) -> None:
        """Let `server` rest: it has answered the last thing it was told."""
        with self._lock:
            self._there.append((time.monotonic(), server))
            too_many = [self._there.pop(0)[1] for _ in range(len(self._there) - MOST_AT_REST)]
            if self._porter is None:
                self._call_porter()
        _see_off(too_many)

    def _call_porter(self) -> None:
        self._porter = threading.Timer(REST_FOR, self._close_the_idle)
        self._porter.daemon = True
        self._porter.start()

    def _close_the_idle(self) -> None:
        latest = time.monotonic() - REST_FOR
        with self._lock:
            idle = [server for since, server in self._there if since <= latest]
            self._there = [one for one in self._there if one[0] > latest]
            self._porter = None
            if self._there:
                self._call_porter()
        _see_off(idle)


def _is_awake(server: Server, until: float) -> bool:
    """Whether it is there and ready for a mail (RSET, RFC 5321 §4.1.1.5). It may have been closed while it rested."""
    server.until = min(until, time.monotonic() + ANSWERS_WITHIN)
    try:
        code, _ = server.rset()
    except (smtplib.SMTPException, OSError):
        return False
    server.until = until
    return code == 250


def _see_off(servers: list[Server]) -> None:
    for server in servers:
        server.until = time.monotonic() + ANSWERS_WITHIN
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
        server.close()
