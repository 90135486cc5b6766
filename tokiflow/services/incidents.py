"""What people do with an incident: acknowledge, assign, mute, snooze, comment, resolve.

With many at once: services.incident_sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from tokiflow import errors
from tokiflow.core import alerting, ids, status
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Right, allows
from tokiflow.db import db, transaction
from tokiflow.models import Incident, Membership
from tokiflow.queries import memberships
from tokiflow.queries.people import called
from tokiflow.services import (
    alerts,
    audit,
    comments,
    endings,
    follow_up_rows,
    follow_ups,
    incident_rows,
    monitor_rows,
    notices,
    timeline,
)
from tokiflow.services.incident_rows import OUTAGE, PERFORMANCE
from tokiflow.services.monitor_rows import MonitorRow
from tokiflow.services.news import Facts, News, told

log = structlog.get_logger()


def close_for_pause(row: MonitorRow, by: Actor, now: datetime) -> None:
    """The monitor in `row` (locked) was paused: nobody waits for it any more."""
    for incident in db.session.execute(incident_rows.unresolved([row.id], OUTAGE, PERFORMANCE)).scalars().all():
        _close_now(incident, row, f"the monitor was paused by {by.name}", by, now)
        _audit("incident.resolved", incident, by, now)


def close_for_deletion(row: MonitorRow, by: Actor, now: datetime) -> None:
    """The monitor in `row` (locked) is about to be deleted: whoever was told of its trouble hears that it is over."""
    for incident in db.session.execute(incident_rows.unresolved([row.id], OUTAGE, PERFORMANCE)).scalars().all():
        _close_now(incident, row, f"the monitor was deleted by {by.name}", by, now)
        _audit("incident.resolved", incident, by, now)
    endings.outlive(row.id)


def close_for_sensitivity(row: MonitorRow, by: Actor, now: datetime) -> None:
    """Of the monitor in `row` (locked) nobody wants to know any more what is unlike its usual."""
    incident = db.session.execute(incident_rows.unresolved([row.id], PERFORMANCE)).scalar_one_or_none()
    if incident:
        _close_now(incident, row, f"{by.name} turned the judging of this monitor off", by, now)
        _audit("incident.resolved", incident, by, now)


def acknowledge(incident_id: UUID, by: Actor, now: datetime) -> None:
    """Somebody has seen it: nobody else is called, and who follows that hears of it. Again does nothing; a resolved
    one raises Conflict."""
    with transaction():
        incident, row = incident_rows.locked(incident_id)
        _refuse_resolved(incident, "acknowledge")
        if incident.status == "open":
            _take(incident, by, now)
            _tell_what_was_done(incident, row, "acknowledged", by, now)


def _take(incident: Incident, by: Actor, now: datetime) -> None:
    incident.status, incident.acknowledged_at, incident.acknowledged_by = "acknowledged", now, by.name
    timeline.write(timeline.step(incident.id, "acknowledged", now, by))
    _audit("incident.acknowledged", incident, by, now)


def _refuse_resolved(incident: Incident, what: str) -> None:
    if incident.status == "resolved":
        raise errors.Conflict(f"This incident is resolved already; there is nothing left to {what}.")


def _tell_what_was_done(incident: Incident, row: MonitorRow, what: str, by: Actor, now: datetime) -> None:
    """Whoever was told of the trouble and follows such things hears of it, through the outbox."""
    db.session.flush()
    facts = told([incident.id]).get(incident.id, Facts())
    alerts.plan([News(incident, row, what, now, facts, by.name)], now)


def resolve(incident_id: UUID, by: Actor, now: datetime) -> None:
    """A person says it is over: the monitor gets a fresh chance. Again does nothing."""
    with transaction():
        incident, row = incident_rows.locked(incident_id)
        if incident.status == "resolved":
            return
        _close_now(incident, row, f"resolved by {by.name}", by, now)
        if incident.class_ == OUTAGE:
            _set_up_again(row, now)
        _audit("incident.resolved", incident, by, now)


def mute(incident_id: UUID, until: datetime | None, by: Actor, now: datetime) -> None:
    """No more messages about it until `until`; None ends the mute, and what waited for its end comes now. Who follows
    that hears of it. To end none does nothing. Raises Invalid for a time that has passed."""
    if until is not None:
        in_the_future(until, now)
    with transaction():
        incident, row = incident_rows.locked(incident_id)
        _refuse_resolved(incident, "mute")
        if until is None and not alerting.muted(incident.muted_until, now):
            return
        _silence(incident, "muted" if until else "unmuted", until, by, now)
        if until is None:
            follow_ups.wake(incident.id, now)
        _audit("incident.muted" if until else "incident.unmuted", incident, by, now, _until(until))
        _tell_what_was_done(incident, row, "muted" if until else "unmuted", by, now)


def snooze(incident_id: UUID, until: datetime, by: Actor, now: datetime) -> None:
    """Acknowledge it and hear no more of it until `until`; whoever was told of it is reminded then, unless it is over.
    Raises Invalid for a time that has passed, Conflict for a resolved one."""
    in_the_future(until, now)
    with transaction():
        incident, row = incident_rows.locked(incident_id)
        _refuse_resolved(incident, "snooze")
        was_open = incident.status == "open"
        if was_open:
            _take(incident, by, now)
        _silence(incident, "snoozed", until, by, now)
        _audit("incident.snoozed", incident, by, now, _until(until))
        _tell_what_was_done(incident, row, "acknowledged" if was_open else "muted", by, now)
        follow_up_rows.add([follow_up_rows.wake_up(incident, until)])


def in_the_future(until: datetime, now: datetime) -> None:
    """Raises Invalid for a time that has passed."""
    if until <= now:
        raise errors.Invalid({"until": ["has passed already; write a time in the future"]})


def _silence(incident: Incident, what: str, until: datetime | None, by: Actor, now: datetime) -> None:
    incident.muted_until = until
    follow_up_rows.call_off_wake_ups([incident.id], f"It was {what} by {by.name}.", now)
    timeline.write(timeline.step(incident.id, what, now, by, detail=_until(until)))


def _until(until: datetime | None) -> dict[str, Any]:
    return {"until": until.isoformat()} if until else {}


def assign(incident_id: UUID, to: UUID | None, by: Actor, now: datetime) -> None:
    """Give it to a member, or to nobody. Whoever gets it hears of it by mail, unless they took it themselves. To whom
    it belongs already does nothing. Raises Invalid for somebody who may not work on it, Conflict for a resolved one."""
    with transaction():
        incident, row = incident_rows.locked(incident_id)
        _refuse_resolved(incident, "assign")
        if incident.assigned_to == to:
            return
        before = _called(incident.assigned_to)
        member = _may_have_it(incident.organization_id, to) if to else None
        incident.assigned_to = to
        name = member.user.name or member.user.email if member else ""
        detail = {"to": name, "user": ids.public("usr", to)} if to else {"from": before}
        timeline.write(timeline.step(incident.id, "assigned" if to else "unassigned", now, by, name, detail))
        _audit(
            "incident.assigned" if to else "incident.unassigned", incident, by, now,
            {"assigned_to": name} if to else None, {"assigned_to": before} if before else None,
        )  # fmt: skip
        _tell_what_was_done(incident, row, "assigned", by, now)
        if member and to != by.id:
            notices.assigned(member, incident, row.name, by, now)


def _may_have_it(organization_id: UUID, user_id: UUID) -> Membership:
    """Their membership, which nobody takes from them meanwhile."""
    mine = {"organization_id": organization_id, "user_id": user_id}
    db.session.get(Membership, mine, with_for_update={"read": True}, populate_existing=True)
    found = memberships.get(organization_id, user_id)
    if found is None:
        raise errors.Invalid({"to": ["is no member here; choose somebody who is"]})
    if not allows(found.rank, Right.WORK_INCIDENTS):
        raise errors.Invalid({"to": ["may only look; choose somebody who works on incidents"]})
    return found


def _called(user_id: UUID | None) -> str:
    return called([user_id]).get(user_id, "") if user_id else ""


def comment(incident_id: UUID, text: str, by: Actor, now: datetime) -> None:
    """Add words of a person to the timeline. Raises Invalid for none or far too many."""
    text = comments.checked(text)
    with transaction():
        incident, _ = incident_rows.locked(incident_id)
        timeline.write(timeline.step(incident.id, "commented", now, by, text))
        _audit("incident.commented", incident, by, now)


def end_as_no_problem(incident: Incident, row: MonitorRow, by: Actor, now: datetime) -> None:
    """A person (who holds the lock) says of what is unusual that it is no problem: it is over, and it is said so."""
    if incident.status == "resolved":
        detail = {"not_a_problem": True}
        timeline.write(timeline.step(incident.id, "not_a_problem", now, by, "is not a problem", detail))
    else:
        _close_now(incident, row, f"is not a problem, says {by.name}", by, now, {"not_a_problem": True})
    _audit("incident.not_a_problem", incident, by, now)


def _close_now(
    incident: Incident, row: MonitorRow, words: str, by: Actor, now: datetime, detail: Mapping[str, Any] | None = None
) -> None:
    """A person ends it."""
    news = incident_rows.close(timeline.write, incident, now, by, row, words, by_person=True, detail=detail)
    log.info("incident_resolved", incident=str(incident.id), monitor=str(row.id))
    db.session.flush()
    alerts.plan([news], now)
    if incident.class_ == OUTAGE:
        follow_ups.release_blocked([row.id], now)


def _set_up_again(row: MonitorRow, now: datetime) -> None:
    known = status.resolve(monitor_rows.state(row), monitor_rows.rules(row), now)
    monitor_rows.save(row.id, known, monitor_rows.runs_at_hand([row.id], now)[row.id])


def _audit(
    what: str, incident: Incident, by: Actor, now: datetime, after: Mapping[str, Any] | None = None,
    before: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    audit.record(
        what, by, incident.organization_id, now, object_id=incident.id, object_name=incident.summary,
        before=before, after=after,
    )  # fmt: skip
