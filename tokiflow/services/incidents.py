"""Open, join, resolve, and what people do with an incident in between.

Whoever changes an incident holds the lock on its monitor's row first, so there is never a second one open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, select, true, update
from sqlalchemy.orm import aliased

from tokiflow import errors
from tokiflow.core import ids, schedule, sentences, status
from tokiflow.core import incidents as rules_of_incidents
from tokiflow.core.actors import THE_JOB, TOKIFLOW, Actor
from tokiflow.core.incidents import Opening
from tokiflow.core.status import Kind, Rules
from tokiflow.db import db, transaction
from tokiflow.models import BlindSpell, Incident, IncidentEvent, Monitor
from tokiflow.services import alerts, audit, follow_ups, monitor_rows, timeline
from tokiflow.services.monitor_rows import MonitorRow
from tokiflow.services.news import Facts, News, told

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
    environment: str = ""
    overlapped: bool = False


@dataclass(frozen=True)
class Verdict:
    """Trouble of the monitor in `row` (locked), or its recovery: a cause without a kind."""

    row: MonitorRow
    rules: Rules
    cause: Cause


def carry_out(verdicts: Sequence[Verdict], now: datetime) -> None:
    """What follows from `verdicts`, in their order: incidents open, reopen, go on or resolve, and people are told.

    A handful of statements, whatever the number: all is read before the first verdict and written after the last.
    """
    if not verdicts:
        return
    book = _read(verdicts)
    news = [one for verdict in verdicts if (one := _carry_out(book, verdict, now))]
    # An incident has to be there before what speaks of it.
    db.session.flush()
    db.session.add_all(book.steps)
    db.session.flush()
    alerts.plan(news, now)
    follow_ups.release_blocked([one.row.id for one in news if one.kind == "resolved"], now)


def _carry_out(book: _Book, verdict: Verdict, now: datetime) -> News | None:
    incident = book.unresolved.get(verdict.row.id)
    if verdict.cause.kind is None:
        return _recover(book, incident, verdict) if incident else None
    if incident:
        _join(book, incident, verdict, now)
        return None
    return _trouble(book, verdict, now)


def _trouble(book: _Book, verdict: Verdict, now: datetime) -> News:
    """Trouble where there was none: a new incident, or a recent one that comes back."""
    row, cause = verdict.row, verdict.cause
    assert cause.kind is not None
    last = book.last.get(row.id)
    opening = _opening(last, verdict)
    summary = _summary(row, cause, now)
    if last is None or opening is Opening.NEW:
        incident = _open(verdict, summary)
    else:
        incident = _reopen(last, verdict, summary)
    if opening is Opening.FLAPPING:
        db.session.execute(update(Monitor).where(Monitor.id == row.id).values(flapping=True))
    book.unresolved[row.id] = book.last[row.id] = incident
    detail = _detail(cause) | {"kind": cause.kind.value}
    book.note(timeline.step(incident.id, opening.value, cause.at, _by(cause), summary, detail))
    _note_blindness(book, incident.id, cause)
    log.info("incident_opened", incident=str(incident.id), monitor=str(row.id), kind=cause.kind.value)
    facts = Facts(cause.quote, cause.exit_code, cause.duration_ms, cause.environment)
    return News(incident, row, opening.value, cause.at, facts)


def _join(book: _Book, incident: Incident, verdict: Verdict, now: datetime) -> None:
    """More trouble of one that is in trouble. The same step right after itself is counted, not written again."""
    cause = verdict.cause
    assert cause.kind is not None
    summary, by, last = _summary(verdict.row, cause, now), _by(cause), book.latest_step.get(incident.id)
    if last is None or (last.what, last.by) != (cause.kind.value, by.name):
        book.note(timeline.step(incident.id, cause.kind.value, cause.at, by, summary, _detail(cause)))
        return
    last.times += 1
    last.last_at = max(cause.at, last.last_at)
    last.text = summary


def _recover(book: _Book, incident: Incident, verdict: Verdict) -> News:
    """It is well again by itself: whoever was told of the trouble hears of it."""
    at = verdict.cause.at
    del book.unresolved[verdict.row.id]
    words = sentences.recovered(incident.last_opened_at, at)
    return _close(book.note, incident, at, TOKIFLOW, verdict.row, words, by_person=False)


def close_for_pause(row: MonitorRow, by: Actor, now: datetime) -> None:
    """The monitor in `row` (locked) was paused: nobody waits for it any more."""
    incident = db.session.execute(_unresolved([row.id])).scalar_one_or_none()
    if incident:
        _close_now(incident, row, f"the monitor was paused by {by.name}", by, now)
        _audit("incident.resolved", incident, by, now)


def acknowledge(incident_id: UUID, by: Actor, now: datetime) -> None:
    """Somebody has seen it: nobody else is called, and who follows that hears of it. Again does nothing; a resolved
    one raises Conflict."""
    with transaction():
        incident, row = _locked(incident_id)
        if incident.status == "resolved":
            raise errors.Conflict("This incident is resolved already; there is nothing left to acknowledge.")
        if incident.status == "acknowledged":
            return
        incident.status = "acknowledged"
        incident.acknowledged_at = now
        incident.acknowledged_by = by.name
        db.session.add(timeline.step(incident.id, "acknowledged", now, by))
        _audit("incident.acknowledged", incident, by, now)
        db.session.flush()
        facts = told([incident.id]).get(incident.id, Facts())
        alerts.plan([News(incident, row, "acknowledged", now, facts)], now)


def resolve(incident_id: UUID, by: Actor, now: datetime) -> None:
    """A person says it is over: the monitor gets a fresh chance. Again does nothing."""
    with transaction():
        incident, row = _locked(incident_id)
        if incident.status == "resolved":
            return
        _close_now(incident, row, f"resolved by {by.name}", by, now)
        if incident.class_ == OUTAGE:
            _set_up_again(row, now)
        _audit("incident.resolved", incident, by, now)


def mute(incident_id: UUID, until: datetime | None, by: Actor, now: datetime) -> None:
    """No more messages about it until `until`; None ends the mute, and what waited for its end comes now. Raises
    Invalid for a time that has passed."""
    if until is not None and until <= now:
        raise errors.Invalid({"until": ["has passed already; write a time in the future"]})
    with transaction():
        incident, _ = _locked(incident_id)
        if incident.status == "resolved":
            raise errors.Conflict("This incident is resolved already; there is nothing left to mute.")
        incident.muted_until = until
        if until is None:
            follow_ups.wake(incident.id, now)
        detail = {"until": until.isoformat()} if until else {}
        db.session.add(timeline.step(incident.id, "muted" if until else "unmuted", now, by, detail=detail))
        _audit("incident.muted" if until else "incident.unmuted", incident, by, now, detail)


def comment(incident_id: UUID, text: str, by: Actor, now: datetime) -> None:
    """Add words of a person to the timeline. Raises Invalid for none or far too many."""
    text = text.replace("\x00", "").strip()
    if not text:
        raise errors.Invalid({"text": ["is empty; write what you found or did"]})
    if len(text) > LONGEST_COMMENT:
        raise errors.Invalid({"text": [f"is longer than {LONGEST_COMMENT:,} characters; shorten it"]})
    with transaction():
        incident, _ = _locked(incident_id)
        db.session.add(timeline.step(incident.id, "commented", now, by, text))
        _audit("incident.commented", incident, by, now)


@dataclass
class _Book:
    """The incidents of the monitors at hand, read at once, and brought up to date while verdicts are carried out.

    By monitor: the unresolved one, and the last. By incident: the last step on its timeline. `spells` are those in
    which we could not listen, `steps` what is still to be written.
    """

    unresolved: dict[UUID, Incident]
    last: dict[UUID, Incident]
    latest_step: dict[UUID, IncidentEvent]
    spells: Sequence[BlindSpell]
    steps: list[IncidentEvent] = field(default_factory=list)

    def note(self, step: IncidentEvent) -> None:
        self.steps.append(step)
        self.latest_step[step.incident_id] = step


def _read(verdicts: Sequence[Verdict]) -> _Book:
    monitor_ids = {verdict.row.id for verdict in verdicts}
    unresolved = db.session.execute(_unresolved(monitor_ids)).scalars().all()
    last = db.session.execute(_last(monitor_ids)).scalars()
    steps = db.session.execute(_latest_steps([one.id for one in unresolved])).scalars() if unresolved else ()
    return _Book(
        unresolved={one.monitor_id: one for one in unresolved},
        last={one.monitor_id: one for one in last},
        latest_step={step.incident_id: step for step in steps},
        spells=_spells([verdict.cause for verdict in verdicts if verdict.cause.due_at]),
    )


def _unresolved(monitor_ids: Collection[UUID]) -> Select[Incident]:
    return select(Incident).where(
        Incident.monitor_id.in_(monitor_ids), Incident.class_ == OUTAGE, Incident.resolved_at.is_(None)
    )


def _last(monitor_ids: Collection[UUID]) -> Select[Incident]:
    """Each monitor reads its index from the end."""
    latest = (
        select(Incident)
        .where(Incident.monitor_id == Monitor.id, Incident.class_ == OUTAGE)
        .order_by(Incident.opened_at.desc(), Incident.id.desc())
        .limit(1)
        .lateral()
    )
    return (
        select(aliased(Incident, latest)).select_from(Monitor).join(latest, true()).where(Monitor.id.in_(monitor_ids))
    )


def _latest_steps(incident_ids: Collection[UUID]) -> Select[IncidentEvent]:
    latest = (
        select(IncidentEvent)
        .where(IncidentEvent.incident_id == Incident.id)
        .order_by(IncidentEvent.id.desc())
        .limit(1)
        .lateral()
    )
    whole = select(aliased(IncidentEvent, latest)).select_from(Incident).join(latest, true())
    return whole.where(Incident.id.in_(incident_ids))


def _spells(causes: Sequence[Cause]) -> Sequence[BlindSpell]:
    """When we could not listen between a due time and its deadline, for any of `causes`; the earliest first."""
    if not causes:
        return ()
    since = min(cause.due_at for cause in causes if cause.due_at)
    return (
        db.session.execute(
            select(BlindSpell)
            .where(BlindSpell.ended_at > since, BlindSpell.started_at < max(cause.at for cause in causes))
            .order_by(BlindSpell.started_at)
        )
        .scalars()
        .all()
    )


def _opening(last: Incident | None, verdict: Verdict) -> Opening:
    cause = verdict.cause
    assert cause.kind is not None
    period = schedule.period_seconds(verdict.rules.schedule, cause.at)
    return rules_of_incidents.opening(_as_last(last), cause.kind.value, cause.at, period)


def _as_last(incident: Incident | None) -> rules_of_incidents.Last | None:
    if incident is None or incident.resolved_at is None:
        return None
    return rules_of_incidents.Last(incident.kind, incident.resolved_at, incident.resolved_by_person, incident.reopened)


def _open(verdict: Verdict, summary: str) -> Incident:
    row, cause = verdict.row, verdict.cause
    assert cause.kind is not None
    incident = Incident(
        id=ids.new(),
        organization_id=row.organization_id,
        monitor_id=row.id,
        class_=OUTAGE,
        kind=cause.kind.value,
        status="open",
        summary=summary,
        reason=_reason(verdict),
        opened_at=cause.at,
        last_opened_at=cause.at,
        reopened=0,
    )
    db.session.add(incident)
    return incident


def _reopen(incident: Incident, verdict: Verdict, summary: str) -> Incident:
    incident.status = "open"
    incident.summary = summary
    incident.reason = _reason(verdict)
    incident.last_opened_at = verdict.cause.at
    incident.resolved_at = None
    incident.resolved_by = ""
    incident.acknowledged_at = None
    incident.acknowledged_by = ""
    incident.reopened += 1
    return incident


def _close_now(incident: Incident, row: MonitorRow, words: str, by: Actor, now: datetime) -> None:
    """A person ends it."""
    news = _close(db.session.add, incident, now, by, row, words, by_person=True)
    db.session.flush()
    alerts.plan([news], now)
    if incident.class_ == OUTAGE:
        follow_ups.release_blocked([row.id], now)


def _close(
    note: Callable[[IncidentEvent], None], incident: Incident, at: datetime, by: Actor, row: MonitorRow, words: str,
    *, by_person: bool,
) -> News:  # fmt: skip
    # An incident can't end before it began, whatever order pings arrive in.
    at = max(at, incident.last_opened_at)
    incident.status = "resolved"
    incident.resolved_at = at
    incident.resolved_by = by.name
    incident.resolved_by_person = by_person
    note(timeline.step(incident.id, "resolved", at, by, words))
    log.info("incident_resolved", incident=str(incident.id), monitor=str(row.id))
    return News(incident, row, "resolved", at)


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


def _note_blindness(book: _Book, incident_id: UUID, cause: Cause) -> None:
    """Say on the timeline when the deadline that was missed had been moved because we could not listen."""
    if cause.due_at is None:
        return
    for spell in book.spells:
        assert spell.ended_at is not None
        if spell.ended_at > cause.due_at and spell.started_at < cause.at:
            words = sentences.blind(spell.started_at, spell.ended_at)
            book.note(timeline.step(incident_id, "blind", spell.ended_at, TOKIFLOW, words))


def _summary(row: MonitorRow, cause: Cause, now: datetime) -> str:
    if cause.kind is Kind.MISSED:
        return sentences.missed(cause.at, now, row.schedule_timezone)
    if cause.overlapped:
        return sentences.overlapped()
    if cause.kind is Kind.OVERRUN:
        return sentences.overran(row.max_runtime_seconds, cause.duration_ms)
    return sentences.failed(cause.exit_code, cause.quote, cause.in_a_row)


def _reason(verdict: Verdict) -> str:
    words, cause = schedule.describe(verdict.rules.schedule), verdict.cause
    if cause.kind is Kind.MISSED:
        due = sentences.clock(cause.due_at or cause.at, cause.at, verdict.row.schedule_timezone)
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


def _audit(what: str, incident: Incident, by: Actor, now: datetime, after: Mapping[str, Any] | None = None) -> None:
    audit.record(
        what, by, incident.organization_id, now, object_id=incident.id, object_name=incident.summary, after=after
    )
