"""From a request to its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from tokiflow.core.names import Known, Refused
from tokiflow.ping import body as bodies
from tokiflow.ping import reading
from tokiflow.ping.writer import Full, Writer
from tokiflow.services.pings import Incoming

log = structlog.get_logger()

PATIENCE = 20.0
"""Seconds a request waits for the disk before it is told to come again."""

_ALWAYS = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Ping-Body-Limit",
    "X-Content-Type-Options": "nosniff",
    "Ping-Body-Limit": str(bodies.LIMIT),
}


@dataclass(frozen=True)
class Answer:
    """Status, plain text and headers. `headers` always includes those that every answer of this door has."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def all_headers(self) -> dict[str, str]:
        # RFC 9110 §8.6: a 204 has no length, not even 0.
        length = {} if self.status == 204 else {"Content-Length": str(len(self.text.encode()))}
        return {**_ALWAYS, **self.headers, **length}


OK = Answer(200, "OK")
CREATED = Answer(201, "Created")
AGAIN = Answer(503, "try again shortly", {"Retry-After": "5"})
PREFLIGHT = Answer(
    204,
    "",
    {
        "Access-Control-Allow-Methods": "GET, HEAD, POST",
        "Access-Control-Allow-Headers": "*",
        "Access-Control-Max-Age": "86400",
    },
)


@dataclass(frozen=True)
class Request:
    """The parts of a request that matter here. `headers` are lower-cased; `read_body` takes it in."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    source: str
    read_body: Callable[[], bodies.Body]


def is_ping(path: str) -> bool:
    """Whether the letterbox answers this path, well-formed or not."""
    return path.startswith(reading.PREFIXES)


class Letterbox:
    """Takes requests for pings and answers them when they are on disk."""

    def __init__(self, writer: Writer, clock: Callable[[], datetime]) -> None:
        self._writer = writer
        self._clock = clock

    def answer(self, request: Request) -> Answer:
        """The answer to `request`: 200 and 201 mean *committed*."""
        at = self._clock()
        # Of a ping that is refused, too: who is still sending when the connection ends never hears why.
        body = request.read_body()
        if request.method == "OPTIONS":
            return PREFLIGHT
        if request.method not in reading.METHODS:
            return Answer(405, "method not allowed: use GET, HEAD or POST", {"Allow": "GET, HEAD, POST"})
        try:
            address = reading.address(request.path, request.query)
            ping = reading.read(address.word, request.query, request.method, at, request.headers, request.source)
        except reading.BadPing as error:
            return Answer(400, str(error))
        ping = replace(ping, body=body.kept, body_size=body.size, body_cut=body.cut)
        return self._keep(Incoming(address.to, ping))

    def _keep(self, incoming: Incoming) -> Answer:
        try:
            future: Future[Known | Refused] = self._writer.submit(incoming)
            return _answer(future.result(timeout=PATIENCE))
        except (Full, FutureTimeout) as error:
            log.warning("ping_not_kept", error=type(error).__name__)
            return AGAIN
        except Exception:
            # Not acknowledged, so the job's client tries again; the writer has logged the cause.
            return AGAIN


def _answer(outcome: Known | Refused) -> Answer:
    if isinstance(outcome, Known):
        return CREATED if outcome.created else OK
    return Answer(
        outcome.status, outcome.text, {"Retry-After": str(outcome.retry_after)} if outcome.retry_after else {}
    )
