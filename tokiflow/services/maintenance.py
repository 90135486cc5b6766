"""Plan maintenance, change it, and end it early.

What a window holds back is judged again as soon as it is changed, so that nobody waits for an end that was moved.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from sqlalchemy import delete as delete_rows
from sqlalchemy import func, insert, or_, select

from tokiflow import errors
from tokiflow.core import ids, maintenance, window_draft
from tokiflow.core.actors import Actor
from tokiflow.core.window_draft import WindowDraft
from tokiflow.db import db, on_commit, transaction
from tokiflow.models import MaintenanceOccurrence, MaintenanceWindow, MaintenanceWindowMonitor, Monitor
from tokiflow.queries import maintenance as read
from tokiflow.queue import Job, enqueue
from tokiflow.services import audit, silences

log = structlog.get_logger()

MOST = 500
"""So many windows an organization may have that are not over: each is looked at whenever an incident opens."""

MOST_CALENDARS = 20
KEPT = timedelta(days=90)
"""So long a window stays that is over for good."""


def create(organization_id: UUID, values: Mapping[str, Any], by: Actor, now: datetime) -> UUID:
    """A new window from `values` (see core.window_draft); its id. Raises Invalid naming every bad field."""
    draft = window_draft.create(values, now)
    with transaction():
        _refuse_too_many(organization_id, draft, now)
        _check_monitors(organization_id, draft.monitors)
        row = MaintenanceWindow(
            id=ids.new(),
            organization_id=organization_id,
            created_at=now,
            updated_at=now,
            created_by=by.id if by.kind == "person" else None,
            **_columns(draft),
        )
        db.session.add(row)
        db.session.flush()
        _name_monitors(row.id, draft.monitors)
        if row.kind == "calendar":
            _read_calendar(row, now)
        _record("maintenance_window.created", row, by, now, after=_audited(draft))
    log.info("maintenance_planned", window=str(row.id))
    return row.id


def edit(window_id: UUID, values: Mapping[str, Any], by: Actor, now: datetime, version: int | None = None) -> None:
    """Change what `values` name. With `version`, raises Conflict if somebody else changed it since."""
    with transaction():
        row = _locked(window_id)
        if version is not None and version != row.version:
            raise errors.Conflict("Somebody else changed this window while you were editing it.")
        before = read.draft_of(row, read.monitors_of([row.id]).get(row.id, ()))
        after = window_draft.change(before, values, now)
        if after == before:
            return
        _check_monitors(row.organization_id, after.monitors)
        for name, value in _columns(after).items():
            setattr(row, name, value)
        _touch(row, now)
        if after.monitors != before.monitors:
            _name_monitors(row.id, after.monitors)
        if after.ical_url != before.ical_url:
            db.session.execute(delete_rows(MaintenanceOccurrence).where(MaintenanceOccurrence.window_id == row.id))
            row.fetched_at, row.fetch_error, row.fetch_failures, row.next_fetch_at = None, "", 0, None
        if row.kind == "calendar" and (after.ical_url, after.timezone) != (before.ical_url, before.timezone):
            _read_calendar(row, now)
        was, is_now = audit.difference(_audited(before), _audited(after))
        _record("maintenance_window.edited", row, by, now, before=was, after=is_now)
        silences.judge_again(row.organization_id, silences.MAINTENANCE, now)


def end(window_id: UUID, by: Actor, now: datetime) -> None:
    """What runs now is over. What is planned after it stays. Raises Conflict if nothing runs."""
    with transaction():
        row = _locked(window_id)
        if maintenance.covering(read.window(row, now, read.AHEAD).plan, now) is None:
            raise errors.Conflict("This maintenance does not run now; there is nothing to end.")
        if row.kind == "once":
            row.ends_at = now
        else:
            row.starts_at = now  # what began before no longer counts
        _touch(row, now)
        _record("maintenance_window.ended", row, by, now)
        silences.judge_again(row.organization_id, silences.MAINTENANCE, now)


def delete(window_id: UUID, by: Actor, now: datetime) -> None:
    """Delete the window. What it holds back is told, if it still lasts."""
    with transaction():
        row = _locked(window_id)
        _record("maintenance_window.deleted", row, by, now)
        db.session.execute(delete_rows(MaintenanceWindow).where(MaintenanceWindow.id == row.id))
        silences.judge_again(row.organization_id, silences.MAINTENANCE, now)


def read_again(window_id: UUID, now: datetime) -> None:
    """Fetch the window's calendar now, and not only when the hour is over. Raises Conflict if it has none."""
    with transaction():
        row = _locked(window_id)
        if row.kind != "calendar":
            raise errors.Conflict("This window has no calendar to be read.")
        _read_calendar(row, now)


def forget(now: datetime) -> None:
    """Drop what is long over: windows of a single time, and the past of calendars. The clock calls this."""
    over = MaintenanceWindow.kind == "once", MaintenanceWindow.ends_at < now - KEPT
    with transaction():
        db.session.execute(delete_rows(MaintenanceWindow).where(*over))
        db.session.execute(delete_rows(MaintenanceOccurrence).where(MaintenanceOccurrence.ends_at < now - KEPT))


def _read_calendar(row: MaintenanceWindow, now: datetime) -> None:
    row.next_fetch_at = now
    on_commit(partial(enqueue, Job.READ_CALENDARS))


def _locked(window_id: UUID) -> MaintenanceWindow:
    row = db.session.execute(
        select(MaintenanceWindow)
        .where(MaintenanceWindow.id == window_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if row is None:
        raise errors.NotFound("This window is gone.")
    return row


def _touch(row: MaintenanceWindow, now: datetime) -> None:
    row.version += 1
    row.updated_at = now
    db.session.flush()


def _refuse_too_many(organization_id: UUID, draft: WindowDraft, now: datetime) -> None:
    row = MaintenanceWindow
    still_on = or_(row.ends_at.is_(None), row.ends_at > now)
    calendars = func.count().filter(row.kind == "calendar")
    counted = select(func.count(), calendars).where(row.organization_id == organization_id, still_on)
    windows, with_calendar = db.session.execute(counted).one()
    if windows >= MOST:
        raise errors.Invalid({"name": [f"can’t be added: there are {MOST} windows already; delete some first"]})
    if draft.kind == "calendar" and with_calendar >= MOST_CALENDARS:
        raise errors.Invalid(
            {"kind": [f"can’t be added: there are {MOST_CALENDARS} calendars already; delete one first"]}
        )


def _check_monitors(organization_id: UUID, monitor_ids: Collection[UUID]) -> None:
    """Raises Invalid unless all are here; they then stay until the commit."""
    if not monitor_ids:
        return
    here = select(Monitor.id).where(Monitor.organization_id == organization_id, Monitor.id.in_(monitor_ids))
    held = here.order_by(Monitor.id).with_for_update(read=True, key_share=True)
    if len(db.session.scalars(held).all()) != len(monitor_ids):
        raise errors.Invalid(
            {"monitors": ["name a monitor that does not exist here; take ids from the list of monitors"]}
        )


def _name_monitors(window_id: UUID, monitor_ids: Collection[UUID]) -> None:
    named = MaintenanceWindowMonitor
    db.session.execute(delete_rows(named).where(named.window_id == window_id))
    if monitor_ids:
        rows = [{"window_id": window_id, "monitor_id": monitor_id} for monitor_id in monitor_ids]
        db.session.execute(insert(named), rows)


def _columns(draft: WindowDraft) -> dict[str, Any]:
    said = asdict(draft)
    del said["monitors"]
    return said | {"tags": list(draft.tags)}


def _audited(draft: WindowDraft) -> dict[str, Any]:
    """Of a calendar's address only the host: the rest often is its password."""
    said = {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in _columns(draft).items()
    }
    monitors = sorted(ids.public("mon", one) for one in draft.monitors)
    return said | {"ical_url": urlsplit(draft.ical_url).hostname or "", "monitors": monitors}


def _record(what: str, row: MaintenanceWindow, by: Actor, now: datetime, **details: Mapping[str, Any]) -> None:
    audit.record(what, by, row.organization_id, now, object_id=row.id, object_name=row.name, **details)
