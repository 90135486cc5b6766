"""From a request to its answer: parts of a request in, a future of an answer out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime

from tokiflow.ping import reading
from tokiflow.ping.answers import Answer
from tokiflow.ping.body import Body
from tokiflow.ping.writer import Full, Writer
from tokiflow.services.pings import Incoming

PATIENCE = 20.0
"""Seconds a request waits for its answer at most before it is told to come again."""


@dataclass(frozen=True, slots=True)
class Request:
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

    def take(self, request: Request) -> Future[Answer]:
        """The answer to `request`, when there is one: 200 means *committed*."""
        at = self._clock()
        if request.method == "OPTIONS":
            return _at_once(self.answers.preflight)
        if request.method not in reading.METHODS:
            return _at_once(self.answers.method)
        try:
            address = reading.address(request.path)
            ping = reading.read(address.word, request.query, request.method, at, request.headers, request.source)
        except reading.BadPing as error:
            return _at_once(self.answers.bad(str(error)))
        if request.body.size:
            body = request.body
            ping = replace(ping, body=body.kept, body_size=body.size, body_cut=body.cut)
        if wait := self._writer.limits.refused(address.token, at):
            return _at_once(self.answers.limited(wait))
        try:
            return self._writer.submit(Incoming(address.token, ping))
        except Full:
            return _at_once(self.answers.again)


def _at_once(answer: Answer) -> Future[Answer]:
    future: Future[Answer] = Future()
    future.set_result(answer)
    return future
