"""What people do with an incident: acknowledge, mute, comment, resolve."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tokiflow import errors
from tokiflow.core import status
from tokiflow.core.actors import Actor
from tokiflow.db import db, transaction
from tokiflow.models import Incident, Monitor
from tokiflow.services import alerts, audit, follow_ups, incident_rows, monitor_rows, timeline
from tokiflow.services.incident_rows import OUTAGE, PERFORMANCE
from tokiflow.services.monitor_rows import MonitorRow
from tokiflow.services.news import Facts, News, told

LONGEST_COMMENT = 10_000


def close_for_pause(row: MonitorRow, by: Actor, now: datetime) -> None:
    """The monitor in `row` (locked) was paused: nobody waits for it any more."""
    for incident in db.session.execute(incident_rows.unresolved([row.id], OUTAGE, PERFORMANCE)).scalars().all():
        _close_now(incident, row, f"the monitor was paused by {by.name}", by, now)
        _audit("incident.resolved", incident, by, now)


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
        incident, row = locked(incident_id)
        if incident.status == "resolved":
            raise errors.Conflict("This incident is resolved already; there is nothing left to acknowledge.")
        if incident.status == "acknowledged":
            return
        incident.status = "acknowledged"
        incident.acknowledged_at = now
        incident.acknowledged_by = by.name
        timeline.write(timeline.step(incident.id, "acknowledged", now, by))
        _audit("incident.acknowledged", incident, by, now)
        _tell_what_was_done(incident, row, "acknowledged", by, now)


def _tell_what_was_done(incident: Incident, row: MonitorRow, what: str, by: Actor, now: datetime) -> None:
    """Whoever was told of the trouble and follows such things hears of it, through the outbox."""
    db.session.flush()
    facts = told([incident.id]).get(incident.id, Facts())
    alerts.plan([News(incident, row, what, now, facts, by.name)], now)


def resolve(incident_id: UUID, by: Actor, now: datetime) -> None:
    """A person says it is over: the monitor gets a fresh chance. Again does nothing."""
    with transaction():
        incident, row = locked(incident_id)
        if incident.status == "resolved":
            return
        _close_now(incident, row, f"resolved by {by.name}", by, now)
        if incident.class_ == OUTAGE:
            _set_up_again(row, now)
        _audit("incident.resolved", incident, by, now)


def mute(incident_id: UUID, until: datetime | None, by: Actor, now: datetime) -> None:
    """No more messages about it until `until`; None ends the mute, and what waited for its end comes now. Who follows
    that hears of it. Raises Invalid for a time that has passed."""
    if until is not None and until <= now:
        raise errors.Invalid({"until": ["has passed already; write a time in the future"]})
    with transaction():
        incident, row = locked(incident_id)
        if incident.status == "resolved":
            raise errors.Conflict("This incident is resolved already; there is nothing left to mute.")
        incident.muted_until = until
        if until is None:
            follow_ups.wake(incident.id, now)
        what, detail = ("muted", {"until": until.isoformat()}) if until else ("unmuted", {})
        timeline.write(timeline.step(incident.id, what, now, by, detail=detail))
        _audit("incident.muted" if until else "incident.unmuted", incident, by, now, detail)
        _tell_what_was_done(incident, row, what, by, now)


def comment(incident_id: UUID, text: str, by: Actor, now: datetime) -> None:
    """Add words of a person to the timeline. Raises Invalid for none or far too many."""
    text = text.replace("\x00", "").strip()
    if not text:
        raise errors.Invalid({"text": ["is empty; write what you found or did"]})
    if len(text) > LONGEST_COMMENT:
        raise errors.Invalid({"text": [f"is longer than {LONGEST_COMMENT:,} characters; shorten it"]})
    with transaction():
        incident, _ = locked(incident_id)
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
    db.session.flush()
    alerts.plan([news], now)
    if incident.class_ == OUTAGE:
        follow_ups.release_blocked([row.id], now)


def _set_up_again(row: MonitorRow, now: datetime) -> None:
    known = status.resolve(monitor_rows.state(row), monitor_rows.rules(row), now)
    monitor_rows.save(row.id, known, monitor_rows.runs_at_hand([row.id], now)[row.id])


def locked(incident_id: UUID) -> tuple[Incident, Monitor]:
    """The incident and its monitor, both locked. Raises NotFound if it is gone meanwhile."""
    monitor_id = db.session.execute(select(Incident.monitor_id).where(Incident.id == incident_id)).scalar_one_or_none()
    if monitor_id is None:
        raise errors.NotFound("This incident is gone.")
    row = monitor_rows.locked(monitor_id)
    incident = db.session.execute(
        select(Incident).where(Incident.id == incident_id).execution_options(populate_existing=True)
    ).scalar_one()
    return incident, row


def _audit(what: str, incident: Incident, by: Actor, now: datetime, after: Mapping[str, Any] | None = None) -> None:
    audit.record(
        what, by, incident.organization_id, now, object_id=incident.id, object_name=incident.summary, after=after
    )
