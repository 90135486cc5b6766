"""The one way out over HTTP.

Whoever names the address must not reach our own networks, keep us waiting or fill our memory. So a name is
resolved once, every address it has is judged (`core.addresses`), and the connection goes to a judged address:
nothing is looked up again between check and use, and a redirect comes through here like a first request.
There are no cookies and no proxies from the environment; the time limit is for the whole exchange.
"""

from __future__ import annotations

import email.utils
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

from tokiflow import __version__
from tokiflow.core import addresses
from tokiflow.core.addresses import Address, Network
from tokiflow.db import in_transaction
from tokiflow.errors import DeliveryError
from tokiflow.settings import Settings

USER_AGENT = f"Tokiflow/{__version__} (+https://tokiflow.example)"
TIME_LIMIT = 10.0
SIZE_LIMIT = 64 * 1024
MAX_REDIRECTS = 3
MAX_RETRY_AFTER = 24 * 3600.0
ADDRESSES_TRIED = 3

Resolver = Callable[[str, int], Sequence[Address]]


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
        seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def resolve(host: str, port: int) -> list[Address]:
    """All addresses of `host`, in the order the system prefers. Raises OSError or UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


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
        self._clock = _Clock()
        self._client = httpx.Client(
            transport=_Transport(_PinnedBackend(tuple(allow), resolver, self._clock), verify),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            # Asked to send plainly, a body can't grow when it is unpacked.
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Accept": "*/*"},
            max_redirects=MAX_REDIRECTS,
            trust_env=False,
        )

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
        with self._clock.limit(timeout), _errors_translated():
            request = self._client.build_request(
                method, _checked(url), content=content, json=json, headers=headers, timeout=timeout
            )
            response = self._client.send(request, stream=True, follow_redirects=follow_redirects)
            try:
                body, truncated = _read(response, size_limit)
            finally:
                response.close()
        return OutboundResponse(
            response.status_code, dict(response.headers), body, truncated, time.monotonic() - started
        )

    def get(self, url: str, **options: Any) -> OutboundResponse:
        """`send("GET", …)`."""
        return self.send("GET", url, **options)

    def post(self, url: str, **options: Any) -> OutboundResponse:
        """`send("POST", …)`."""
        return self.send("POST", url, **options)

    def close(self) -> None:
        """Close all connections that are kept open."""
        self._client.close()

    def _refuse_inside_transaction(self) -> None:
        if self._forbidden():
            raise RuntimeError("no network inside a database transaction: commit first, then send")


def client_from(settings: Settings) -> Client:
    """The client for this process. In production a forgotten transaction is not worth losing an alert over."""
    forbidden = (lambda: False) if settings.production else in_transaction
    return Client(settings.outbound_allow, forbidden=forbidden)


def _checked(url: str) -> str:
    try:
        return addresses.web(url)
    except ValueError as error:
        raise DeliveryError(f"the address {error}", permanent=True) from None


def _read(response: httpx.Response, size_limit: int) -> tuple[bytes, bool]:
    """The body up to `size_limit`, as it came over the wire, and whether more was left behind."""
    body = bytearray()
    for part in response.iter_raw():
        body += part
        if len(body) > size_limit:
            return bytes(body[:size_limit]), True
    return bytes(body), False


@contextmanager
def _errors_translated() -> Iterator[None]:
    try:
        yield
    except (httpx.TimeoutException, httpcore.TimeoutException):
        raise DeliveryError("no answer in time") from None
    except httpx.TooManyRedirects:
        raise DeliveryError(f"redirected more than {MAX_REDIRECTS} times") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpcore.UnsupportedProtocol, UnicodeError):
        raise DeliveryError("the address is not a web address", permanent=True) from None
    except (httpcore.ConnectError, httpx.ConnectError) as error:
        raise DeliveryError(f"could not connect: {error}") from None
    except (httpx.HTTPError, httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise DeliveryError(f"the connection broke: {str(error) or type(error).__name__}") from None


class _Clock(threading.local):
    """The moment at which this thread's exchange must be over. Sockets only know how long one read may take."""

    ends_at = float("inf")

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        self.ends_at = time.monotonic() + seconds
        try:
            yield
        finally:
            self.ends_at = float("inf")

    def left(self, timeout: float | None, expired: type[Exception]) -> float | None:
        """The smaller of `timeout` and what is left, in seconds. Raises `expired` when nothing is left."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise expired("the time is up")
        smallest = left if timeout is None else min(timeout, left)
        return None if smallest == float("inf") else smallest


class _Stream(httpcore.NetworkStream):
    """A connection whose every operation is bounded by the clock, so that a trickle can't outlast the limit."""

    def __init__(self, inner: httpcore.NetworkStream, clock: _Clock) -> None:
        self._inner, self._clock = inner, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._clock.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._clock.left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._clock.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._clock)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _PinnedBackend(httpcore.NetworkBackend):
    """Opens connections to addresses that were judged, and to no name. TLS still checks the name."""

    def __init__(self, allow: tuple[Network, ...], resolver: Resolver, clock: _Clock) -> None:
        self._allow, self._resolver, self._clock = allow, resolver, clock
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A stream to the first judged address that answers. Raises DeliveryError if none may be reached."""
        targets = self._judged(host, port)[:ADDRESSES_TRIED]
        for position, address in enumerate(targets, start=1):
            left = self._clock.left(timeout, httpcore.ConnectTimeout)
            share = left / (len(targets) - position + 1) if left is not None else None
            try:
                stream = self._sockets.connect_tcp(str(address), port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(targets):
                    raise
            else:
                return _Stream(stream, self._clock)
        raise httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """Never: a socket of this machine is nobody's receiver."""
        raise DeliveryError("the address is off limits", permanent=True)

    def _judged(self, host: str, port: int) -> list[Address]:
        found = self._resolved(host, port)
        judged = [address for address in found if addresses.reachable(address, self._allow)]
        if found and not judged:
            raise DeliveryError(
                f"{host} leads to a private network; alerts only go to public addresses, "
                "unless the operator allows the network in TOKIFLOW_OUTBOUND_ALLOW",
                permanent=True,
            )
        return judged

    def _resolved(self, host: str, port: int) -> list[Address]:
        """The addresses of `host`. The system's resolver knows no time limit, so it is waited for from outside."""
        answer: list[Address | Exception] = []

        def ask() -> None:
            try:
                answer.extend(self._resolver(host, port))
            except (OSError, ValueError) as error:
                answer.append(error)

        thread = threading.Thread(target=ask, name="resolve", daemon=True)
        thread.start()
        thread.join(self._clock.left(None, httpcore.ConnectTimeout))
        if thread.is_alive():
            raise httpcore.ConnectTimeout("the name could not be resolved in time")
        if any(isinstance(entry, Exception) for entry in answer):
            raise httpcore.ConnectError(f"{host} could not be found")
        return [entry for entry in answer if not isinstance(entry, Exception)]


class _Transport(httpx.BaseTransport):
    """Hands httpx's requests to a connection pool that opens its connections through the pinned backend."""

    def __init__(self, backend: _PinnedBackend, verify: ssl.SSLContext | None) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=verify or httpx.create_ssl_context(trust_env=False),
            network_backend=backend,
            max_connections=256,
            max_keepalive_connections=64,
            keepalive_expiry=15.0,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        # Redirects come by here too, so what is true of a first address is asked of every next one.
        _checked(str(request.url))
        answer = self._pool.handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    """The body of an answer, still on the wire."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()
