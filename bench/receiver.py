"""A receiver of webhooks in a process of its own, so fast that it is never what is measured.

    python -m bench.receiver PORT DELAY_MS

It answers 200 after the delay and prints, for each request, when it came (Unix seconds), its path and its delivery.
It speaks only as much HTTP as our own client does.
"""

from __future__ import annotations

import asyncio
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Door(asyncio.Protocol):
    """One connection."""

    delay = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._read = transport, b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (head_end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:head_end]
            end = head_end + 4 + int(_value(head, b"content-length") or 0)
            if len(self._read) < end:
                return
            self._read = self._read[end:]
            path = head.split(b" ", 2)[1]
            sys.stdout.write(f"{time.time():.6f} {path.decode()} {_value(head, b'tokiflow-delivery').decode()}\n")
            if self.delay:
                asyncio.get_running_loop().call_later(self.delay, self._transport.write, ANSWER)
            else:
                self._transport.write(ANSWER)


def _value(head: bytes, name: bytes) -> bytes:
    start = head.lower().find(b"\r\n" + name + b":")
    return head[start + len(name) + 3 :].split(b"\r\n", 1)[0].strip() if start >= 0 else b""


async def serve(port: int, delay: float) -> None:
    """Receive for ever; what came is on its way to the reader four times a second."""
    Door.delay = delay
    await asyncio.get_running_loop().create_server(Door, "127.0.0.1", port, backlog=1024)
    while True:
        await asyncio.sleep(0.25)
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))
