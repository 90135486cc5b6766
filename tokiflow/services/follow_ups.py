"""Keep what was promised for later: tell the next step, remind, and tell what was held back once it may be told.

A promise is a row (models.FollowUp), due at a moment, and stays with what became of it. The clock fires what is due;
any number of clocks may. Each holds the lock on the monitors it speaks of, as everybody does who changes an incident,
so an acknowledgement or a recovery comes either before or after and never in between. While Tokiflow is blind
(services.blindness) nothing fires: it comes once, and late, when it sees again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import select, update

from tokiflow.core.routing import Rule
from tokiflow.db import among, changed, db, transaction
from tokiflow.models import FollowUp, Incident, Monitor
from tokiflow.queries.routing import Audience
from tokiflow.services import alert_rows, alerts, contents, follow_up_rows, news, silences
from tokiflow.services.alert_rows import Telling
from tokiflow.services.follow_up_rows import SNOOZED
from tokiflow.services.monitor_rows import MonitorRow
from tokiflow.services.news import Facts, News
from tokiflow.services.silences import Silence

log = structlog.get_logger()

BATCH = 200
POISON_WAITS = timedelta(hours=1)
SETTLE = timedelta(minutes=2)
"""So long what depends on a monitor may take to recover by itself after it."""


def fire(now: datetime, batch: int = BATCH) -> int:
    """Keep up to `batch` promises that are due at `now`; how many were due.

    Those of monitors that another holds are left to the next time. If one can't be kept the others still are, and it
    is tried again in an hour.
    """
    try:
        with transaction():
            due = _claim(now, batch)
            if due:
                _keep(due, now)
            return len(due)
    except Exception:
        if batch == 1:
            raise
        log.exception("follow_ups_failed", batch=batch)
        return _fire_one_by_one(now, batch)


def release_blocked(monitor_ids: Collection[UUID], at: datetime) -> None:
    """These monitors recovered at `at`: what was silent because they were down is looked at as soon as it had time to
    recover too. Rows that another holds are looked at soon anyway."""
    if not monitor_ids:
        return
    blocked = (
        select(FollowUp.id)
        .where(among(FollowUp.blocked_by, monitor_ids), FollowUp.done_at.is_(None))
        .with_for_update(skip_locked=True)
        .cte("blocked")
    )
    changed(update(FollowUp).where(FollowUp.id.in_(select(blocked))).values(at=at + SETTLE))


def wake(incident_id: UUID, now: datetime) -> None:
    """Look now at what waits for the end of a mute. The caller holds the lock on the monitor."""
    waiting = update(FollowUp).where(FollowUp.incident_id == incident_id, FollowUp.done_at.is_(None))
    changed(waiting.where(FollowUp.reason == "muted").values(at=now))


def _fire_one_by_one(now: datetime, most: int) -> int:
    fired = 0
    while fired < most:
        try:
            found = fire(now, batch=1)
        except Exception:
            log.exception("follow_up_cannot_be_kept")
            found = _set_aside(now)
        if not found:
            break
        fired += 1
    return fired


def _set_aside(now: datetime) -> int:
    """Move the one at the head of the line an hour on, so that it can't stop the others."""
    with transaction():
        due = _claim(now, 1)
        for one, _ in due:
            log.error("follow_up_set_aside", follow_up=str(one.id))
            one.at = now + POISON_WAITS
        return len(due)


def _claim(now: datetime, batch: int) -> Sequence[tuple[FollowUp, Monitor]]:
    statement = (
        select(FollowUp, Monitor)
        .join(Incident, Incident.id == FollowUp.incident_id)
        .join(Monitor, Monitor.id == Incident.monitor_id)
        .where(FollowUp.done_at.is_(None), FollowUp.at <= now)
        .order_by(FollowUp.at)
        .limit(batch)
        .with_for_update(key_share=True, skip_locked=True, of=(FollowUp, Monitor))
        .execution_options(populate_existing=True)
    )
    return [(one, row) for one, row in db.session.execute(statement)]


@dataclass
class _Sheet:
    """The promises of one round, and what comes of them."""

    people: Audience
    incidents: Mapping[UUID, Incident]
    told: Mapping[UUID, list[UUID]]
    now: datetime
    released: list[News] = field(default_factory=list)
    calls: dict[tuple[UUID, str], dict[UUID, str]] = field(default_factory=dict)
    steps: dict[UUID, int] = field(default_factory=dict)
    """By incident and kind: the channels that are told, with what chose them; and the highest step."""
    reminders: list[FollowUp] = field(default_factory=list)

    def keep(self, one: FollowUp, row: Monitor, silence: Silence | None) -> None:
        incident = self.incidents[one.incident_id]
        if incident.resolved_at is not None:
            self._done(one, follow_up_rows.OVER)
        elif one.kind != "held" and one.reason != SNOOZED and incident.acknowledged_at is not None:
            self._done(one, f"{incident.acknowledged_by} had acknowledged by then.")
        elif silence is not None:
            _postpone(one, silence, self.now)
        elif one.kind == "held":
            self.released.append(news.again(one.news, incident, row))
            self._done(one, "Told then.")
        elif one.reason == SNOOZED:
            self._wake_up(one)
        else:
            self._call(one, row)

    def _wake_up(self, one: FollowUp) -> None:
        listening = [id for id in self.told.get(one.incident_id, ()) if self.people.enabled(one.organization_id, id)]
        for id in listening:
            self.calls.setdefault((one.incident_id, "reminder"), {}).setdefault(id, one.words)
        self._done(one, "Reminded then." if listening else "Nobody had been told, so there was nobody to remind.")

    def _call(self, one: FollowUp, row: Monitor) -> None:
        rule = self.people.rule(one.organization_id, one.rule_id)
        if row.own_channels:
            self._done(one, "The monitor names its own channels by now.")
        elif rule is None or not rule.enabled:
            self._done(one, "The rule was deleted." if rule is None else "The rule is disabled by now.")
        elif one.kind == "escalation":
            self._escalate(one, rule)
        else:
            self._remind(one, rule)

    def _escalate(self, one: FollowUp, rule: Rule) -> None:
        names = rule.step(one.step, self.people.listeners[one.organization_id]) if one.step else frozenset()
        listening = [id for id in names if self.people.enabled(one.organization_id, id)]
        for id in listening:
            self.calls.setdefault((one.incident_id, "escalated"), {}).setdefault(id, one.words)
        self.steps[one.incident_id] = max(one.step, self.steps.get(one.incident_id, 0))
        if listening:
            self._done(one, "Told then.")
        else:
            self._done(one, "Its channels are disabled." if names else "The step names no channel by now.")

    def _remind(self, one: FollowUp, rule: Rule) -> None:
        if not rule.remind:
            self._done(one, "The rule reminds nobody by now.")
            return
        everybody = self.people.listeners[one.organization_id]
        chosen = {id for n in range(len(rule.steps)) for id in rule.step(n, everybody)}
        for id in self.told.get(one.incident_id, ()):
            if id in chosen and self.people.enabled(one.organization_id, id):
                self.calls.setdefault((one.incident_id, "reminder"), {}).setdefault(id, one.words)
        self._done(one, "Reminded then.")
        # One that comes late is not followed by those it has missed.
        following = max(one.at + timedelta(seconds=rule.remind), self.now + timedelta(seconds=rule.remind) / 2)
        self.reminders.append(follow_up_rows.reminder(self.incidents[one.incident_id], rule, following))

    def _done(self, one: FollowUp, outcome: str) -> None:
        one.done_at, one.outcome = self.now, outcome


def _keep(due: Sequence[tuple[FollowUp, Monitor]], now: datetime) -> None:
    incident_ids = {one.incident_id for one, _ in due}
    # Read after the lock was taken: before it, somebody may still have acknowledged.
    found = db.session.execute(
        select(Incident).where(Incident.id.in_(incident_ids)).execution_options(populate_existing=True)
    ).scalars()
    incidents = {incident.id: incident for incident in found}
    about = {one.incident_id: News(incidents[one.incident_id], row, one.kind, now) for one, row in due}
    people = alerts.audience(about.values())
    silent = alerts.silences_of(list(about.values()), people, now)
    sheet = _Sheet(people, incidents, alert_rows.told(incident_ids), now)
    for one, row in due:
        sheet.keep(one, row, silent.get(one.incident_id))
    db.session.flush()
    follow_up_rows.add(sheet.reminders)
    alerts.release(sheet.released, people, now)
    _tell(sheet, {id: one.row for id, one in about.items()}, people, now)


def _tell(sheet: _Sheet, rows: Mapping[UUID, MonitorRow], people: Audience, now: datetime) -> None:
    facts = news.told({incident_id for incident_id, _ in sheet.calls})
    tellings = []
    for (incident_id, kind), by in sheet.calls.items():
        told_already = sheet.calls.get((incident_id, "escalated"), {}) if kind == "reminder" else {}
        by = {id: why for id, why in by.items() if id not in told_already}
        if by:
            step = sheet.steps.get(incident_id, 0) if kind == "escalated" else 0
            incident = sheet.incidents[incident_id]
            one = News(incident, rows[incident_id], kind, now, facts.get(incident_id, Facts()))
            tellings.append(Telling(one, by, step=step))
    if tellings:
        alert_rows.promise(tellings, people, contents.latest_runs({one.news.row.id for one in tellings}), now)


def _postpone(one: FollowUp, silence: Silence, now: datetime) -> None:
    one.at = silences.judged_again_at(silence, now)
    if one.reason != SNOOZED:
        one.reason, one.blocked_by = silence.reason, silence.blocked_by
    if one.kind == "held":
        one.words = silence.words
