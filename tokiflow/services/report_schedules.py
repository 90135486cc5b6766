"""Reports by mail: the month that is over, on the first of the next at seven, where the reader lives.

The row says whose turn it is when. What is mailed is promised as a letter in the very transaction that moves the row on
to the next month, so whoever is killed meanwhile has either done both or nothing: every month once, and none twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import structlog
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from tokiflow import errors
from tokiflow.core import durations, ids, links, shares, stretches
from tokiflow.core.actors import Actor
from tokiflow.core.reports import Line, Report
from tokiflow.db import changed, db, transaction
from tokiflow.models import Letter, Membership, Organization, ReportSchedule, User
from tokiflow.queries import reports as queries
from tokiflow.queue import Job, enqueue
from tokiflow.services import audit, letters

log = structlog.get_logger()

TEMPLATE = "report"
MOST = 20
"""So many reports of one organization a person may have."""
LISTED = 15
"""So many monitors a mail tells of; the others are on the page."""
RING_AT_MOST = 200
RING_FOR = 20


def subscribe(organization_id: UUID, tag: str, by: Actor, now: datetime) -> None:
    """Send `by` the report of all monitors, or of those with `tag`, every month. Twice is no harm.

    Raises NotFound for somebody who is no member, Conflict where they have MOST already.
    """
    assert by.id is not None
    with transaction():
        user = db.session.get_one(User, by.id, with_for_update={"key_share": True}, populate_existing=True)
        if db.session.get(Membership, {"organization_id": organization_id, "user_id": by.id}) is None:
            raise errors.NotFound("You are no member of this organization any more.")
        mine = {one.tag for one in queries.schedules(organization_id, by.id)}
        if tag not in mine and len(mine) >= MOST:
            raise errors.Conflict(f"You get {MOST} reports already; stop one of them first.")
        row = insert(ReportSchedule).values(
            id=ids.new(), organization_id=organization_id, user_id=by.id, tag=tag, created_at=now,
            next_at=stretches.next_sending(now, user.timezone or "UTC"),
        )  # fmt: skip
        if db.session.execute(row.on_conflict_do_nothing().returning(ReportSchedule.id)).scalar_one_or_none():
            _note("report.subscribed", organization_id, tag, by, now)


def unsubscribe(organization_id: UUID, tag: str, by: Actor, now: datetime) -> None:
    """Send `by` no more of them. Twice is no harm."""
    mine = ReportSchedule.organization_id == organization_id, ReportSchedule.user_id == by.id
    with transaction():
        if changed(delete(ReportSchedule).where(*mine, ReportSchedule.tag == tag)):
            _note("report.unsubscribed", organization_id, tag, by, now)


def stop(organization_id: UUID, user: User) -> None:
    """They have left: nothing more of this organization is for their eyes. In the caller's transaction."""
    mine = ReportSchedule.organization_id == organization_id, ReportSchedule.user_id == user.id
    db.session.execute(delete(ReportSchedule).where(*mine).execution_options(synchronize_session=False))
    promised = Letter.organization_id == organization_id, Letter.template == TEMPLATE, Letter.to_address == user.email
    letters.take_back(*db.session.execute(select(Letter.id).where(*promised, Letter.status == "pending")).scalars())


def move(user_id: UUID, before: str, zone: str) -> None:
    """Their zone is another one from now on: it is seven o'clock there. In the caller's transaction."""
    if (before or "UTC") == (zone or "UTC"):
        return
    rows = select(ReportSchedule).where(ReportSchedule.user_id == user_id).order_by(ReportSchedule.id)
    for row in db.session.execute(rows.with_for_update()).scalars():
        row.next_at = stretches.moved(row.next_at, before or "UTC", zone or "UTC")


def ring(now: datetime) -> int:
    """Ring for reports that are due; how many. The clock calls this."""
    due = select(ReportSchedule.id).where(ReportSchedule.next_at <= now).order_by(ReportSchedule.next_at)
    with transaction():
        found = db.session.execute(due.limit(RING_AT_MOST)).scalars().all()
    for start in range(0, len(found), RING_FOR):
        enqueue(Job.MAIL_REPORTS, found[start : start + RING_FOR])
    return len(found)


def mail(schedule_ids: Sequence[UUID], now: datetime) -> int:
    """Promise a letter for each of them that is due; how many. Safe to call twice."""
    return sum(_mail(one, now) for one in schedule_ids)


def _mail(schedule_id: UUID, now: datetime) -> bool:
    with transaction():
        due = select(ReportSchedule).where(ReportSchedule.id == schedule_id, ReportSchedule.next_at <= now)
        row = db.session.execute(
            due.with_for_update(skip_locked=True).execution_options(populate_existing=True)
        ).scalar_one_or_none()
        if row is None:
            return False
        member = db.session.get(Membership, {"organization_id": row.organization_id, "user_id": row.user_id})
        if member is None:
            db.session.delete(row)
            return False
        _post(row, now)
        return True


def _post(row: ReportSchedule, now: datetime) -> None:
    user = db.session.get_one(User, row.user_id)
    organization = db.session.get_one(Organization, row.organization_id)
    zone = user.timezone or "UTC"
    # Of the month before the one that was waited for, even if the clock was away since: each month has its report.
    of = stretches.month_before(row.next_at, zone)
    found = queries.report(organization.id, organization.name, row.tag, stretches.month(of, zone, now), now)
    row.next_at = stretches.next_sending(row.next_at, zone)
    context = _context(found, row, f"{of:%Y-%m}")
    letters.post(TEMPLATE, user.email, _subject(found), context, organization.id, now)
    log.info("report_promised", schedule=str(row.id), monitors=len(found.lines))


def _subject(found: Report) -> str:
    about = f"{found.organization}, {found.tag}" if found.tag else found.organization
    share = found.total.uptime.share if found.lines else None
    return f"{about} in {found.stretch.words}" + (f": up {shares.percent(share)}" if share is not None else "")


def _context(found: Report, row: ReportSchedule, period: str) -> dict[str, Any]:
    here = links.within(row.organization_id, "/app/reports")
    return {
        "organization": found.organization,
        "tag": found.tag,
        "words": found.stretch.words,
        "zone": found.stretch.zone,
        "sentences": found.sentences,
        "total": _numbers(found.total) if found.lines else None,
        "lines": [_numbers(one) for one in found.lines[:LISTED]],
        "more": max(0, len(found.lines) - LISTED),
        "path": f"{here}&{urlencode({'period': period} | ({'tag': row.tag} if row.tag else {}))}",
        "subscriptions": f"{here}#by-mail",
        "organization_id": str(row.organization_id),
        "user_id": str(row.user_id),
    }


def _numbers(line: Line) -> dict[str, Any]:
    """A line as the mail says it."""
    return {
        "name": line.name,
        "path": f"/app/monitors/{ids.public('mon', line.monitor_id)}",
        "uptime": shares.percent(line.uptime.share),
        "down": durations.words(line.uptime.down) if line.uptime.down else "",
        "success": shares.percent(line.success_rate),
        "incidents": f"{line.incidents:,}",
        "health": "–" if line.score is None else str(line.score),
    }


def _note(what: str, organization_id: UUID, tag: str, by: Actor, now: datetime) -> None:
    audit.record(
        what, by, organization_id, now, object_id=by.id, object_name=f"monitors tagged {tag}" if tag else "all monitors"
    )
