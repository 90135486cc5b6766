"""What `tokiflow up` prints: whole lines, each with the name of who said it, and steps with the time they took."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TextIO

WIDTH = 8
COLOURS = {"up": "1", "web": "36", "worker": "35", "postgres": "34", "valkey": "31"}
LONGEST_LINE = 16_384


class Console:
    """Lines from many sources on one stream, coloured only for a person at a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR")
        self._lock = threading.RLock()
        self._step_open = False
        self._closed = False
        self._pumps: list[threading.Thread] = []

    def line(self, name: str, text: str) -> None:
        """Print `text` as said by `name`."""
        with self._lock:
            self._close_step()
            self._write(f"{self._prefix(name)}{text}\n")

    def say(self, text: str) -> None:
        """Print something of our own."""
        self.line("up", text)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Print `text…` at once, and how long it took when it is done."""
        began = time.monotonic()
        with self._lock:
            self._close_step()
            self._write(f"{self._prefix('up')}{text}…")
            self._step_open = True
        try:
            yield
        except BaseException:
            with self._lock:
                self._close_step()
            raise
        took = f"{time.monotonic() - began:.1f} s"
        with self._lock:
            self._write(f" {took}\n" if self._step_open else f"{self._prefix('up')}{text}: {took}\n")
            self._step_open = False

    def follow(self, name: str, stream: IO[bytes], noise: tuple[str, ...] = ()) -> None:
        """Print the lines of `stream` as they come, but for `noise`, from a thread of its own, until it ends."""
        pump = threading.Thread(target=self._pump, args=(name, stream, noise), name=f"log-{name}", daemon=True)
        pump.start()
        self._pumps = [other for other in self._pumps if other.is_alive()] + [pump]

    def drain(self, seconds: float = 1.0) -> None:
        """Wait for the last lines of processes that have ended: they often say why."""
        until = time.monotonic() + seconds
        for pump in self._pumps:
            pump.join(max(0.0, until - time.monotonic()))

    def _pump(self, name: str, stream: IO[bytes], noise: tuple[str, ...]) -> None:
        with stream:
            while raw := stream.readline(LONGEST_LINE):
                text = raw.decode(errors="replace").rstrip()
                if text and not any(words in text for words in noise):
                    self.line(name, text)

    def _prefix(self, name: str) -> str:
        label = f"{name:<{WIDTH}} │ "
        return f"\x1b[{COLOURS.get(name, '0')}m{label}\x1b[0m" if self._coloured else label

    def _close_step(self) -> None:
        if self._step_open:
            self._write("\n")
            self._step_open = False

    def _write(self, text: str) -> None:
        if self._closed:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except UnicodeEncodeError:  # a terminal that knows only ASCII
            self._stream.write(text.encode("ascii", "replace").decode())
        except (OSError, ValueError):
            # The terminal is gone or the pipe is closed. The jobs must be watched all the same.
            self._closed = True
