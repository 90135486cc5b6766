"""What is left of an organization whose time is over goes, a little at a time; its own row goes last.

First nobody can get in any more, neither people nor programs nor jobs. Then the rows go, in the order in which they
refer to each other, some thousand in a transaction; then its monitors, each of which leaves the promise to erase its
pings, runs and outputs (services.erasures); then the files in the store. A new table with an `organization_id` needs
nothing here. Copies that members took of their own data tell of it too, and are taken back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import Enum
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Table, and_, delete, or_, select, text, update

from tokiflow import errors
from tokiflow.db import Base, changed, db, transaction
from tokiflow.models import (
    ApiKey,
    AuditEvent,
    Export,
    Invitation,
    Membership,
    Monitor,
    Organization,
    SlackInstallation,
)
from tokiflow.services import erasures, exports, sessions

log = structlog.get_logger()

ROWS = 2_000
MONITORS = 100

_WAYS_IN = (Membership, Invitation, ApiKey, SlackInstallation)
_APART = {"monitors", "exports", "audit_chains"}
"""Tables that go in steps of their own, or with the organization's row."""


class Outcome(Enum):
    """How far it is: nothing is left · there is more · something has to be waited for · somebody keeps it after all."""

    GONE = 1
    MORE = 2
    LATER = 3
    KEPT = 4


def erase(organization_id: UUID, now: datetime, until: float) -> Outcome:
    """Erase until the monotonic clock shows `until`."""
    if not _close(organization_id, now):
        return Outcome.KEPT
    try:
        for step in _steps(organization_id, now):
            while step():
                if time.monotonic() > until:
                    return Outcome.MORE
        if exports.being_made(or_(Export.organization_id == organization_id, _taken_back(now)), now):
            return Outcome.LATER
    except errors.StorageError as error:
        log.warning("organization_erasure_waits", organization=str(organization_id), error=error.message)
        return Outcome.LATER
    with transaction():
        # What came in the meantime goes with it.
        db.session.execute(delete(Organization).where(Organization.id == organization_id))
    log.info("organization_erased", organization=str(organization_id))
    return Outcome.GONE


def _steps(organization_id: UUID, now: datetime) -> Iterator[Callable[[], int]]:
    """Each erases some, and says how much it was: to be called until that is nothing."""
    for table in reversed(Base.metadata.sorted_tables):
        if "organization_id" in table.columns and table.name not in _APART:
            yield partial(_some_rows, table, organization_id)
    yield partial(_some_monitors, organization_id, now)
    yield partial(exports.erase, Export.organization_id == organization_id, now)
    yield partial(exports.erase, _taken_back(now), now)


def _close(organization_id: UUID, now: datetime) -> bool:
    """Take away every way in, if it still is to go, and sign out who was in. From here on there is no way back."""
    with transaction():
        row = db.session.get(Organization, organization_id, with_for_update={"key_share": True}, populate_existing=True)
        if row is None or row.erase_at is None or row.erase_at > now:
            return False
        row.ping_key = None
        _take_back_copies(organization_id, now)
        sessions.end_all_of(select(Membership.user_id).where(Membership.organization_id == organization_id), now)
        for model in _WAYS_IN:
            db.session.execute(delete(model).where(model.organization_id == organization_id))
    return True


def _take_back_copies(organization_id: UUID, now: datetime) -> None:
    """Files with the data of one person say where they were and what they did there. They may ask for another one."""
    were_here = or_(
        Export.user_id.in_(select(Membership.user_id).where(Membership.organization_id == organization_id)),
        Export.user_id.in_(select(AuditEvent.by_id).where(AuditEvent.organization_id == organization_id)),
    )
    begun = or_(Export.status == "done", Export.lease_until.is_not(None))
    changed(update(Export).where(Export.kind == "person", begun, were_here).values(status="dead", expires_at=now))


def _taken_back(now: datetime) -> ColumnElement[bool]:
    """Copies that any organization took back. One that failed by itself has no time when it is over."""
    return and_(Export.kind == "person", Export.status == "dead", Export.expires_at <= now)


def _some_rows(table: Table, organization_id: UUID) -> int:
    some = f"select ctid from {table.name} where organization_id = :organization_id limit {ROWS}"
    with transaction():
        return changed(
            text(f"delete from {table.name} where ctid = any(array({some}))"), {"organization_id": organization_id}
        )


def _some_monitors(organization_id: UUID, now: datetime) -> int:
    mine = select(Monitor.id).where(Monitor.organization_id == organization_id).order_by(Monitor.id)
    with transaction():
        found = db.session.execute(mine.limit(MONITORS).with_for_update()).scalars().all()
        db.session.execute(delete(Monitor).where(Monitor.id.in_(found)).execution_options(synchronize_session=False))
        erasures.promise(found, now)
    return len(found)
