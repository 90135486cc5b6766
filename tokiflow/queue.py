"""The one table of background jobs, and how to ring for one.

Jobs are named by dotted path, so that nothing in here imports `jobs`. The database row is always the truth:
a job that is never rung, rung twice or lost with Redis does no harm, because the clock rings again.

Nor is Redis trusted. A ring is JSON, the name of a job in the table and ids; anything else that lies in the queue is
refused, unread and never imported: whoever can write there can ring, and do nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

import rq.job
import structlog
from flask import current_app
from redis import Redis
from redis.exceptions import RedisError, TimeoutError
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.serializers import JSONSerializer

from tokiflow.settings import Settings

log = structlog.get_logger()

QUEUE = "tokiflow"
"""One queue: with several, RQ pops with BLPOP, and a job popped by a dying worker is gone."""


LEFT_ALONE_SECONDS = 5.0
"""So long nobody rings after Redis took a connection and did not answer in time."""


class Job(StrEnum):
    """Every background job there is."""

    DELIVER = "jobs.alerts.deliver"
    ERASE = "jobs.erasures.erase"
    ERASE_ORGANIZATIONS = "jobs.organizations.erase_due"
    ERASE_PEOPLE = "jobs.people.erase_due"
    EXPORT = "jobs.exports.make"
    KEEP_HOUSE = "jobs.retention.keep_house"
    MAIL_LETTERS = "jobs.letters.mail"
    MAIL_SIGN_IN_LINK = "jobs.sign_in.mail"
    OFFLOAD = "jobs.outputs.offload"
    READ_CALENDARS = "jobs.calendars.read_due"
    WALK_AUDIT_LOGS = "jobs.audit.walk"


class Ring(rq.job.Job):
    """One ring as it lies in Redis. What is not one of ours doesn't exist: it is deleted, and RQ passes over it."""

    READ = frozenset(
        b"data created_at enqueued_at started_at ended_at last_heartbeat origin description status timeout"
        b" result_ttl failure_ttl worker_name".split()
    )
    """All that we ever write. Callbacks, webhooks, dependencies and repeats would be for RQ to follow."""

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Read it; NoSuchJobError, and logged, if it is not the name of a job in the table and a list of ids."""
        try:
            super().restore({name: value for name, value in raw_data.items() if name in self.READ})
            _expect_ring(self.serializer.loads(self.data))
        except Exception as error:  # strangers wrote it: nothing that is wrong with it may stop the worker
            self.connection.delete(self.key)
            log.warning("ring_refused", ring=self.id, error=type(error).__name__)
            raise NoSuchJobError(f"not a ring: {self.key}") from error


def _expect_ring(read: Any) -> None:
    """ValueError or TypeError if `read` is not what `enqueue` has RQ write: name, no object, a list of ids, no more."""
    name, instance, (ids,), named = read
    Job(name)
    if instance is not None or named or not isinstance(ids, list):
        raise ValueError("more than ids")
    for one in ids:
        UUID(one)


def opened(redis: Redis) -> Queue:
    """The queue in `redis`, which reads and writes rings only."""
    return Queue(QUEUE, connection=redis, job_class=Ring, serializer=JSONSerializer)


@lru_cache(maxsize=8)
def connect(url: str) -> Redis:
    """A connection pool to Redis at `url`, with time-outs so that an absent Redis never hangs a request."""
    return Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2, health_check_interval=30)


def connection() -> Redis:
    """The Redis of the current app."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return connect(settings.redis_url)


def enqueue(job: Job, ids: Sequence[UUID] = ()) -> bool:
    """Ring for `job` with `ids`; some jobs need none and find what is to be done by themselves.

    False, and logged, if Redis can't be reached: the clock will ring again.
    Whoever rings may be a ping that waits for its answer, so a Redis that hangs is left alone for a while.
    """
    redis_url = current_app.extensions["tokiflow.settings"].redis_url
    if time.monotonic() < _hangs_until.get(redis_url, 0.0):
        return False
    try:
        opened(connection()).enqueue(
            str(job), [str(one) for one in ids], result_ttl=0, failure_ttl=3600, job_timeout=300
        )
    except RedisError as error:
        if isinstance(error, TimeoutError):
            _hangs_until[redis_url] = time.monotonic() + LEFT_ALONE_SECONDS
        log.warning("doorbell_unreachable", job=str(job), error=type(error).__name__)
        return False
    return True


_hangs_until: dict[str, float] = {}
