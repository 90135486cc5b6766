"""How often API keys are used: counted in the process, and written together with whatever else has gathered.

A key's first call in a minute writes what this process has counted; the others only count. `keep_writing` writes what
is left, every minute and at the end of the process. A process that is killed loses the calls of at most one minute
from the figures, and nothing else: no call is refused or answered differently because of it.
"""

from __future__ import annotations

import atexit
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, select, text
from sqlalchemy.exc import SQLAlchemyError

from tokiflow.db import db, transaction
from tokiflow.models import ApiKey, ApiKeyUse

log = structlog.get_logger()

WRITTEN_EVERY = timedelta(minutes=1)
KEPT = timedelta(days=90)
"""So long the number of calls of a day stays in the table."""


@dataclass
class _Tally:
    """Calls that are not written yet: how many by key and day, and the last of each key."""

    calls: Counter[tuple[UUID, datetime]] = field(default_factory=Counter)
    last: dict[UUID, datetime] = field(default_factory=dict)

    def add(self, key_id: UUID, day: datetime, count: int, at: datetime) -> None:
        self.calls[key_id, day] += count
        self.last[key_id] = max(at, self.last.get(key_id, at))


_lock = threading.Lock()
_tally = _Tally()


def note(key: ApiKey, now: datetime) -> None:
    """Count one call with `key`. Writes only once in WRITTEN_EVERY for each key, so it may be called on every one."""
    with _lock:
        _tally.add(key.id, _day(now), 1, now)
    if key.last_used_at is None or key.last_used_at <= now - WRITTEN_EVERY:
        write()


def write() -> int:
    """Write what this process has counted; how many calls. They are counted on if the database does not take them."""
    taken = _take()
    if not taken.calls:
        return 0
    try:
        with transaction():
            _write(taken)
    except BaseException:
        _put_back(taken)
        raise
    return taken.calls.total()


def keep_writing(scope: Callable[[], AbstractContextManager[object]]) -> threading.Event:
    """Write once in WRITTEN_EVERY from a daemon thread, inside `scope()` (an app context), and at the end of the
    process. Set the event to stop."""
    stop = threading.Event()

    def once() -> None:
        try:
            with scope():
                write()
        except SQLAlchemyError as error:
            log.warning("api_key_uses_wait", error=type(error).__name__)

    def loop() -> None:
        while not stop.wait(WRITTEN_EVERY.total_seconds()):
            once()

    threading.Thread(target=loop, name="api-key-uses", daemon=True).start()
    atexit.register(once)
    return stop


def forget(now: datetime) -> None:
    """Drop the counts of days that nobody asks for any more."""
    with transaction():
        db.session.execute(delete(ApiKeyUse).where(ApiKeyUse.day < now - KEPT))


def _take() -> _Tally:
    global _tally
    with _lock:
        taken, _tally = _tally, _Tally()
    return taken


def _put_back(taken: _Tally) -> None:
    with _lock:
        for (key_id, day), count in taken.calls.items():
            _tally.add(key_id, day, count, taken.last[key_id])


def _day(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


_COUNT = text(
    """
    insert into api_key_uses (api_key_id, day, count)
    select * from unnest(cast(:keys as uuid[]), cast(:days as timestamptz[]), cast(:counts as int[]))
    on conflict (api_key_id, day) do update set count = api_key_uses.count + excluded.count
    """
)
_LAST = text(
    """
    update api_keys set last_used_at = greatest(api_keys.last_used_at, used.at)
    from unnest(cast(:keys as uuid[]), cast(:at as timestamptz[])) as used (id, at)
    where api_keys.id = used.id
    """
)


def _write(taken: _Tally) -> None:
    """Two statements for all keys, after a lock on them in the order of their ids: those that are gone are left out."""
    there = select(ApiKey.id).where(ApiKey.id.in_(taken.last)).order_by(ApiKey.id).with_for_update(key_share=True)
    keys = list(db.session.execute(there).scalars())
    known = set(keys)
    rows = sorted((key_id, day, count) for (key_id, day), count in taken.calls.items() if key_id in known)
    db.session.execute(
        _COUNT, {"keys": [row[0] for row in rows], "days": [row[1] for row in rows], "counts": [row[2] for row in rows]}
    )
    db.session.execute(_LAST, {"keys": keys, "at": [taken.last[one] for one in keys]})
