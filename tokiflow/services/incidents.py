"""Open, join, resolve, and what people do with an incident in between.

Whoever changes an incident holds the lock on its monitor's row first, so there is never a second one open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update

from tokiflow import errors
from tokiflow.core import ids, schedule, sentences, status
from tokiflow.core import incidents as rules_of_incidents
from tokiflow.core.actors import THE_JOB, TOKIFLOW, Actor
from tokiflow.core.incidents import Opening
from tokiflow.core.status import Kind, Rules
from tokiflow.db import db, transaction
from tokiflow.models import BlindSpell, Incident, IncidentEvent, Monitor
from tokiflow.services import alerts, audit, monitor_rows
from tokiflow.services.monitor_rows import MonitorRow

log = structlog.get_logger()

OUTAGE = "outage"
LONGEST_COMMENT = 10_000


@dataclass(frozen=True)
class Cause:
    """What made an incident turn: the kind of trouble (None for a recovery), when, and what the job said."""

    kind: Kind | None
    at: datetime
    run_id: UUID | None = None
    exit_code: int | None = None
    duration_ms: int | None = None
    quote: str = ""
    in_a_row: int = 1
    due_at: datetime | None = None
    overlapped: bool = False


def trouble(row: MonitorRow, rules: Rules, cause: Cause, now: datetime) -> None:
    """Trouble of the monitor in `row` (locked): it opens an incident, reopens a recent one or joins the open one."""
    assert cause.kind is not None
    incident = _unresolved(row.id)
    summary = _summary(row, cause, now)
    if incident:
        _note(incident.id, f"{cause.kind.value}", cause.at, _by(cause), summary, _detail(cause))
        return
    last = _last(row.id)
    period = schedule.period_seconds(rules.schedule, cause.at)
    opening = rules_of_incidents.opening(_as_last(last), cause.kind.value, cause.at, period)
    if last is None or opening is Opening.NEW:
        incident = _open(row, cause, summary)
    else:
        incident = _reopen(last, row, cause, summary)
    if opening is Opening.FLAPPING:
        db.session.execute(update(Monitor).where(Monitor.id == row.id).values(flapping=True))
    _note(incident.id, opening.value, cause.at, _by(cause), summary, _detail(cause) | {"kind": cause.kind.value})
    _note_blindness(incident.id, cause)
    log.info("incident_opened", incident=str(incident.id), monitor=str(row.id), kind=cause.kind.value)
    alerts.plan(
        incident, row, opening.value, cause.at, now, alerts.Facts(cause.quote, cause.exit_code, cause.duration_ms)
    )


def recover(row: MonitorRow, cause: Cause, now: datetime) -> None:
    """The monitor in `row` (locked) is well again by itself: resolve its incident and tell whoever was told."""
    incident = _unresolved(row.id)
    if incident is None:
        return
    _close(
        incident, cause.at, TOKIFLOW, now, row, sentences.recovered(incident.last_opened_at, cause.at), by_person=False
    )


def close_for_pause(row: MonitorRow, by: Actor, now: datetime) -> None:
    """The monitor in `row` (locked) was paused: nobody waits for it any more."""
    incident = _unresolved(row.id)
    if incident:
        _close(incident, now, by, now, row, f"the monitor was paused by {by.name}", by_person=True)


def acknowledge(incident_id: UUID, by: Actor, now: datetime) -> None:
    """Somebody has seen it. Again does nothing; a resolved one raises Conflict."""
    with transaction():
        incident, _ = _locked(incident_id)
        if incident.status == "resolved":
            raise errors.Conflict("This incident is resolved already; there is nothing left to acknowledge.")
        if incident.status == "acknowledged":
            return
        incident.status = "acknowledged"
        incident.acknowledged_at = now
        incident.acknowledged_by = by.name
        _note(incident.id, "acknowledged", now, by)
        _audit("incident.acknowledged", incident, by, now)


def resolve(incident_id: UUID, by: Actor, now: datetime) -> None:
    """A person says it is over: the monitor gets a fresh chance. Again does nothing."""
    with transaction():
        incident, row = _locked(incident_id)
        if incident.status == "resolved":
            return
        _close(incident, now, by, now, row, f"resolved by {by.name}", by_person=True)
        if incident.class_ == OUTAGE:
            _set_up_again(row, now)
        _audit("incident.resolved", incident, by, now)


def mute(incident_id: UUID, until: datetime | None, by: Actor, now: datetime) -> None:
    """No more messages about it until `until`; None ends the mute. Raises Invalid for a time that has passed."""
    if until is not None and until <= now:
        raise errors.Invalid({"until": ["has passed already; write a time in the future"]})
    with transaction():
        incident, _ = _locked(incident_id)
        if incident.status == "resolved":
            raise errors.Conflict("This incident is resolved already; there is nothing left to mute.")
        incident.muted_until = until
        _note(
            incident.id, "muted" if until else "unmuted", now, by, detail={"until": until.isoformat()} if until else {}
        )
        _audit("incident.muted" if until else "incident.unmuted", incident, by, now)


def comment(incident_id: UUID, text: str, by: Actor, now: datetime) -> None:
    """Add words of a person to the timeline. Raises Invalid for none or far too many."""
    text = text.replace("\x00", "").strip()
    if not text:
        raise errors.Invalid({"text": ["is empty; write what you found or did"]})
    if len(text) > LONGEST_COMMENT:
        raise errors.Invalid({"text": [f"is longer than {LONGEST_COMMENT:,} characters; shorten it"]})
    with transaction():
        incident, _ = _locked(incident_id)
        _note(incident.id, "commented", now, by, text, again=False)
        _audit("incident.commented", incident, by, now)


def _unresolved(monitor_id: UUID) -> Incident | None:
    return db.session.execute(
        select(Incident).where(
            Incident.monitor_id == monitor_id, Incident.class_ == OUTAGE, Incident.resolved_at.is_(None)
        )
    ).scalar_one_or_none()


def _last(monitor_id: UUID) -> Incident | None:
    return db.session.execute(
        select(Incident)
        .where(Incident.monitor_id == monitor_id, Incident.class_ == OUTAGE)
        .order_by(Incident.opened_at.desc(), Incident.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def _as_last(incident: Incident | None) -> rules_of_incidents.Last | None:
    if incident is None or incident.resolved_at is None:
        return None
    return rules_of_incidents.Last(incident.kind, incident.resolved_at, incident.resolved_by_person, incident.reopened)


def _open(row: MonitorRow, cause: Cause, summary: str) -> Incident:
    assert cause.kind is not None
    incident = Incident(
        id=ids.new(),
        organization_id=row.organization_id,
        monitor_id=row.id,
        class_=OUTAGE,
        kind=cause.kind.value,
        status="open",
        summary=summary,
        reason=_reason(row, cause),
        opened_at=cause.at,
        last_opened_at=cause.at,
        reopened=0,
    )
    db.session.add(incident)
    db.session.flush()
    return incident


def _reopen(incident: Incident, row: MonitorRow, cause: Cause, summary: str) -> Incident:
    incident.status = "open"
    incident.summary = summary
    incident.reason = _reason(row, cause)
    incident.last_opened_at = cause.at
    incident.resolved_at = None
    incident.resolved_by = ""
    incident.acknowledged_at = None
    incident.acknowledged_by = ""
    incident.reopened += 1
    db.session.flush()
    return incident


def _close(
    incident: Incident, at: datetime, by: Actor, now: datetime, row: MonitorRow, words: str, *, by_person: bool
) -> None:
    incident.status = "resolved"
    # An incident can't end before it began, whatever order pings arrive in.
    incident.resolved_at = max(at, incident.last_opened_at)
    incident.resolved_by = by.name
    incident.resolved_by_person = by_person
    db.session.flush()
    _note(incident.id, "resolved", incident.resolved_at, by, words)
    log.info("incident_resolved", incident=str(incident.id), monitor=str(row.id))
    alerts.plan(incident, row, "resolved", incident.resolved_at, now, alerts.Facts())


def _set_up_again(row: MonitorRow, now: datetime) -> None:
    known = status.resolve(monitor_rows.state(row), monitor_rows.rules(row), now)
    monitor_rows.save(row.id, known, monitor_rows.runs_at_hand([row.id], now)[row.id])


def _locked(incident_id: UUID) -> tuple[Incident, Monitor]:
    """The incident and its monitor, both locked. Raises NotFound if it is gone meanwhile."""
    monitor_id = db.session.execute(select(Incident.monitor_id).where(Incident.id == incident_id)).scalar_one_or_none()
    row = db.session.execute(
        select(Monitor)
        .where(Monitor.id == monitor_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if row is None:
        raise errors.NotFound("This incident is gone.")
    incident = db.session.execute(
        select(Incident).where(Incident.id == incident_id).execution_options(populate_existing=True)
    ).scalar_one()
    return incident, row


def _note(
    incident_id: UUID,
    what: str,
    at: datetime,
    by: Actor,
    text: str = "",
    detail: Mapping[str, Any] | None = None,
    *,
    again: bool = True,
) -> None:
    """A step on the timeline. The same step right after itself is counted instead of written again."""
    if again and _count_again(incident_id, what, at, by, text):
        return
    db.session.add(
        IncidentEvent(
            id=ids.new(),
            incident_id=incident_id,
            at=at,
            last_at=at,
            what=what,
            by=by.name,
            by_kind=by.kind,
            text=text,
            detail=dict(detail or {}),
        )
    )
    db.session.flush()


def _count_again(incident_id: UUID, what: str, at: datetime, by: Actor, text: str) -> bool:
    last = db.session.execute(
        select(IncidentEvent).where(IncidentEvent.incident_id == incident_id).order_by(IncidentEvent.id.desc()).limit(1)
    ).scalar_one_or_none()
    if last is None or (last.what, last.by) != (what, by.name) or what not in _REPEATS:
        return False
    last.times += 1
    last.last_at = max(at, last.last_at)
    last.text = text
    return True


_REPEATS = frozenset(kind.value for kind in Kind)


def _note_blindness(incident_id: UUID, cause: Cause) -> None:
    """Say on the timeline when the deadline that was missed had been moved because we could not listen."""
    if cause.due_at is None:
        return
    spells = db.session.execute(
        select(BlindSpell)
        .where(BlindSpell.ended_at > cause.due_at, BlindSpell.started_at < cause.at)
        .order_by(BlindSpell.started_at)
    ).scalars()
    for spell in spells:
        assert spell.ended_at is not None
        words = sentences.blind(spell.started_at, spell.ended_at)
        _note(incident_id, "blind", spell.ended_at, TOKIFLOW, words)


def _summary(row: MonitorRow, cause: Cause, now: datetime) -> str:
    if cause.kind is Kind.MISSED:
        return sentences.missed(cause.at, now, row.schedule_timezone)
    if cause.overlapped:
        return sentences.overlapped()
    if cause.kind is Kind.OVERRUN:
        return sentences.overran(row.max_runtime_seconds, cause.duration_ms)
    return sentences.failed(cause.exit_code, cause.quote, cause.in_a_row)


def _reason(row: MonitorRow, cause: Cause) -> str:
    words = schedule.describe(monitor_rows.rules(row).schedule)
    if cause.kind is Kind.MISSED:
        due = sentences.clock(cause.due_at or cause.at, cause.at, row.schedule_timezone)
        return f"It runs {words}; the ping due at {due} never came."
    return f"It runs {words}."


def _by(cause: Cause) -> Actor:
    return THE_JOB if cause.kind is Kind.FAILED else TOKIFLOW


def _detail(cause: Cause) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if cause.run_id:
        facts["run"] = ids.public("run", cause.run_id)
    if cause.exit_code is not None:
        facts["exit_code"] = cause.exit_code
    return facts


def _audit(what: str, incident: Incident, by: Actor, now: datetime) -> None:
    audit.record(what, by, incident.organization_id, now, object_id=incident.id, object_name=incident.summary)
