"""Keep the head and the tail of a body, however long it is, in constant memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

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
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.size = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        room = self._head_room - len(self._head)
        if room > 0:
            self._head += piece[:room]
            piece = piece[room:]
        if piece:
            self._tail.append(piece)
            self._tail_size += len(piece)
            while self._tail and self._tail_size - len(self._tail[0]) >= self._tail_room:
                self._tail_size -= len(self._tail.popleft())

    def body(self) -> Body:
        """What has come so far."""
        tail = b"".join(self._tail)
        tail = tail[max(0, len(tail) - self._tail_room) :] if self._tail_room else b""
        kept = bytes(self._head) + tail
        return Body(kept, self.size, len(self._head) if self.size > len(kept) else None)


def collect(data: bytes, limit: int = LIMIT) -> Body:
    """The body that `data` is."""
    collector = Collector(limit)
    collector.add(data)
    return collector.body()
