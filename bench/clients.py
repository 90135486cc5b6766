"""Jobs that ping while things go wrong: each asks again until it is told 200, like `curl --retry`."""

from __future__ import annotations

import bisect
import http.client
import itertools
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

PAUSE = 0.02
"""Seconds a client rests between two pings, on average."""

AGAIN = 0.2
"""Seconds until it asks again."""

PATIENCE = 30.0

IDLE = 1.0
"""Seconds after which a connection is not trusted any more: gunicorn closes it after two."""

REFUSED = "ConnectionRefusedError"
BODY = b"a line of what the job has printed\n" * 30


@dataclass(frozen=True)
class Told:
    """A ping that was answered with 200. `words` are its own; `number` counts its client's."""

    words: str
    client: int
    number: int
    rid: str | None
    signal: str


@dataclass
class Crowd:
    """All clients: what they were told, and when."""

    told: list[Told] = field(default_factory=list)
    answers: list[tuple[float, int, str]] = field(default_factory=list)
    """When, at which door, what."""

    stop: threading.Event = field(default_factory=threading.Event)

    def answered_since(self, door: int, moment: float) -> bool:
        """Whether `door` has told anybody 200 since."""
        return any(said == "200" and port == door for _, port, said in self._between(moment, time.monotonic()))

    def look_back(self, start: float, end: float) -> tuple[float, dict[str, int]]:
        """From `start` to `end`: the longest time without a 200, in seconds, and how many answers of each sort."""
        answers = self._between(start, end)
        moments = [start, *(at for at, _, said in answers if said == "200"), end]
        silence = max(later - earlier for earlier, later in itertools.pairwise(moments))
        return silence, dict(Counter(said for _, _, said in answers))

    def _between(self, start: float, end: float) -> list[tuple[float, int, str]]:
        answers = list(self.answers)
        first = bisect.bisect_left(answers, start - 1, key=lambda one: one[0])
        return [one for one in answers[first:] if start <= one[0] <= end]


class Client:
    """One who sends for many jobs, one after another, each ping to any of the doors, as a balancer would have it, over
    connections that are kept as long as they hold."""

    def __init__(self, crowd: Crowd, number: int, doors: Sequence[int], tokens: Sequence[str], seed: int) -> None:
        self.crowd = crowd
        self.number = number
        self.tokens = tokens
        self.chance = random.Random(seed * 1_000 + number)
        self.said = 0
        self.source = ""
        self.connections = [http.client.HTTPConnection("127.0.0.1", door, timeout=PATIENCE) for door in doors]
        self.used = dict.fromkeys(doors, 0.0)

    def live(self) -> None:
        """Send until told to stop; what has begun is ended."""
        jobs = [self._run, self._success, self._failure_with_output, self._log]
        while not self.crowd.stop.is_set():
            # As many machines as there are jobs: what is not known yet is counted by where it comes from.
            which = self.chance.randrange(len(self.tokens))
            self.source = f"10.0.{which // 250}.{which % 250}"
            self.chance.choice(jobs)(self.tokens[which])
        for connection in self.connections:
            connection.close()

    def _run(self, token: str) -> None:
        rid = str(uuid.uuid4())
        self._tell(token, "start", rid)
        if self.chance.random() < 0.5:
            # Of several only the last would be known again, should one of its tries turn up much later.
            self._tell(token, "log", rid)
        self._tell(token, "success", rid, BODY if self.chance.random() < 0.5 else b"")

    def _success(self, token: str) -> None:
        self._tell(token, "success", str(uuid.uuid4()))

    def _failure_with_output(self, token: str) -> None:
        self._tell(token, "fail", str(uuid.uuid4()), BODY)

    def _log(self, token: str) -> None:
        """Without a run id nobody could tell a second try from a second ping: it is sent once."""
        self._tell(token, "log", None)

    def _tell(self, token: str, signal: str, rid: str | None, body: bytes = b"") -> None:
        self.said += 1
        words = f"{self.number}-{self.said}-{uuid.uuid4()}"
        path = f"/ping/{token}/{signal}?{urlencode({'msg': words} | ({'rid': rid} if rid else {}))}"
        while (answer := self._ask(path, body)) != "200" and rid:
            time.sleep(AGAIN)
        if answer == "200":
            self.crowd.told.append(Told(words, self.number, self.said, rid, signal))
        time.sleep(self.chance.uniform(0, 2 * PAUSE))

    def _ask(self, path: str, body: bytes) -> str:
        connection = self.chance.choice(self.connections)
        if time.monotonic() - self.used[connection.port] > IDLE:
            connection.close()  # and opened anew
        answer = _ask(connection, path, body, self.source)
        self.used[connection.port] = time.monotonic()
        self.crowd.answers.append((self.used[connection.port], connection.port, answer))
        return answer


def _ask(connection: http.client.HTTPConnection, path: str, body: bytes = b"", source: str = "") -> str:
    """The status, or why there was none."""
    try:
        connection.request("POST" if body else "GET", path, body or None, {"X-Forwarded-For": source})
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return type(error).__name__


def ask(port: int, path: str) -> str:
    """What a single GET is answered with: the status, or the name of what went wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        return _ask(connection, path)
    finally:
        connection.close()


@contextmanager
def sending(doors: Sequence[int], tokens: Sequence[str], size: int, seed: int) -> Iterator[Crowd]:
    """`size` clients, for all monitors and at all `doors`; at the end each has been answered."""
    crowd = Crowd()
    made = [Client(crowd, number, doors, tokens, seed) for number in range(size)]
    threads = [threading.Thread(target=client.live, daemon=True) for client in made]
    for thread in threads:
        thread.start()
    try:
        yield crowd
    finally:
        crowd.stop.set()
        for thread in threads:
            thread.join(2 * PATIENCE)
