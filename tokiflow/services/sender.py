"""The sender of a worker process: it takes whatever is due, sends side by side and writes down what came of it.

    one thread:     look for what is due ──▶ hand out ──▶ gather results ──▶ write them down ──▶ look again …
    many threads:                              send, with no transaction open

A ring only wakes it. It looks by itself every second, too, so a Redis that is away or was wiped costs a second at most.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from queue import SimpleQueue
from uuid import UUID

import structlog
from flask import Flask
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from tokiflow.channels import Outside
from tokiflow.db import transaction
from tokiflow.services import claims, tries
from tokiflow.services.claims import Claimed
from tokiflow.services.slots import Slots
from tokiflow.services.tries import Result

log = structlog.get_logger()

LOOK_EVERY = 1.0
GATHER = 0.03
"""So long results are gathered while others are under way: each transaction then has many to write."""
TROUBLE_PAUSE = 1.0
STUCK_AFTER = 90.0
"""A try that takes longer than its limit and the lease can't be interrupted any more."""

_KEY = "tokiflow.sender"


class Sender:
    """Sends in the background. `scope()` is an app context, `clock()` what time it is."""

    def __init__(
        self, scope: Callable[[], AbstractContextManager[object]], outside: Outside, clock: Callable[[], datetime]
    ) -> None:
        self._scope, self._outside, self._clock = scope, outside, clock
        self._slots = Slots()
        self._due: SimpleQueue[Claimed] = SimpleQueue()
        self._made: SimpleQueue[tuple[Claimed, Result]] = SimpleQueue()
        self._unrecorded: list[tuple[Claimed, Result]] = []
        self._back: set[str] = set()
        self._under_way: dict[UUID, float] = {}
        self._threads = 0
        self._awake = threading.Event()
        self._stopping = False
        self._loop = threading.Thread(target=self._run, name="sender", daemon=True)

    def start(self) -> None:
        """Begin. Threads for sending are made when there is something to send."""
        self._loop.start()

    def wake(self) -> None:
        """Look now: something may be due."""
        self._awake.set()

    def stop(self, seconds: float) -> None:
        """Take nothing more, and wait up to `seconds` until what is under way is sent and written down.

        What is not is sent again by others, when its lease has run out.
        """
        self._stopping = True
        self._awake.set()
        self._loop.join(seconds)

    def stuck(self) -> bool:
        """Whether a try hangs in a way that nothing can interrupt."""
        oldest = min(self._under_way.copy().values(), default=None)
        return oldest is not None and time.monotonic() > oldest + STUCK_AFTER

    def _run(self) -> None:
        pause = 0.0
        while not (self._stopping and not self._under_way and not self._unrecorded):
            self._awake.wait(pause)
            self._gather()
            try:
                with self._scope():
                    pause = self._turn()
            except SQLAlchemyError as error:
                log.warning("sender_waits_for_database", error=type(error).__name__)
                pause = self._in_trouble()
            except Exception:
                log.exception("sender_stumbled")
                pause = self._in_trouble()

    def _in_trouble(self) -> float:
        time.sleep(TROUBLE_PAUSE)
        return 0.0

    def _gather(self) -> None:
        """Results that are there, and those that come in within a moment if more are under way."""
        self._awake.clear()
        if not self._made.empty() and self._made.qsize() < len(self._under_way):
            time.sleep(GATHER)
        while not self._made.empty():
            self._unrecorded.append(self._made.get())

    def _turn(self) -> float:
        """Write down, look, hand out; how long to wait for the next turn at most."""
        if self._unrecorded or self._back:
            self._record()
        if self._stopping:
            return LOOK_EVERY
        claimed, moved = claims.by_turns(self._slots, self._clock())
        for one in claimed:
            self._hand_out(one)
        return 0.0 if moved and self._slots.free else LOOK_EVERY

    def _record(self) -> None:
        now = self._clock()
        try:
            tries.record(self._unrecorded, now)
        except (OperationalError, InterfaceError):
            raise  # the database is away: all of them are written when it is back
        except Exception:
            log.exception("results_cannot_be_recorded", number=len(self._unrecorded))
            self._record_one_by_one(now)
        for one, result in self._unrecorded:
            self._under_way.pop(one.id, None)
            self._slots.give_back(one.organization_id, one.host)
            if result.error is not None and result.error.unreachable:
                self._slots.silent(one.host, one.organization_id, now, random.random())
            elif self._slots.answered(one.host, result.took):
                self._back.add(one.host)
        self._unrecorded = []
        if self._back:
            with transaction():
                claims.release(self._back, now)
            self._back = set()

    def _record_one_by_one(self, now: datetime) -> None:
        """One that can't be written as it is must not hold up the others: of it only success or failure is kept."""
        for one, result in self._unrecorded:
            try:
                tries.record([(one, result)], now)
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                log.exception("result_cannot_be_recorded", delivery=str(one.id))
                tries.record([(one, result.bare())], now)

    def _hand_out(self, one: Claimed) -> None:
        self._under_way[one.id] = time.monotonic()
        if self._threads < len(self._under_way):
            self._threads += 1
            threading.Thread(target=self._send, name=f"send-{self._threads}", daemon=True).start()
        self._due.put(one)

    def _send(self) -> None:
        while True:
            one = self._due.get()
            self._made.put((one, tries.make(one, self._outside)))
            self._awake.set()


def start(app: Flask, outside: Outside, clock: Callable[[], datetime]) -> Sender:
    """The sender of this process, running."""
    made = Sender(app.app_context, outside, clock)
    app.extensions[_KEY] = made
    made.start()
    return made


def of(app: Flask) -> Sender | None:
    """The sender of this process, if it has one."""
    found: Sender | None = app.extensions.get(_KEY)
    return found
