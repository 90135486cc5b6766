"""Incidents as the database has them: those of monitors at hand, read at once, and how one ends.

Whoever changes an incident holds the lock on its monitor's row first, so there is never a second one open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, true
from sqlalchemy.orm import aliased

from tokiflow import errors
from tokiflow.core.actors import Actor
from tokiflow.db import among, db
from tokiflow.models import BlindSpell, Incident, IncidentEvent, Monitor
from tokiflow.services import monitor_rows, timeline
from tokiflow.services.monitor_rows import MonitorRow
from tokiflow.services.news import News
from tokiflow.services.timeline import Step

OUTAGE, PERFORMANCE = "outage", "performance"
"""The classes of incidents. The monitor is down, or it goes and yet is not as usual."""


@dataclass
class Book:
    """The incidents of one class of the monitors at hand, read at once, and brought up to date while verdicts are
    carried out.

    By monitor: the unresolved one, and the last. By incident: the last step on its timeline. `spells` are those in
    which we could not listen, `opened` and `steps` what is still to be written.
    """

    class_: str
    unresolved: dict[UUID, Incident]
    last: dict[UUID, Incident]
    latest_step: dict[UUID, IncidentEvent | Step]
    spells: Sequence[BlindSpell]
    opened: list[Incident] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def note(self, step: Step) -> None:
        """Keep `step` for the timeline, to be written with the others."""
        self.steps.append(step)
        self.latest_step[step.incident_id] = step


def read(
    monitor_ids: Collection[UUID], blind_within: tuple[datetime, datetime] | None = None, class_: str = OUTAGE
) -> Book:
    """What is known of the incidents of `monitor_ids`, and when we could not listen within a stretch of time."""
    open_ones = db.session.execute(unresolved(monitor_ids, class_)).scalars().all()
    last = db.session.execute(_last(monitor_ids, class_)).scalars()
    steps = db.session.execute(_latest_steps([one.id for one in open_ones])).scalars() if open_ones else ()
    return Book(
        class_=class_,
        unresolved={one.monitor_id: one for one in open_ones},
        last={one.monitor_id: one for one in last},
        latest_step={step.incident_id: step for step in steps},
        spells=_spells(*blind_within) if blind_within else (),
    )


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


def unresolved(monitor_ids: Collection[UUID], *classes: str) -> Select[Incident]:
    """The incidents of `classes` that nobody and nothing has resolved yet: of each, one a monitor at most."""
    return select(Incident).where(
        among(Incident.monitor_id, monitor_ids), Incident.class_.in_(classes), Incident.resolved_at.is_(None)
    )


def _last(monitor_ids: Collection[UUID], class_: str) -> Select[Incident]:
    """Each monitor reads its index from the end."""
    latest = (
        select(Incident)
        .where(Incident.monitor_id == Monitor.id, Incident.class_ == class_)
        .order_by(Incident.opened_at.desc(), Incident.id.desc())
        .limit(1)
        .lateral()
    )
    return (
        select(aliased(Incident, latest))
        .select_from(Monitor)
        .join(latest, true())
        .where(among(Monitor.id, monitor_ids))
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
    return whole.where(among(Incident.id, incident_ids))


def close(
    note: Callable[[Step], object], incident: Incident, at: datetime, by: Actor, row: MonitorRow, words: str,
    *, by_person: bool, detail: Mapping[str, Any] | None = None,
) -> News:  # fmt: skip
    """It is over at `at`, in `words`; `note` keeps the step of its timeline. The news of it."""
    # An incident can't end before it began, whatever order pings arrive in.
    at = max(at, incident.last_opened_at)
    incident.status = "resolved"
    incident.resolved_at = at
    incident.resolved_by = by.name
    incident.resolved_by_person = by_person
    note(timeline.step(incident.id, "resolved", at, by, words, detail))
    return News(incident, row, "resolved", at)


def _spells(since: datetime, until: datetime) -> Sequence[BlindSpell]:
    """The earliest first."""
    statement = select(BlindSpell).where(BlindSpell.ended_at > since, BlindSpell.started_at < until)
    return db.session.execute(statement.order_by(BlindSpell.started_at)).scalars().all()
