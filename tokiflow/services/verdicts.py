"""What verdicts bring about: an incident opens, comes back, goes on or resolves, and people are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import update

from tokiflow.core import ids, incidents, schedule, sentences
from tokiflow.core.actors import THE_JOB, TOKIFLOW, Actor
from tokiflow.core.incidents import Opening
from tokiflow.core.status import Kind, Rules
from tokiflow.db import by_index, db
from tokiflow.models import Incident, Monitor
from tokiflow.services import alerts, follow_ups, incident_rows, sets, timeline
from tokiflow.services.incident_rows import OUTAGE, PERFORMANCE, Book
from tokiflow.services.monitor_rows import MonitorRow
from tokiflow.services.news import Facts, News

log = structlog.get_logger()


@dataclass(frozen=True)
class Cause:
    """What made an incident turn: the kind of trouble (None for a recovery), when, and what the job said.

    `words` and `usual` say what was found out about a run that was no outage, and `measure` and `value` what of; words
    of a recovery say how it came about.
    """

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
    words: str = ""
    usual: str = ""
    measure: str = ""
    value: float | None = None


@dataclass(frozen=True)
class Verdict:
    """Trouble of the monitor in `row` (locked), or its recovery: a cause without a kind."""

    row: MonitorRow
    rules: Rules
    cause: Cause


def carry_out(verdicts: Sequence[Verdict], now: datetime, class_: str = OUTAGE) -> None:
    """What follows from `verdicts`, in their order: incidents of `class_` open, reopen, go on or resolve, and people
    are told.

    A handful of statements, whatever the number: all is read before the first verdict and written after the last.
    """
    if not verdicts:
        return
    by_index()
    book = _read(verdicts, class_)
    news = [one for verdict in verdicts if (one := _carry_out(book, verdict, now))]
    # An incident has to be there before what speaks of it.
    db.session.flush()
    sets.add(book.opened)
    timeline.write(*book.steps)
    alerts.plan(news, now)
    if class_ == OUTAGE:
        follow_ups.release_blocked([one.row.id for one in news if one.kind == "resolved"], now)


def _carry_out(book: Book, verdict: Verdict, now: datetime) -> News | None:
    incident = book.unresolved.get(verdict.row.id)
    if verdict.cause.kind is None:
        return _recover(book, incident, verdict) if incident else None
    if incident:
        _join(book, incident, verdict, now)
        return None
    return _trouble(book, verdict, now)


def _trouble(book: Book, verdict: Verdict, now: datetime) -> News:
    """Trouble where there was none: a new incident, or a recent one that comes back."""
    row, cause = verdict.row, verdict.cause
    assert cause.kind is not None
    last = book.last.get(row.id)
    opening = _opening(last, verdict)
    summary = _summary(row, cause, now)
    if last is None or opening is Opening.NEW:
        incident = _open(verdict, summary, book.class_)
        book.opened.append(incident)
    else:
        incident = _reopen(last, verdict, summary)
    if opening is Opening.FLAPPING and book.class_ == OUTAGE:
        db.session.execute(update(Monitor).where(Monitor.id == row.id).values(flapping=True))
    book.unresolved[row.id] = book.last[row.id] = incident
    detail = _detail(cause) | {"kind": cause.kind.value}
    book.note(timeline.step(incident.id, opening.value, cause.at, _by(cause), summary, detail))
    _note_blindness(book, incident.id, cause)
    log.info("incident_opened", incident=str(incident.id), monitor=str(row.id), kind=cause.kind.value)
    facts = Facts(cause.quote, cause.exit_code, cause.duration_ms, cause.environment)
    return News(incident, row, opening.value, cause.at, facts)


def _join(book: Book, incident: Incident, verdict: Verdict, now: datetime) -> None:
    """More trouble of one that is in trouble. The same step right after itself is counted, not written again."""
    cause = verdict.cause
    assert cause.kind is not None
    summary, by, last = _summary(verdict.row, cause, now), _by(cause), book.latest_step.get(incident.id)
    same = last is not None and (last.what, last.by) == (cause.kind.value, by.name)
    if last is None or not same or last.detail.get("measure", "") != cause.measure:
        book.note(timeline.step(incident.id, cause.kind.value, cause.at, by, summary, _detail(cause)))
        return
    last.times += 1
    last.last_at = max(cause.at, last.last_at)
    # With its run: what the page shows as printed last is what this one printed.
    detail = _detail(cause)
    if cause.measure:
        values = sorted([*timeline.values(last.detail), *timeline.values(detail)])
        detail |= {"least": values[0], "most": values[-1]} if values else {}
    last.text, last.detail = summary, detail


def _recover(book: Book, incident: Incident, verdict: Verdict) -> News:
    """It is well again by itself: whoever was told of the trouble hears of it."""
    at = verdict.cause.at
    del book.unresolved[verdict.row.id]
    unusual = book.class_ == PERFORMANCE
    words = verdict.cause.words or sentences.recovered(incident.last_opened_at, at, unusual=unusual)
    detail = _detail(verdict.cause)
    log.info("incident_resolved", incident=str(incident.id), monitor=str(verdict.row.id))
    return incident_rows.close(book.note, incident, at, TOKIFLOW, verdict.row, words, by_person=False, detail=detail)


def _read(verdicts: Sequence[Verdict], class_: str) -> Book:
    missed = [(one.cause.due_at, one.cause.at) for one in verdicts if one.cause.due_at]
    within = (min(due for due, _ in missed), max(at for _, at in missed)) if missed else None
    return incident_rows.read({verdict.row.id for verdict in verdicts}, within, class_)


def _opening(last: Incident | None, verdict: Verdict) -> Opening:
    cause = verdict.cause
    assert cause.kind is not None
    period = schedule.period_seconds(verdict.rules.schedule, cause.at)
    return incidents.opening(_as_last(last), cause.kind.value, cause.at, period)


def _as_last(incident: Incident | None) -> incidents.Last | None:
    if incident is None or incident.resolved_at is None:
        return None
    return incidents.Last(incident.kind, incident.resolved_at, incident.resolved_by_person, incident.reopened)


def _open(verdict: Verdict, summary: str, class_: str) -> Incident:
    """A new one, which names every column that trouble and its end have, so that many are written at once."""
    row, cause = verdict.row, verdict.cause
    assert cause.kind is not None
    return Incident(
        id=ids.new(),
        organization_id=row.organization_id,
        monitor_id=row.id,
        class_=class_,
        kind=cause.kind.value,
        status="open",
        summary=summary,
        reason=_reason(verdict),
        opened_at=cause.at,
        last_opened_at=cause.at,
        acknowledged_at=None,
        acknowledged_by="",
        resolved_at=None,
        resolved_by="",
        resolved_by_person=False,
        muted_until=None,
        reopened=0,
    )


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


def _note_blindness(book: Book, incident_id: UUID, cause: Cause) -> None:
    """Say on the timeline when the deadline that was missed had been moved because we could not listen."""
    if cause.due_at is None:
        return
    for spell in book.spells:
        assert spell.ended_at is not None
        if spell.ended_at > cause.due_at and spell.started_at < cause.at:
            words = sentences.blind(spell.started_at, spell.ended_at)
            book.note(timeline.step(incident_id, "blind", spell.ended_at, TOKIFLOW, words))


def _summary(row: MonitorRow, cause: Cause, now: datetime) -> str:
    if cause.words:
        return cause.words
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
    return f"It runs {words}. {cause.usual}".rstrip()


def _by(cause: Cause) -> Actor:
    return THE_JOB if cause.kind is Kind.FAILED else TOKIFLOW


def _detail(cause: Cause) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if cause.run_id:
        facts["run"] = ids.public("run", cause.run_id)
    if cause.exit_code is not None:
        facts["exit_code"] = cause.exit_code
    if cause.measure:
        facts |= {"measure": cause.measure, "value": cause.value}
    return facts
