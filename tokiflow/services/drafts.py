"""What somebody had typed when a page asked first who they are, so that they find it again afterwards.

It lies in Redis and nowhere else, sealed, for as long as showing it may take, under a key that only the same session
and the same address lead to; and it is given out once. With Redis away it is lost, and the form is empty.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog
from flask import current_app
from redis.exceptions import RedisError

from tokiflow import queue
from tokiflow.core import sealing
from tokiflow.settings import Settings

log = structlog.get_logger()

KEPT_SECONDS = 30 * 60
"""A link by mail is good for 15 minutes, and is not asked for at once."""
LARGEST = 16_384
"""Characters: 200 addresses with names fit."""

Words = Mapping[str, Sequence[str]]
"""By the name of a field: what was typed or ticked there."""


def keep(session_id: UUID, address: str, words: Words) -> None:
    """Keep `words`, typed at `address` in this session. What is too large for a small form is not kept."""
    said = json.dumps({name: list(values) for name, values in words.items()})
    if len(said) > LARGEST:
        return
    try:
        queue.connection().set(_key(session_id, address), sealing.seal(said, _keys()), ex=KEPT_SECONDS)
    except RedisError as error:
        log.warning("draft_lost", error=type(error).__name__)


def take(session_id: UUID, address: str) -> Words | None:
    """What was kept for this session and address, once; None if there is nothing."""
    try:
        with queue.connection().pipeline(transaction=True) as together:  # GETDEL is newer than the Redis we ask for
            together.get(_key(session_id, address))
            together.delete(_key(session_id, address))
            sealed, _ = together.execute()
    except RedisError as error:
        log.warning("draft_lost", error=type(error).__name__)
        return None
    if not isinstance(sealed, bytes):
        return None
    try:
        found: Words = json.loads(sealing.unseal(sealed.decode(), _keys()))
    except ValueError:  # the installation has another key by now
        return None
    return found


def _key(session_id: UUID, address: str) -> str:
    return f"tokiflow-draft-{hashlib.sha256(f'{session_id} {address}'.encode()).hexdigest()}"


def _keys() -> tuple[str, ...]:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.secret_keys
