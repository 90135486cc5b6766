"""What waits in spool files: our own, and those that processes left that are gone."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime

import structlog

from tokiflow.adapters.spool import Line, SpoolFile, SpoolFolder, SpoolFull
from tokiflow.services import spools
from tokiflow.services.pings import Incoming

log = structlog.get_logger()

LOOK_FOR_ORPHANS_EVERY = 5.0
"""Seconds."""

LARGEST_LINE = 4 * 1024**2
"""Bytes of output in one line of the spool, about."""

MOST_AT_ONCE = 1_000
"""Pings that are replayed in one transaction, about."""


class Backlog:
    """The spool of one process. Several threads may append; one replays."""

    def __init__(self, folder: SpoolFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._files: deque[SpoolFile] = deque()
        self._own: SpoolFile | None = None
        self._replayed: dict[SpoolFile, int] = {}
        self._looked = -LOOK_FOR_ORPHANS_EVERY

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._files

    def append(self, batch: Sequence[Incoming], transaction: str | None) -> None:
        """Returns when `batch` is on disk. Raises SpoolFull."""
        with self._lock:
            for part in _parts(batch):
                self._append(spools.pack(part, transaction))

    def _append(self, content: bytes) -> None:
        if self._own is None:
            self._own = self._folder.new()
            self._files.append(self._own)
            log.warning("spooling")
        try:
            self._own.append(content)
        except SpoolFull:
            if not self._own.whole:
                self._own = None
            raise

    def due(self) -> bool:
        """Whether there is something to replay, or it is time to see whether there is."""
        return not self.empty or time.monotonic() - self._looked >= LOOK_FOR_ORPHANS_EVERY

    def replay_some(self, now: datetime) -> bool:
        """Bring some of the oldest that waits into the database; whether that was done. Raises what the database does;
        then it still waits."""
        self._adopt()
        if not self._files:
            return False
        file = self._files[0]
        if file not in self._replayed:
            self._replayed[file] = spools.replayed(file.id)
        start = self._replayed[file]
        found = _next_lines(file, start, now)
        if found is None:
            return False
        batch, end = found
        if end > start:
            spools.replay(file.id, batch, end, now)
            self._replayed[file] = end
        # At once, and not next time: under steady load there would be something more by then, each time.
        if end == start or end >= file.size:
            self._finish(file, now)
        return True

    def _finish(self, file: SpoolFile, now: datetime) -> None:
        with self._lock:
            if file is self._own:
                if file.size > self._replayed[file]:
                    return  # it has just grown
                self._own = None
            file.remove()
            self._files.popleft()
            del self._replayed[file]
        spools.forget(file.id, now)
        log.info("spool_replayed", spool=str(file.id))

    def _adopt(self) -> None:
        """Take over what processes left that are gone; before our own, for it is older."""
        if time.monotonic() - self._looked < LOOK_FOR_ORPHANS_EVERY:
            return
        self._looked = time.monotonic()
        with self._lock:
            for file in reversed(list(self._folder.orphans())):
                log.warning("spool_adopted", spool=str(file.id), bytes=file.size)
                self._files.appendleft(file)


def _next_lines(file: SpoolFile, start: int, now: datetime) -> tuple[list[Incoming], int] | None:
    """The pings from byte `start` on that are not in the database, and where they end; None while that can't be told.

    Those of many lines together: with one line at a time, under steady load as much would come in as goes out.
    """
    batch: list[Incoming] = []
    end = start
    while len(batch) < MOST_AT_ONCE and end - start < LARGEST_LINE and (line := file.read(end)):
        said, transaction = _unpacked(file, line)
        done = spools.committed(transaction, said, now) if transaction else False
        if done is None:
            return (batch, end) if end > start else None
        batch += [] if done else said
        end = line.end
    return batch, end


def _unpacked(file: SpoolFile, line: Line) -> tuple[Sequence[Incoming], str | None]:
    """What was packed into `line`. If it can't be read, it is put aside: it was answered, and a person may have its
    key."""
    try:
        if line.content is not None:
            return spools.unpack(line.content)
    except Exception as error:  # whatever may be wrong with what another version wrote
        log.error("spool_line_not_understood", spool=str(file.id), error=type(error).__name__)
    log.error("spool_line_put_aside", spool=str(file.id), bytes=len(line.raw), file=str(file.put_aside(line)))
    return [], None


def _parts(batch: Sequence[Incoming]) -> Iterator[Sequence[Incoming]]:
    """`batch` in lines of a bearable size."""
    part: list[Incoming] = []
    size = 0
    for incoming in batch:
        part.append(incoming)
        size += len(incoming.ping.body)
        if size > LARGEST_LINE:
            yield part
            part, size = [], 0
    if part:
        yield part
