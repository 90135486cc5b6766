"""`tokiflow clock`: notice what passed in silence, keep what was promised for later, and ring again for deliveries.

It sleeps until the next deadline. At most half a second, though: a deadline may be set meanwhile that is nearer
than the one it sleeps for, and asking the index for the earliest (a tenth of a millisecond) is cheaper than having
every ping's transaction send a notification, which makes commits queue (docs/decisions).
"""

from __future__ import annotations

import gc
import signal
import threading
from datetime import UTC, datetime, timedelta

import click
import structlog
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from tokiflow.cli import instance
from tokiflow.core.outage import Gap

LONGEST_SLEEP = timedelta(seconds=0.5)
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
        from tokiflow.cli._rounds import Rounds

        self.app = app
        self.well_at = datetime.now(UTC)
        # Since when the database can't be reached. Set at first: nobody knows what was before.
        self.lost_at: datetime | None = self.well_at
        self.interruption: Gap | None = None
        self.batch = 1  # how many are judged at once; overdue.next_batch says how many next
        self.rounds = Rounds()

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop`. A database that is away is waited for."""
        from tokiflow.services import blindness, follow_ups, overdue  # noqa: F401

        log.info("clock_started")
        gc.freeze()  # what is loaded stays: to look through it again and again takes a twentieth of a storm
        self._notice_lost_connections()
        while not stop.is_set():
            try:
                with self.app.app_context():
                    pause = self.tick(datetime.now(UTC))
            except SQLAlchemyError as error:
                self._lost()
                log.warning("clock_waits_for_database", error=type(error).__name__)
                pause = TROUBLE_SLEEP
            except Exception:
                log.exception("clock_stumbled")
                pause = TROUBLE_SLEEP
            stop.wait(pause)
        log.info("clock_stopped")

    def tick(self, now: datetime) -> float:
        """One pass; how many seconds to sleep after it."""
        from tokiflow.services import blindness, follow_ups, overdue

        self.rounds.make(now)
        sees = blindness.look(now, self.interruption)
        if self.lost_at is not None:
            # The database answers again: look anew, and wait for everybody who was there when it was lost.
            self.interruption, self.lost_at = Gap(self.lost_at, datetime.now(UTC)), None
            return 0.0
        self.well_at = now
        if not sees:
            return LONGEST_SLEEP.total_seconds()
        fired = follow_ups.fire(now)
        swept = overdue.sweep(now, self.batch)
        if swept:
            log.info("swept", monitors=swept)
        more = swept == self.batch or fired == follow_ups.BATCH
        self.batch = overdue.next_batch(self.batch, swept)
        if more:
            return 0.0
        following = overdue.next_at()
        if following is None:
            return LONGEST_SLEEP.total_seconds()
        wait = min(max(following - datetime.now(UTC), timedelta(0)), LONGEST_SLEEP)
        # A row that another clock holds stays due; don't spin on it.
        return max(wait.total_seconds(), 0.005)

    def _notice_lost_connections(self) -> None:
        """The pool replaces a broken connection without a word, and a database that was away for a second has still
        been away: pings may wait on some disk."""
        from tokiflow.db import db

        with self.app.app_context():
            event.listen(db.engine, "invalidate", lambda *_: self._lost())

    def _lost(self) -> None:
        self.lost_at = self.lost_at or self.well_at
