"""The one way out over HTTP.

Whoever names the address must not reach our own networks, keep us waiting or fill our memory. So a name is
resolved once, every address it has is judged (`core.addresses`), and the connection goes to a judged address:
nothing is looked up again between check and use, and a redirect comes through here like a first request.
There are no cookies and no proxies from the environment; the time limit is for the whole exchange.
"""

from __future__ import annotations

import email.utils
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import certifi
import h11
import orjson

from tokiflow import __version__
from tokiflow.adapters.connections import (
    SIZE_LIMIT,
    Answer,
    Connections,
    NotConnected,
    Origin,
    Resolver,
    Stale,
    clock,
    resolve,
)
from tokiflow.core import addresses
from tokiflow.core.addresses import Network
from tokiflow.db import in_transaction
from tokiflow.errors import DeliveryError
from tokiflow.settings import Settings

USER_AGENT = f"Tokiflow/{__version__} (+https://tokiflow.example)"
TIME_LIMIT = 10.0
MAX_REDIRECTS = 3
MAX_RETRY_AFTER = 24 * 3600.0


@dataclass(frozen=True)
class OutboundResponse:
    """What came back, whatever its status. Of the body no more than the size limit is kept."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    truncated: bool
    elapsed_seconds: float

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @property
    def retry_after(self) -> float | None:
        """Seconds the other side asks us to wait (RFC 9110 §10.2.3), at most a day; None if it doesn't say."""
        return parse_retry_after(self.headers.get("retry-after", ""), time.time())


def parse_retry_after(value: str, now: float) -> float | None:
    """`"120"` or an HTTP date → seconds from `now` (a Unix time), between 0 and a day. None for anything else."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), MAX_RETRY_AFTER)
    try:
        at = email.utils.parsedate_to_datetime(value)
        # The form of asctime names no zone, and means UTC (RFC 9110 §5.6.7), wherever we are.
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


class Client:
    """The outbound client. One a process is enough: it is safe for threads and keeps connections open.

    allow: networks that may be reached although they are private.
    forbidden: asked before each request; True means that a database transaction is open, which is a mistake
        of ours (a slow receiver would hold its locks) and raises RuntimeError.
    """

    def __init__(
        self,
        allow: Iterable[Network] = (),
        *,
        resolver: Resolver = resolve,
        forbidden: Callable[[], bool] = lambda: False,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._forbidden = forbidden
        self._connections = Connections(tuple(allow), resolver, (lambda: verify) if verify else _trusted)

    def send(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIME_LIMIT,
        size_limit: int = SIZE_LIMIT,
        follow_redirects: bool = False,
    ) -> OutboundResponse:
        """The answer, whatever its status. `timeout` is in seconds, for everything together; `size_limit` in bytes.

        Raises DeliveryError: permanent for an address that is malformed or off limits, otherwise worth another try.
        """
        self._refuse_inside_transaction()
        started = time.monotonic()
        sent = _sent(method, url, content, json, headers)
        with clock.limit(timeout), _errors_translated():
            answer = self._answer(sent, size_limit)
            redirects = 0
            while follow_redirects and (following := _following(sent, answer)) is not None:
                redirects += 1
                if redirects > MAX_REDIRECTS:
                    raise DeliveryError(f"redirected more than {MAX_REDIRECTS} times")
                # What is true of a first address is asked of every next one.
                sent = following
                answer = self._answer(sent, size_limit)
        elapsed = time.monotonic() - started
        return OutboundResponse(answer.status_code, answer.headers, answer.content, answer.truncated, elapsed)

    def get(self, url: str, **options: Any) -> OutboundResponse:
        """`send("GET", …)`."""
        return self.send("GET", url, **options)

    def post(self, url: str, **options: Any) -> OutboundResponse:
        """`send("POST", …)`."""
        return self.send("POST", url, **options)

    def close(self) -> None:
        """Close all connections that are kept open."""
        self._connections.close()

    def _refuse_inside_transaction(self) -> None:
        if self._forbidden():
            raise RuntimeError("no network inside a database transaction: commit first, then send")

    def _answer(self, sent: _Sent, size_limit: int) -> Answer:
        origin, target, authority = _taken_apart(sent.url)
        headers = [("Host", authority), *sent.headers.items()]
        request = h11.Request(method=sent.method, target=target, headers=headers)
        while True:
            try:
                with self._connections.to(origin) as connection:
                    return connection.exchange(request, sent.content, size_limit)
            except Stale:
                # Closed while it rested, and nothing was answered: that is no failed try. Ask on the next.
                continue


def client_from(settings: Settings) -> Client:
    """The client for this process. In production a forgotten transaction is not worth losing an alert over."""
    forbidden = (lambda: False) if settings.production else in_transaction
    return Client(settings.outbound_allow, forbidden=forbidden)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """At most `seconds` for all that this thread asks of any client in the block, however many requests it makes."""
    with clock.limit(seconds):
        yield


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    # The certificates of the world take 7 MB: here, only in a process that needs them.
    return ssl.create_default_context(cafile=certifi.where())


@dataclass(frozen=True)
class _Sent:
    """A request, whole but for the name of the host, which is in its address."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes


def _sent(method: str, url: str, content: bytes | None, json: object, headers: Mapping[str, str] | None) -> _Sent:
    # Asked to send plainly, a body can't grow when it is unpacked.
    merged = {"accept": "*/*", "accept-encoding": "identity", "user-agent": USER_AGENT}
    if json is not None:
        content, merged["content-type"] = orjson.dumps(json), "application/json"
    merged |= {name.lower(): value for name, value in (headers or {}).items()}
    if content is not None or method in ("POST", "PUT", "PATCH"):
        merged["content-length"] = str(len(content or b""))
    return _Sent(method, url, merged, content or b"")


def _following(sent: _Sent, answer: Answer) -> _Sent | None:
    """The request that the answer redirects to (RFC 9110 §15.4); None if it is no redirect."""
    location = answer.headers.get("location", "")
    if answer.status_code not in (301, 302, 303, 307, 308) or not location:
        return None
    url, headers = urljoin(sent.url, location), dict(sent.headers)
    if _taken_apart(url)[0] != _taken_apart(sent.url)[0]:
        # What opens one door is nobody else's business.
        headers = {name: headers[name] for name in headers if name not in ("authorization", "cookie")}
    if answer.status_code in (307, 308) or sent.method in ("GET", "HEAD"):
        return _Sent(sent.method, url, headers, sent.content)
    return _Sent("GET", url, {name: headers[name] for name in headers if not name.startswith("content-")}, b"")


@lru_cache(maxsize=1024)
def _taken_apart(url: str) -> tuple[Origin, str, str]:
    """Whom to ask, for what (the target of the request), and under which name (the Host header)."""
    try:
        parts = urlsplit(addresses.web(url))
        host = (parts.hostname or "").encode("ascii" if url.isascii() else "idna").decode("ascii")
    except UnicodeError:
        raise DeliveryError("the address is not a web address", permanent=True) from None
    except ValueError as error:
        raise DeliveryError(f"the address {error}", permanent=True) from None
    usual = 443 if parts.scheme == "https" else 80
    port = parts.port or usual
    target = quote(parts.path or "/", _LEFT) + (f"?{quote(parts.query, _LEFT)}" if parts.query else "")
    name = f"[{host}]" if ":" in host else host
    return Origin(parts.scheme, host, port), target, name if port == usual else f"{name}:{port}"


_LEFT = "!#$%&'()*+,/:;=?@[]~"
"""What may stand in an address as it is. A per cent sign, too: whoever wrote one has escaped something."""


@contextmanager
def _errors_translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise DeliveryError("no answer in time", unreachable=True) from None
    except h11.LocalProtocolError:
        raise DeliveryError("a header has something in it that no header may have") from None
    except h11.RemoteProtocolError as error:
        raise DeliveryError(f"the connection broke: {error}", unreachable=True) from None
    except NotConnected as error:
        raise DeliveryError(f"could not connect: {error}", unreachable=True) from None
    except OSError as error:
        raise DeliveryError(f"the connection broke: {error.strerror or error}", unreachable=True) from None
