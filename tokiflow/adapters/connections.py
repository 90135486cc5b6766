"""Connections to addresses that were judged, kept open for a while, each step bounded by the clock of its exchange.

HTTP/1.1 itself is h11's: it knows the protocol and leaves the sockets to us, and ours must go to pinned addresses.
With the waits of many threads side by side this takes half the CPU of a general pool (docs/decisions/013).
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address

import h11

from tokiflow.core import addresses
from tokiflow.core.addresses import Address, Network
from tokiflow.errors import DeliveryError

SIZE_LIMIT = 64 * 1024
HEAD_LIMIT = 64 * 1024
ADDRESSES_TRIED = 3
KEPT_OPEN = 128
KEPT_SECONDS = 15.0
_AT_ONCE = 64 * 1024

Resolver = Callable[[str, int], Sequence[Address]]


@dataclass(frozen=True)
class Origin:
    """Whom a connection is to."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are in lower case; of the body at most 64 KB are kept."""

    status_code: int
    headers: dict[str, str]
    content: bytes
    truncated: bool


class NotConnected(OSError):
    """Nobody took the connection, or not in a way that could be trusted."""


class Stale(Exception):
    """A connection that was kept open turned out to be closed before anything was answered."""


class Clock(threading.local):
    """The moment at which this thread's exchange must be over. Sockets only know how long one read may take."""

    ends_at = float("inf")

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """At most `seconds` for everything in the block, and never longer than a limit around it."""
        before = self.ends_at
        self.ends_at = min(before, time.monotonic() + seconds)
        try:
            yield
        finally:
            self.ends_at = before

    def left(self) -> float:
        """Seconds until the end. Raises TimeoutError when nothing is left."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is up")
        return left


clock = Clock()


def resolve(host: str, port: int) -> list[Address]:
    """All addresses of `host`, in the order the system prefers. Raises OSError or UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


class Connection:
    """One HTTP/1.1 connection, for one exchange after the other."""

    def __init__(self, origin: Origin, sock: socket.socket) -> None:
        self.origin = origin
        self.rests_since = 0.0
        self._socket = sock
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        self._fresh = True

    def exchange(self, request: h11.Request, content: bytes, size_limit: int = SIZE_LIMIT) -> Answer:
        """Send, and read the answer, at most `size_limit` bytes of it. Raises OSError, h11.ProtocolError, or Stale."""
        fresh, self._fresh = self._fresh, False
        said = self._protocol.send(request) or b""
        said += (self._protocol.send(h11.Data(content)) or b"") if content else b""
        said += self._protocol.send(h11.EndOfMessage()) or b""
        try:
            self._write(said)
            response = self._response()
        except (ConnectionError, h11.RemoteProtocolError):
            if not fresh and self._protocol.their_state in (h11.SEND_RESPONSE, h11.ERROR) and not self._heard():
                raise Stale from None
            raise
        body, truncated = self._body(size_limit)
        headers: dict[str, str] = {}
        for name, value in response.headers:
            key, text = name.decode("ascii"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return Answer(response.status_code, headers, body, truncated)

    @property
    def reusable(self) -> bool:
        """Whether both sides have said all they had to say, and neither wants to close."""
        return self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE

    def rest(self) -> None:
        """Be ready for the next exchange."""
        self._protocol.start_next_cycle()
        self.rests_since = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether it is still open: a connection on which nothing is asked has nothing to say."""
        if time.monotonic() - self.rests_since > KEPT_SECONDS:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Let go of it."""
        with suppress(OSError):
            self._socket.close()

    def _heard(self) -> bool:
        return bool(self._protocol.trailing_data[0])

    def _response(self) -> h11.Response:
        while True:
            event = self._next_event()
            if isinstance(event, h11.Response):
                return event

    def _body(self, limit: int) -> tuple[bytes, bool]:
        """The body up to `limit` bytes, and whether more was left behind."""
        body = bytearray()
        while isinstance(event := self._next_event(), h11.Data):
            body += event.data
            if len(body) > limit:
                return bytes(body[:limit]), True
        return bytes(body), False

    def _next_event(self) -> object:
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            self._socket.settimeout(clock.left())
            self._protocol.receive_data(self._socket.recv(_AT_ONCE))
        return event

    def _write(self, said: bytes) -> None:
        self._socket.settimeout(clock.left())
        self._socket.sendall(said)


class Connections:
    """Connections by whom they are to; safe for threads. At most 128 that nobody uses are kept, 15 seconds each."""

    def __init__(self, allow: tuple[Network, ...], resolver: Resolver, tls: Callable[[], ssl.SSLContext]) -> None:
        self._allow, self._resolver, self._tls = allow, resolver, tls
        self._resting: dict[Origin, list[Connection]] = {}
        self._count = 0
        self._lock = threading.Lock()

    @contextmanager
    def to(self, origin: Origin) -> Iterator[Connection]:
        """A connection, for one exchange. Raises DeliveryError for an address that is off limits, or OSError."""
        connection = self._rested(origin) or Connection(origin, self._connected(origin))
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)

    def close(self) -> None:
        """Close all connections that are kept open."""
        with self._lock:
            kept = [one for resting in self._resting.values() for one in resting]
            self._resting, self._count = {}, 0
        for one in kept:
            one.close()

    def _rested(self, origin: Origin) -> Connection | None:
        while True:
            with self._lock:
                resting = self._resting.get(origin)
                if not resting:
                    return None
                # The one used last is the likeliest to live.
                connection = resting.pop()
                self._count -= 1
                if not resting:
                    del self._resting[origin]
            if connection.alive:
                return connection
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        if not connection.reusable:
            connection.close()
            return
        connection.rest()
        with self._lock:
            spare = self._removed() if self._count >= KEPT_OPEN else None
            self._resting.setdefault(connection.origin, []).append(connection)
            self._count += 1
        if spare is not None:
            spare.close()

    def _removed(self) -> Connection:
        """The connection that has rested longest among the first of each origin, taken out."""
        origin = min(self._resting, key=lambda one: self._resting[one][0].rests_since)
        removed = self._resting[origin].pop(0)
        self._count -= 1
        if not self._resting[origin]:
            del self._resting[origin]
        return removed

    def _connected(self, origin: Origin) -> socket.socket:
        """A socket to the first judged address that answers; over TLS, whose certificate is for the name."""
        targets = self._judged(origin.host, origin.port)[:ADDRESSES_TRIED]
        for position, address in enumerate(targets, start=1):
            share = clock.left() / (len(targets) - position + 1)
            try:
                sock = socket.create_connection((str(address), origin.port), share)
            except TimeoutError:
                if position == len(targets):
                    raise
            except OSError as error:
                if position == len(targets):
                    raise NotConnected(error.strerror or str(error)) from None
            else:
                return self._prepared(sock, origin)
        raise NotConnected(f"{origin.host} has no address")

    def _prepared(self, sock: socket.socket, origin: Origin) -> socket.socket:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if origin.scheme == "https":
                sock.settimeout(clock.left())
                return self._tls().wrap_socket(sock, server_hostname=origin.host)
        except TimeoutError:
            sock.close()
            raise
        except (OSError, ValueError) as error:
            sock.close()
            raise NotConnected(f"no safe connection: {error}") from None
        except BaseException:
            sock.close()
            raise
        return sock

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

    def _resolved(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of `host`. The system's resolver knows no time limit, so it is waited for from outside."""
        with suppress(ValueError):
            return [ip_address(host)]
        answer: list[Sequence[Address] | Exception] = []

        def ask() -> None:
            try:
                answer.append(self._resolver(host, port))
            except (OSError, ValueError) as error:
                answer.append(error)

        thread = threading.Thread(target=ask, name="resolve", daemon=True)
        thread.start()
        thread.join(clock.left())
        if not answer:
            raise TimeoutError("the name could not be resolved in time")
        if isinstance(answer[0], Exception):
            raise NotConnected(f"{host} could not be found")
        return answer[0]
