"""`tokiflow clock`: what it rings for, and how often."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from flask import Flask
from redis import Redis
from rq import Queue
from sqlalchemy import insert

from tests.factories import make_monitor
from tests.fixtures.database import Database
from tests.fixtures.doorbell import rings
from tokiflow.cli.clock import Clock
from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db, transaction
from tokiflow.models import Offload, Organization
from tokiflow.queue import QUEUE, Job
from tokiflow.services import letters, monitors


def test_it_rings_for_what_is_to_be_moved_erased_and_dropped(
    app: Flask, organization: Organization, database: Database
) -> None:
    now = datetime.now(UTC)
    deleted = make_monitor(organization).id
    monitors.delete(deleted, TOKIFLOW, now)
    with transaction():
        db.session.execute(insert(Offload).values(monitor_id=deleted, at=now, n=1, next_attempt_at=now))
    with Redis.from_url(database.redis_url) as redis:
        redis.flushdb()
        clock = Clock(app)

        def rung(seconds: float) -> Counter[str]:
            clock.tick(now + timedelta(seconds=seconds))
            return Counter(str(job) for job, _ in rings(redis))

        hourly = {Job.KEEP_HOUSE: 1, Job.WALK_AUDIT_LOGS: 1}
        assert rung(0) == {Job.OFFLOAD: 1, Job.ERASE: 1, **hourly}
        assert rung(4) == {Job.OFFLOAD: 1, Job.ERASE: 1, **hourly}
        assert rung(5) == {Job.OFFLOAD: 2, Job.ERASE: 2, **hourly}
        assert rung(3_600)[Job.KEEP_HOUSE] == 2


def test_what_an_older_release_rang_for_is_rung_for_again(app: Flask, database: Database) -> None:
    """It wrote pickles. They are refused, unread; what they were for is in a row."""
    now = datetime.now(UTC)
    letter_id = letters.post("channel_disabled", "alice@harbour.example", "Disabled: Ops", {}, None, now)
    clock = Clock(app)
    with Redis.from_url(database.redis_url) as redis:
        redis.flushdb()
        Queue(QUEUE, connection=redis).enqueue(Job.MAIL_LETTERS, [str(letter_id)])
        assert rings(redis) == []
        assert list(redis.scan_iter("rq:job:*")) == []
        clock.tick(now + letters.RING_AGAIN)
        assert (Job.MAIL_LETTERS, [str(letter_id)]) in rings(redis)
