"""From a request to its answer: parts of a request in, a promise of an answer out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple, TypeVar

from tokiflow.ping import reading
from tokiflow.ping.body import Body
from tokiflow.ping.writer import Full, Promise, Writer
from tokiflow.services.pings import Incoming

P = TypeVar("P", bound=Promise)


class Request(NamedTuple):
    """The parts of a request that matter here. `headers` are lower-cased."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    source: str
    body: Body


def is_ping(path: str) -> bool:
    """Whether the letterbox answers this path, well-formed or not."""
    return path.startswith(reading.PREFIXES)


class Letterbox:
    """Takes requests for pings and answers them when they are on disk."""

    def __init__(self, writer: Writer, body_limit: int, clock: Callable[[], datetime]) -> None:
        self.answers = writer.answers
        self.body_limit = body_limit
        self._writer = writer
        self._clock = clock
        writer.start()

    @property
    def settled(self) -> bool:
        """Whether all that was answered is in the database."""
        return self._writer.settled

    def take(self, request: Request, promise: P) -> P:
        """`promise`, which gets the answer to `request` when there is one: 200 and 201 mean *committed*.

        Whoever calls brings the promise along: what waits for an answer in a thread, a greenlet or a loop is theirs to
        know.
        """
        at = self._clock()
        if request.method == "OPTIONS":
            promise.set_result(self.answers.preflight)
        elif request.method not in reading.METHODS:
            promise.set_result(self.answers.method)
        else:
            self._read(request, at, promise)
        return promise

    def _read(self, request: Request, at: datetime, promise: Promise) -> None:
        method, path, query, headers, source, body = request
        try:
            to, word = reading.address(path, query)
            ping = reading.read(word, query, method, at, headers, source)
        except reading.BadPing as error:
            promise.set_result(self.answers.bad(str(error)))
            return
        if body.size:
            ping = ping._replace(body=body.kept, body_size=body.size, body_cut=body.cut)
        if wait := self._writer.limits.refused(to, at):
            promise.set_result(self.answers.limited(wait))
            return
        try:
            self._writer.submit(Incoming(to, ping), promise)
        except Full:
            promise.set_result(self.answers.again)
