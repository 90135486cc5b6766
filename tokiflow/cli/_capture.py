"""What a command printed, in bounded memory: how it began and how it ended."""

from __future__ import annotations

import threading


class Capture:
    """Keeps the first and the last half of `limit` bytes, whatever passes in between. Safe from many threads."""

    def __init__(self, limit: int) -> None:
        self._head_room = limit // 2
        self._tail_room = limit - limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._seen = 0
        self._lock = threading.Lock()

    def add(self, data: bytes) -> None:
        """Take the next bytes of the output."""
        with self._lock:
            self._seen += len(data)
            room = self._head_room - len(self._head)
            self._head += data[:room]
            self._tail += data[room:]
            del self._tail[: max(0, len(self._tail) - self._tail_room)]

    def body(self) -> bytes:
        """The output; where bytes had to go, a line says how many. Longer than the limit only if that line is."""
        with self._lock:
            if self._seen <= len(self._head) + len(self._tail):
                return bytes(self._head + self._tail)
            # The number in the line depends on what is cut for the line: sized for the largest it can say.
            room = max(0, self._tail_room - len(_marker(self._seen)))
            tail = self._tail[len(self._tail) - room :]
            return bytes(self._head) + _marker(self._seen - len(self._head) - len(tail)) + bytes(tail)


def _marker(missing: int) -> bytes:
    return f"\n[... {missing} bytes left out by tokiflow run ...]\n".encode()
