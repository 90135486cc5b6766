"""Group commit: what arrives together is committed together, and only then answered.

One thread takes all pings that wait, records them in one transaction, and answers them. While it waits for the disk
the next batch gathers. A batch that fails is tried one by one, so that a poisonous ping harms no other.

When the database is away, a batch goes to the spool instead and is answered when it is on this machine's disk. From
then on all that arrives goes there, so that order is kept, until the spool has been replayed. A second thread looks
whether the first has been held up for too long by a database that neither answers nor hangs up; then it takes the
batch from it and spools in its place. What the database made of it in the end is asked before it is replayed.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tokiflow.adapters.spool import SpoolFull
from tokiflow.core.names import UNKNOWN, Known, Named, Refused
from tokiflow.ping.answers import Answer, Answers
from tokiflow.ping.backlog import Backlog
from tokiflow.ping.limits import Limits
from tokiflow.services import pings
from tokiflow.services.pings import Incoming

log = structlog.get_logger()

LARGEST_BATCH = 256
LONGEST_QUEUE = 20_000
LONGEST_WAIT = 5.0
"""Seconds a batch may take in the database before it goes to the spool."""

LOOK_EVERY = 0.25
"""Seconds between two looks: whether the database is back, and whether the writer is held up."""


LINGER = 0.002
"""Seconds to wait for company when there was some just before (docs/decisions/009)."""


class Full(Exception):
    """More pings wait than can be written in time."""


class _TakenAway(Exception):
    """The batch was spooled meanwhile; what the database is about to do must not happen."""


class Promise(Protocol):
    """Where an answer goes, from the writer's thread to whoever waits for it."""

    def set_result(self, answer: Answer, /) -> object: ...


class Waiting(NamedTuple):
    """A ping and whoever waits for its answer."""

    incoming: Incoming
    promise: Promise


@dataclass(slots=True, eq=False)
class _Turn:
    """A batch while the database has it: since when, in which transaction, and whether it was taken away."""

    batch: Sequence[Waiting]
    since: float
    transaction: str | None = None
    taken: bool = False


class Writer:
    """The one writer of a process. `scope()` is an app context; its threads start with the first ping, or `start`."""

    def __init__(
        self,
        scope: Callable[[], AbstractContextManager[object]],
        answers: Answers,
        limits: Limits,
        backlog: Backlog,
    ) -> None:
        self.answers = answers
        self.limits = limits
        self._scope = scope
        self._backlog = backlog
        self._arrived: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._turn: _Turn | None = None
        self._crowded = False
        self._threads: list[threading.Thread] = []

    def submit(self, incoming: Incoming, promise: Promise) -> None:
        """Answer `promise` once the ping is on disk or refused. Raises Full."""
        if self._arrived.qsize() >= LONGEST_QUEUE:
            raise Full
        self._arrived.put(Waiting(incoming, promise))
        if not self._threads or not self._threads[0].is_alive():
            self.start()

    def start(self) -> None:
        """Begin to write. What an earlier process left in the spool is replayed without waiting for a ping."""
        with self._lock:
            if self._threads and all(thread.is_alive() for thread in self._threads):
                return
            self._threads = [
                threading.Thread(target=self._write, name="ping-writer", daemon=True),
                threading.Thread(target=self._watch, name="ping-writer-watch", daemon=True),
            ]
            for thread in self._threads:
                thread.start()

    @property
    def settled(self) -> bool:
        """Whether all that was answered is in the database: nothing waits in the spool."""
        return self._backlog.empty

    # --- the writer -----------------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Keep what arrives, and bring back what waits in the spool."""
        progress = False
        while True:
            progress = self._keep(0.001 if progress else LOOK_EVERY) and self._backlog.due() and self._replay()

    def _keep(self, patience: float) -> bool:
        """Keep a batch of what has arrived or arrives soon; False if that went wrong in a way nobody thought of."""
        try:
            batch = self._gather(patience)
            if batch and self._backlog.empty:
                self._record(batch)
            elif batch:
                self._spool(batch, None)
        except Exception:
            log.exception("ping_writer_stumbled")
            time.sleep(LOOK_EVERY)
            return False
        return True

    def _gather(self, patience: float) -> list[Waiting]:
        """What has arrived by now; waits for the first, at most `patience` seconds.

        After a batch of several it lingers: those who were just answered come back one after another, and the first of
        them must not have a commit to itself.
        """
        batch: list[Waiting] = []
        try:
            batch.append(self._arrived.get(timeout=patience))
            if self._crowded:
                time.sleep(LINGER)
            while len(batch) < LARGEST_BATCH:
                batch.append(self._arrived.get_nowait())
        except queue.Empty:
            pass
        self._crowded = len(batch) > 1
        return batch

    def _record(self, batch: Sequence[Waiting]) -> None:
        turn = self._begin(batch)
        try:
            with self._scope():
                outcomes = pings.record(
                    [one.incoming for one in batch],
                    datetime.now(UTC),
                    self.limits.rate,
                    lambda transaction: self._go_on(turn, transaction),
                )
        except Exception as error:
            if self._end(turn):
                self._failed(turn, error)
            return
        if self._end(turn):
            for one, outcome in zip(batch, outcomes, strict=True):
                one.promise.set_result(self._answer(one.incoming, outcome))

    def _begin(self, batch: Sequence[Waiting]) -> _Turn:
        turn = self._turn = _Turn(batch, time.monotonic())
        return turn

    def _go_on(self, turn: _Turn, transaction: str) -> None:
        """Called inside the transaction before it writes anything: whoever takes the batch away knows its number, or
        it never goes on."""
        with self._lock:
            if turn.taken:
                raise _TakenAway
            turn.transaction = transaction

    def _end(self, turn: _Turn) -> bool:
        """End the turn; False if its batch was taken away, and others have answered for it."""
        with self._lock:
            self._turn = None
            return not turn.taken

    def _failed(self, turn: _Turn, error: Exception) -> None:
        batch = turn.batch
        if is_away(error):
            log.warning("database_away", pings=len(batch), error=type(error).__name__)
            self._spool(batch, turn.transaction)
        elif len(batch) == 1:
            # Its name only: the words of PostgreSQL may quote what the job said.
            log.error("ping_not_recorded", error=type(error).__name__)
            batch[0].promise.set_result(self.answers.again)
        else:
            for one in batch:
                if self._backlog.empty:
                    self._record([one])
                else:
                    self._spool([one], None)

    def _answer(self, incoming: Incoming, outcome: Known | Refused) -> Answer:
        to, ping, _ = incoming
        if isinstance(outcome, Known):
            self.limits.knows(to)
        elif outcome is UNKNOWN:
            if wait := self.limits.stranger(ping.source, ping.at):
                return self.answers.limited(wait)
        elif outcome.status == 429 and outcome.retry_after and not _would_create(to):
            self.limits.refuse(to, ping.at, outcome.retry_after)
        return self.answers.of(outcome)

    # --- the spool ------------------------------------------------------------------------------------------------

    def _spool(self, batch: Sequence[Waiting], transaction: str | None) -> None:
        """Put `batch` on this machine's disk, and answer it. `transaction` may have recorded it already."""
        welcome = [one for one in batch if self._may_wait(one)]
        try:
            self._backlog.append([one.incoming for one in welcome], transaction)
            answer = self.answers.ok
        except SpoolFull as error:
            log.error("pings_not_kept", pings=len(welcome), error=str(error))
            answer = self.answers.again
        except Exception:
            log.exception("pings_not_spooled", pings=len(welcome))
            answer = self.answers.again
        for one in welcome:
            one.promise.set_result(answer)

    def _may_wait(self, one: Waiting) -> bool:
        incoming = one.incoming
        wait = self.limits.spool(incoming.to, incoming.ping.source, incoming.ping.at)
        if wait:
            one.promise.set_result(self.answers.limited(wait))
        return not wait

    def _replay(self) -> bool:
        """Bring some of what waits into the database; whether that went well."""
        turn = self._begin(())
        try:
            with self._scope():
                return self._backlog.replay_some(datetime.now(UTC))
        except Exception as error:
            if not is_away(error):
                log.error("spool_not_replayed", error=type(error).__name__)
            return False
        finally:
            self._end(turn)

    # --- the watch ------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY)
            try:
                self._take_away()
                while self._held_up() and (batch := self._gather(LOOK_EVERY)):
                    self._spool(batch, None)
            except Exception:
                log.exception("ping_watch_stumbled")

    def _take_away(self) -> None:
        """Take from the writer what the database has had for too long."""
        with self._lock:
            turn = self._turn
            if turn is None or turn.taken or time.monotonic() - turn.since < LONGEST_WAIT:
                return
            turn.taken = True
            log.warning("database_hangs", pings=len(turn.batch), seconds=LONGEST_WAIT)
            # Under the lock, so that the writer does not go on with later pings before these are in the spool.
            self._spool(turn.batch, turn.transaction)

    def _held_up(self) -> bool:
        """Whether the writer waits for the database. What goes to the spool anyway need not wait with it for long."""
        turn, patience = self._turn, LONGEST_WAIT if self._backlog.empty else LOOK_EVERY
        return turn is not None and time.monotonic() - turn.since >= patience


def _would_create(to: str | Named) -> bool:
    return isinstance(to, Named) and to.create


def is_away(error: Exception) -> bool:
    """Whether the database itself can't be reached or used: no answer of it at all, or one of the classes "connection
    exception", "insufficient resources", "operator intervention" and "system error", a lock that was not to be had in
    time, or a standby that takes no writes (PostgreSQL manual, appendix A)."""
    if isinstance(error, PoolTimeout | _TakenAway):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return False
    state = cause.sqlstate
    if state is None:
        return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return state[:2] in ("08", "53", "57", "58") or state in ("55P03", "25006")
