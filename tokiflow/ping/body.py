"""Keep the head and the tail of a body, however long it is, in constant memory and without the secrets in it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tokiflow.core import redaction

LIMIT = 32 * 1024
"""Bytes kept of one body, half of them from its end."""

MOST_READ = 100 * 1024 * 1024
"""Bytes taken in at most. Whoever sends more is cut off there; the ping is kept all the same."""


@dataclass(frozen=True)
class Body:
    """What was kept, how many bytes came, and the offset in `kept` where some were left out (None if none were)."""

    kept: bytes
    size: int
    cut: int | None


NONE = Body(b"", 0, None)


class Collector:
    """Takes a body piece by piece."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._head_room = limit - limit // 2
        self._tail_room = limit // 2
        # More than is kept, so that a secret at the cut is seen whole.
        self._most_head = self._head_room + redaction.MARGIN
        self._most_tail = self._tail_room + redaction.MARGIN
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.size = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        room = self._most_head - len(self._head)
        if room > 0:
            self._head += piece[:room]
            piece = piece[room:]
        if piece:
            self._tail.append(piece)
            self._tail_size += len(piece)
            while self._tail_size - len(self._tail[0]) >= self._most_tail:
                self._tail_size -= len(self._tail.popleft())

    def body(self) -> Body:
        """What has come so far, without the secrets that everybody knows.

        Those of an organization's own patterns are still in it: see `redaction.redact_kept`.
        """
        head, tail = bytes(self._head), b"".join(self._tail)[-self._most_tail :]
        if len(head) + len(tail) == self.size:
            kept, cut = redaction.keep_whole(head + tail, self._head_room, self._tail_room)
        else:
            kept, cut = redaction.keep_ends(head, tail, self._head_room, self._tail_room)
        return Body(kept, self.size, cut)


def collect(data: bytes, limit: int = LIMIT) -> Body:
    """The body that `data` is."""
    collector = Collector(limit)
    collector.add(data)
    return collector.body()
