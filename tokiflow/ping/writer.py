"""Group commit: what arrives together is committed together, and only then answered.

One thread takes all pings that wait, records them in one transaction, and completes their futures. While it waits for
the disk the next batch gathers. A batch that fails is tried one by one, so that a poisonous ping harms no other; but
not when the database is away: no ping is to blame then, and knocking once for each would hold up all that follow.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import OperationalError

from tokiflow.core.names import Known, Refused
from tokiflow.services import pings
from tokiflow.services.pings import Incoming

log = structlog.get_logger()

LARGEST_BATCH = 256
LONGEST_QUEUE = 20_000


class Full(Exception):
    """More pings wait than can be written in time."""


class Writer:
    """The one writer of a web process. `scope()` is an app context; the thread starts with the first ping."""

    def __init__(self, scope: Callable[[], AbstractContextManager[object]]) -> None:
        self._scope = scope
        self._waiting: queue.SimpleQueue[tuple[Incoming, Future[Known | Refused]]] = queue.SimpleQueue()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, incoming: Incoming) -> Future[Known | Refused]:
        """A future that tells, once the ping is on disk, which monitor it was for, or why for none. Raises Full."""
        if self._waiting.qsize() >= LONGEST_QUEUE:
            raise Full
        future: Future[Known | Refused] = Future()
        self._waiting.put((incoming, future))
        self._ensure_running()
        return future

    def _ensure_running(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            with self._start:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="ping-writer", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while True:
            batch = self._gather()
            try:
                with self._scope():
                    _record(batch)
            except BaseException as error:
                log.exception("ping_writer_stumbled")
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)

    def _gather(self) -> list[tuple[Incoming, Future[Known | Refused]]]:
        batch = [self._waiting.get()]
        while len(batch) < LARGEST_BATCH:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch


def _record(batch: Sequence[tuple[Incoming, Future[Known | Refused]]]) -> None:
    try:
        answers = pings.record([incoming for incoming, _ in batch], datetime.now(UTC))
    except Exception as error:
        if len(batch) == 1 or _is_away(error):
            log.warning("pings_not_recorded", count=len(batch), error=type(error).__name__)
            for _, future in batch:
                future.set_exception(error)
            return
        for one in batch:
            _record([one])
        return
    for (_, future), answer in zip(batch, answers, strict=True):
        future.set_result(answer)


def _is_away(error: Exception) -> bool:
    """Whether the database itself can't be reached: no answer of it at all, or one of the classes "connection
    exception", "insufficient resources" and "operator intervention" (PostgreSQL manual, appendix A)."""
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state[:2] in ("08", "53", "57")
