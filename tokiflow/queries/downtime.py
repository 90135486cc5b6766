"""When monitors were down, and when that does not count: the stretches that up time is reckoned from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select

from tokiflow.core import health
from tokiflow.core.health import Interval, Uptime
from tokiflow.db import among, db
from tokiflow.models import AuditEvent, BlindSpell, Incident, IncidentEvent, Monitor
from tokiflow.queries import maintenance

_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Downtime:
    """Of one monitor: since when it is watched, its outages, and when maintenance was planned or it was paused."""

    watched_since: datetime
    outages: Sequence[Interval] = ()
    maintenance: Sequence[Interval] = ()
    paused: Sequence[Interval] = ()

    def uptime(self, since: datetime, until: datetime) -> Uptime:
        """Up time from `since` up to `until`; time before it is watched is no part of that."""
        return self.uptimes([since, until])[0]

    def uptimes(self, edges: Sequence[datetime]) -> list[Uptime]:
        """The same between each of `edges` and the next."""
        return health.uptimes(edges, self.outages, self.maintenance, self._unwatched)

    def heard_of(self, stretches: Iterable[Interval]) -> Downtime:
        """The same, of a monitor that ran in all of `stretches`: some have runs that are older than they are."""
        before = [start for start, end in stretches if end <= self.watched_since]
        return replace(self, watched_since=min(before)) if before else self

    def watched(self, since: datetime, until: datetime) -> Sequence[Interval]:
        """When something was expected of the job."""
        return health.without([(since, until)], self._unwatched)

    @property
    def _unwatched(self) -> Sequence[Interval]:
        return [(_EVER, self.watched_since), *self.paused]


def of(monitors: Sequence[Any], since: datetime, until: datetime) -> Mapping[UUID, Downtime]:
    """By monitor (Monitors, or rows that say as much): what is known of the time from `since` up to `until`.

    Six statements at most, whatever the number of monitors.
    """
    outages, pauses = _outages(monitors, since, until), _pauses(monitors, since, until)
    planned = maintenance.planned([(one, outages[one.id]) for one in monitors if one.id in outages])
    return {
        one.id: Downtime(
            # Nobody waits for a job that has never been heard of.
            until if one.last_ping_at is None else one.first_ping_at or one.created_at,
            outages.get(one.id, ()),
            planned.get(one.id, ()),
            pauses.get(one.id, ()),
        )
        for one in monitors
    }


def apart(monitors: Sequence[Any], since: datetime, until: datetime) -> Mapping[UUID, Sequence[Interval]]:
    """By monitor: when nothing was expected of it, for it was paused or in maintenance, or when we could not listen.

    Five statements at most, whatever the number of monitors.
    """
    if not monitors:
        return {}
    spell = BlindSpell
    begun = or_(spell.ended_at.is_(None), spell.ended_at > since), spell.started_at < until
    spells = db.session.execute(select(spell.started_at, spell.ended_at).where(*begun)).all()
    blind = [(start, end or until) for start, end in spells]
    pauses = _pauses(monitors, since, until)
    planned = maintenance.planned([(one, [(since, until)]) for one in monitors])
    return {one.id: [*blind, *pauses.get(one.id, ()), *planned.get(one.id, ())] for one in monitors}


def uptimes(organization_id: UUID, since: datetime, until: datetime) -> Mapping[UUID, float | None]:
    """Up time (0–1; None where nothing was watched) of those of the organization's monitors that were down meanwhile.

    Seven statements at most.
    """
    was_down = select(Incident.monitor_id).where(Incident.organization_id == organization_id, _down(since, until))
    m = Monitor
    read = (m.id, m.organization_id, m.tags, m.status, m.created_at, m.first_ping_at, m.last_ping_at, m.paused_at)
    monitors = db.session.execute(select(*read).where(m.id.in_(was_down))).all()
    if not monitors:
        return {}
    return {monitor_id: one.uptime(since, until).share for monitor_id, one in of(monitors, since, until).items()}


def _down(since: datetime, until: datetime) -> ColumnElement[bool]:
    """Whether an incident took its monitor down between them."""
    ended = or_(Incident.resolved_at.is_(None), Incident.resolved_at > since)
    return and_(Incident.class_ == "outage", Incident.opened_at < until, ended)


def _outages(monitors: Sequence[Any], since: datetime, until: datetime) -> Mapping[UUID, list[Interval]]:
    """By monitor: each time it was down. An incident that came back was none in between."""
    # Rows, not objects: there may be thousands, and an object costs as much as all the rest of it.
    read = (Incident.id, Incident.monitor_id, Incident.opened_at, Incident.resolved_at, Incident.reopened)
    mine = among(Incident.monitor_id, [monitor.id for monitor in monitors])
    incidents = db.session.execute(select(*read).where(mine, _down(since, until))).all()
    turns = _turns([one.id for one in incidents if one.reopened])
    found: dict[UUID, list[Interval]] = {}
    for one in incidents:
        stretches = _stretches(turns[one.id]) if one.id in turns else [(one.opened_at, one.resolved_at)]
        found.setdefault(one.monitor_id, []).extend((start, end or until) for start, end in stretches)
    return found


_BEGINS = ("opened", "reopened", "flapping")


def _turns(incident_ids: Sequence[UUID]) -> Mapping[UUID, list[tuple[str, datetime]]]:
    """By incident: the steps with which it began, ended and came back, in their order."""
    step = IncidentEvent
    statement = select(step.incident_id, step.what, step.at).where(
        among(step.incident_id, incident_ids), step.what.in_([*_BEGINS, "resolved"])
    )
    found: dict[UUID, list[tuple[str, datetime]]] = {}
    for incident_id, what, at in db.session.execute(statement.order_by(step.at, step.id)):
        found.setdefault(incident_id, []).append((what, at))
    return found


def _stretches(turns: Sequence[tuple[str, datetime]]) -> list[tuple[datetime, datetime | None]]:
    found: list[tuple[datetime, datetime | None]] = []
    began: datetime | None = None
    for what, at in turns:
        if what in _BEGINS:
            began = began or at
        elif began:
            found.append((began, at))
            began = None
    return [*found, (began, None)] if began else found


def _pauses(monitors: Sequence[Any], since: datetime, until: datetime) -> Mapping[UUID, list[Interval]]:
    """By monitor: when it was paused, as the audit log has it."""
    event = AuditEvent
    statement = select(event.object_id, event.what, event.at, event.after["until"].astext).where(
        event.organization_id.in_({monitor.organization_id for monitor in monitors}),
        among(event.object_id, [monitor.id for monitor in monitors]),
        event.what.in_(["monitor.paused", "monitor.resumed"]),
        event.at < until,
    )
    told: dict[UUID, list[tuple[str, datetime, str | None]]] = {}
    for monitor_id, what, at, end in db.session.execute(statement.order_by(event.at, event.id)):
        told.setdefault(monitor_id, []).append((what, at, end))
    found = {
        one.id: _paused(told.get(one.id, ()), one.paused_at if one.status == "paused" else None, until)
        for one in monitors
    }
    return {monitor_id: kept for monitor_id, some in found.items() if (kept := health.within(some, since, until))}


def _paused(
    told: Sequence[tuple[str, datetime, str | None]], still_since: datetime | None, until: datetime
) -> list[Interval]:
    """Each pause ends when somebody ended it, when it was to end by itself, or when the next one begins."""
    found: list[Interval] = []
    for n, (what, at, end) in enumerate(told):
        if what == "monitor.paused":
            following = told[n + 1][1] if n + 1 < len(told) else until
            planned = datetime.fromisoformat(end) if end else following
            found.append((at, min(planned, following)))
    return [*found, (still_since, until)] if still_since else found
