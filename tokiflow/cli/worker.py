"""`tokiflow worker`: does what is rung for in the queue, and never gives up because Redis is away.

Jobs run in this very process, one after another: a fork for each message of an alert storm would cost more than the
message. Alerts are sent beside them (services.sender); a ring for alerts only wakes it. What a fork would protect from
is done otherwise: a time limit interrupts a job that takes too long, and a worker that can't even be interrupted ends
itself, to be started again. No job is lost by that: its row is the truth, and the clock rings again.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING

import click
import structlog
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job

from tokiflow import outside
from tokiflow.cli import instance
from tokiflow.cli.clock import Clock
from tokiflow.queue import opened

if TYPE_CHECKING:
    from tokiflow.services.sender import Sender

log = structlog.get_logger()

WATCH_SECONDS = 5.0
WORKER_TTL_SECONDS = 30
MAINTENANCE_SECONDS = 60
STUCK_AFTER_SECONDS = 30.0
"""So long after its time limit a job that still runs can't be interrupted any more."""

EXIT_STUCK = 75  # EX_TEMPFAIL: start me again
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
LEAVE_SECONDS = 8.0
"""So long what is under way may take to end when the worker is told to stop; hosts kill after ten."""


@click.command()
@click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")
@click.option("--clock", "with_clock", is_flag=True, help="Have a clock in it, as a thread: for one small machine.")
def worker(data: str | None, with_clock: bool) -> None:
    """Send alerts and do other background work until told to stop."""
    from tokiflow.observability import sentry

    app = instance.app_on(data)
    sentry.configure(app.extensions["tokiflow.settings"], "worker")
    loop = Loop(app)
    with _clock_beside(loop) if with_clock else contextlib.nullcontext():
        loop.run()


@contextlib.contextmanager
def _clock_beside(loop: Loop) -> Iterator[None]:
    """A clock in a thread of this process, until `loop` stops."""
    thread = threading.Thread(target=_be_the_clock, args=(loop,), name="clock", daemon=True)
    thread.start()
    yield
    thread.join(LEAVE_SECONDS)


def _be_the_clock(loop: Loop) -> None:
    """Watch deadlines until the worker stops; a worker whose clock ends before is started again, with a new one."""
    try:
        Clock(loop.app).run(loop.stopping)
    finally:
        if not loop.stopping.is_set():
            log.error("clock_died")
            os._exit(EXIT_STUCK)


class Loop:
    """One worker after another on the same queue, until a signal says stop."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.stopping = threading.Event()
        self.limit_at: float | None = None
        """When the running job should be over, on the monotonic clock; None between jobs."""

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; the job at hand is finished first."""
        from tokiflow.services import delivery_counts, heartbeats, sender

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        beating = heartbeats.keep_beating("worker", self.app.app_context)
        stop_counting = delivery_counts.keep_saving(self.app.app_context)
        sending = sender.start(self.app, outside.of(self.app), lambda: datetime.now(UTC))
        threading.Thread(target=self._watch, args=(sending,), name="watchdog", daemon=True).start()
        log.info("worker_started")
        gc.freeze()  # as in the clock: what is loaded stays
        with contextlib.suppress(StopRequested):
            self._work_on()
        sending.stop(LEAVE_SECONDS)
        stop_counting()
        beating.set()
        log.info("worker_stopped")

    def _work_on(self) -> None:
        pause = FIRST_PAUSE
        while not self.stopping.is_set():
            began = time.monotonic()
            try:
                self._work()
            except (RedisError, OSError) as error:
                log.warning("queue_unreachable", error=type(error).__name__, retry_seconds=pause)
            pause = FIRST_PAUSE if time.monotonic() - began > LONGEST_PAUSE else min(LONGEST_PAUSE, pause * 2)
            self.stopping.wait(0 if self.stopping.is_set() else pause)

    def _work(self) -> None:
        # A connection of its own: RQ sets a long time-out on the pool it gets, for its blocking pop.
        with Redis.from_url(self.app.extensions["tokiflow.settings"].redis_url, socket_connect_timeout=2) as redis:
            queue = opened(redis)
            # An id between queue and worker that made RQ give up would make the next one give up, too. None is lost.
            redis.delete(queue.intermediate_queue_key)
            Worker(queue, self).work(logging_level="WARNING")

    def _watch(self, sending: Sender) -> None:
        """End this process when a job or a try can't be interrupted, so that its parent starts a fresh one."""
        while not self.stopping.wait(WATCH_SECONDS):
            limit = self.limit_at
            if limit is not None and time.monotonic() > limit + STUCK_AFTER_SECONDS:
                log.error("worker_stuck", seconds_over_limit=round(time.monotonic() - limit))
                os._exit(EXIT_STUCK)
            if sending.stuck():
                log.error("sender_stuck")
                os._exit(EXIT_STUCK)


class Worker(SimpleWorker):
    """RQ's worker, without what would end it or reach into the app: our loop decides when to stop."""

    def __init__(self, queue: Queue, loop: Loop) -> None:
        self.loop = loop
        super().__init__(
            [queue],
            connection=queue.connection,
            job_class=queue.job_class,
            serializer=queue.serializer,
            worker_ttl=WORKER_TTL_SECONDS,
            maintenance_interval=MAINTENANCE_SECONDS,
            log_job_description=False,
        )

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """A first signal: finish the job at hand. Later ones change nothing; who is in a hurry sends SIGKILL."""
        self.loop.stopping.set()
        self._stop_requested = True
        if self.loop.limit_at is None:
            raise StopRequested

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run one job in an app context of its own, so that it shares no session with the one before."""
        self.loop.limit_at = time.monotonic() + float(job.timeout or queue.DEFAULT_TIMEOUT)
        try:
            with self.loop.app.app_context():
                return super().perform_job(job, queue, execution)
        finally:
            self.loop.limit_at = None

    def teardown(self) -> None:
        """Take leave of Redis, if it is there to hear it."""
        with contextlib.suppress(RedisError, OSError):
            super().teardown()  # type: ignore[no-untyped-call]

    def procline(self, message: str) -> None:
        """The name of this process stays what it is: people look for it."""
