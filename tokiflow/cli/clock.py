"""`tokiflow clock`: notice what passed in silence, and ring again for what was promised.

It sleeps until the next deadline. At most half a second, though: a deadline may be set meanwhile that is nearer
than the one it sleeps for, and asking the index for the earliest (a tenth of a millisecond) is cheaper than having
every ping's transaction send a notification, which makes commits queue (docs/decisions).
"""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime, timedelta

import click
import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from tokiflow.cli import instance

LONGEST_SLEEP = timedelta(seconds=0.5)
RING_EVERY = timedelta(seconds=1)
CARRY_EVERY = timedelta(seconds=5)
KEEP_HOUSE_EVERY = timedelta(hours=1)
FORGET_EVERY = timedelta(minutes=10)
TROUBLE_SLEEP = 1.0

log = structlog.get_logger()


@click.command()
@click.option("--data", metavar="DIR", help="Data folder of a running `tokiflow up`.")
def clock(data: str | None) -> None:
    """Watch deadlines and ring for alerts. Any number may run."""
    from tokiflow.observability import sentry

    app = instance.app_on(data)
    sentry.configure(app.extensions["tokiflow.settings"], "clock")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Clock(app).run(stop)


class Clock:
    """The loop of one clock."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.rang = self.carried = self.forgot = self.kept_house = datetime.min.replace(tzinfo=UTC)

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop`. A database that is away is waited for."""
        log.info("clock_started")
        while not stop.is_set():
            try:
                with self.app.app_context():
                    pause = self.tick(datetime.now(UTC))
            except SQLAlchemyError as error:
                log.warning("clock_waits_for_database", error=type(error).__name__)
                pause = TROUBLE_SLEEP
            except Exception:
                log.exception("clock_stumbled")
                pause = TROUBLE_SLEEP
            stop.wait(pause)
        log.info("clock_stopped")

    def tick(self, now: datetime) -> float:
        """One pass; how many seconds to sleep after it."""
        from tokiflow.services import blindness, overdue

        self._ring(now)
        if not blindness.look(now):
            return LONGEST_SLEEP.total_seconds()
        swept = overdue.sweep(now)
        if swept:
            log.info("swept", monitors=swept)
        if swept == overdue.BATCH:
            return 0.0
        following = overdue.next_at()
        if following is None:
            return LONGEST_SLEEP.total_seconds()
        wait = min(max(following - datetime.now(UTC), timedelta(0)), LONGEST_SLEEP)
        # A row that another clock holds stays due; don't spin on it.
        return max(wait.total_seconds(), 0.005)

    def _ring(self, now: datetime) -> None:
        from tokiflow.services import deliveries, erasures, heartbeats, outputs, retention, sign_in

        if now - self.rang >= RING_EVERY:
            self.rang = now
            deliveries.ring(now)
            sign_in.ring(now)
        if now - self.carried >= CARRY_EVERY:
            self.carried = now
            outputs.ring(now)
            erasures.ring(now)
        if now - self.forgot >= FORGET_EVERY:
            self.forgot = now
            heartbeats.forget(now)
            sign_in.forget(now)
        if now - self.kept_house >= KEEP_HOUSE_EVERY:
            self.kept_house = now
            retention.ring()
