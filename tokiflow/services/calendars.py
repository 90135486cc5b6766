"""The calendars of maintenance windows: read again about every hour, so that what people change there counts.

The row is the truth and Redis only the doorbell: whoever holds the lease of a window fetches its calendar, with no
transaction open. What can't be fetched leaves the stretches that are known as they are.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, delete, insert, or_, select, update

from tokiflow.adapters import calendars
from tokiflow.core.calendars import NoCalendar, Reading
from tokiflow.db import changed, db, transaction
from tokiflow.models import MaintenanceOccurrence, MaintenanceWindow
from tokiflow.queue import Job, enqueue
from tokiflow.services import silences

if TYPE_CHECKING:
    from tokiflow.adapters.http import Client

log = structlog.get_logger()

AHEAD = timedelta(days=60)
BEHIND = timedelta(days=1)
"""Of what is over so much is read again; what is older stays as it was."""

EVERY = timedelta(hours=1)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(hours=6)
LEASE = timedelta(minutes=3)
BATCH = 4
"""So many are read side by side, and then the worker turns to what else is rung for: it has alerts to send."""


@dataclass(frozen=True)
class Claimed:
    """A calendar that is ours to read for the length of a lease."""

    id: UUID
    organization_id: UUID
    url: str
    timezone: str
    failures: int


@dataclass(frozen=True)
class Outcome:
    """What came of one: what was read, or why it was not."""

    claimed: Claimed
    reading: Reading | None
    error: str


def ring(now: datetime) -> bool:
    """Ring if calendars wait that nobody reads. The clock calls this."""
    with transaction():
        waiting = db.session.execute(select(select(MaintenanceWindow.id).where(_due(now)).exists())).scalar_one()
    return waiting and enqueue(Job.READ_CALENDARS)


def read_due(client: Client, now: datetime) -> int:
    """Read a batch of the calendars that are due; how many. Rings for the next batch by itself. Safe to call twice."""
    claimed = _claim(now)
    if not claimed:
        return 0
    with ThreadPoolExecutor(max_workers=BATCH) as pool:
        outcomes = list(pool.map(partial(_read, client, now), claimed))
    for outcome in outcomes:
        _record(outcome, now)
    if len(claimed) == BATCH:
        enqueue(Job.READ_CALENDARS)
    return len(claimed)


def _due(now: datetime) -> ColumnElement[bool]:
    free = or_(MaintenanceWindow.lease_until.is_(None), MaintenanceWindow.lease_until <= now)
    return (MaintenanceWindow.next_fetch_at <= now) & free


def _claim(now: datetime) -> Sequence[Claimed]:
    row = MaintenanceWindow
    # A CTE, which is carried out once: a subquery may be for each row it is compared with, and take more than BATCH.
    due = select(row.id).where(_due(now)).order_by(row.next_fetch_at).limit(BATCH)
    ours = due.with_for_update(skip_locked=True).cte("due")
    with transaction():
        taken = db.session.execute(
            update(row)
            .where(row.id.in_(select(ours)))
            .values(lease_until=now + LEASE)
            .returning(row.id, row.organization_id, row.ical_url, row.timezone, row.fetch_failures)
            .execution_options(synchronize_session=False)
        )
        return [Claimed(*one) for one in taken]


def _read(client: Client, now: datetime, one: Claimed) -> Outcome:
    """In a thread: no database here."""
    try:
        text = calendars.fetch(client, one.url)
        return Outcome(one, calendars.read(text, now - BEHIND, now + AHEAD, one.timezone), "")
    except NoCalendar as refused:
        return Outcome(one, None, f"The calendar {refused}")


def _record(outcome: Outcome, now: datetime) -> None:
    one, reading = outcome.claimed, outcome.reading
    same = (
        MaintenanceWindow.id == one.id,
        MaintenanceWindow.ical_url == one.url,
        MaintenanceWindow.timezone == one.timezone,
    )
    values = _well(reading, now) if reading else _failed(one, outcome.error, now)
    with transaction():
        # Another address meanwhile: what is known of the old one is worth nothing, and the new one is due already.
        if not changed(update(MaintenanceWindow).where(*same).values(lease_until=None, **values)):
            changed(update(MaintenanceWindow).where(MaintenanceWindow.id == one.id).values(lease_until=None))
        elif reading:
            _replace(one, reading, now)
    log.info("calendar_read", window=str(one.id), spans=len(reading.spans) if reading else None, error=outcome.error)


def _well(reading: Reading, now: datetime) -> dict[str, object]:
    # Not all at the full hour, and not all of one night's deployment at once.
    next_at = now + EVERY * random.uniform(0.9, 1.1)
    return {"fetched_at": now, "fetch_error": reading.note, "fetch_failures": 0, "next_fetch_at": next_at}


def _failed(one: Claimed, error: str, now: datetime) -> dict[str, object]:
    pause = min(FIRST_PAUSE * 2 ** min(one.failures, 10), LONGEST_PAUSE)
    return {
        "fetch_error": error,
        "fetch_failures": one.failures + 1,
        "next_fetch_at": now + pause * random.uniform(0.9, 1.1),
    }


def _replace(one: Claimed, reading: Reading, now: datetime) -> None:
    """Put what was read in the place of what was known, but for what is long over."""
    row = MaintenanceOccurrence
    known = select(row.starts_at, row.ends_at, row.summary).where(row.window_id == one.id, row.ends_at > now - BEHIND)
    before = {tuple(span) for span in db.session.execute(known)}
    after = {(span.starts_at, span.ends_at, span.words) for span in reading.spans}
    if before == after:
        return
    db.session.execute(delete(row).where(row.window_id == one.id, row.ends_at > now - BEHIND))
    if after:
        names = ("window_id", "starts_at", "ends_at", "summary")
        db.session.execute(insert(row), [dict(zip(names, (one.id, *span), strict=True)) for span in after])
    silences.judge_again(one.organization_id, silences.MAINTENANCE, now)
