"""Requests of Slack that came already: the same one, sent again within its five minutes, does nothing twice."""

from __future__ import annotations

import hashlib

import structlog
from redis.exceptions import RedisError

from tokiflow import queue
from tokiflow.core.slack_signature import TOLERANCE_SECONDS

log = structlog.get_logger()


def first(signature: str) -> bool:
    """Whether a request with this signature comes for the first time. While Redis is away each one does: whatever
    Slack may ask for can be done twice without harm."""
    key = f"tokiflow-slack-{hashlib.sha256(signature.encode()).hexdigest()[:40]}"
    try:
        return bool(queue.connection().set(key, 1, nx=True, ex=2 * TOLERANCE_SECONDS))
    except RedisError as error:
        log.warning("slack_replays_unknown", error=type(error).__name__)
        return True
