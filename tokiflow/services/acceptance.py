"""A person says of something unusual that it is not a problem: it is known from then on, and what is open ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.anomaly import Told
from tokiflow.core.judgement import Notebook
from tokiflow.core.status import Kind
from tokiflow.db import db, transaction
from tokiflow.models import IncidentEvent, Monitor, Run
from tokiflow.services import audit, baseline_rows, incident_rows, incidents, monitor_rows, timeline
from tokiflow.services.incident_rows import PERFORMANCE

log = structlog.get_logger()

UNUSUAL = frozenset({Kind.ANOMALY.value, Kind.DEGRADED.value})

Values = Mapping[str, Sequence[float]]
"""By measure: what it was."""


def accept_incident(incident_id: UUID, by: Actor, now: datetime) -> None:
    """All that this incident is about is no problem: it teaches, and the incident resolves. Of one that is resolved it
    still teaches; again does nothing. Raises Conflict for an outage."""
    with transaction():
        incident, row = incident_rows.locked(incident_id)
        if incident.class_ != PERFORMANCE:
            raise errors.Conflict("Only what is unlike the usual can be no problem. This one is an outage: resolve it.")
        steps = _steps(incident.id)
        if any(step.detail.get("not_a_problem") and step.at >= incident.last_opened_at for step in steps):
            return
        told = [step for step in steps if step.detail.get("value") is not None]
        _teach(row, _by_measure((step.detail["measure"], one) for step in told for one in timeline.values(step.detail)))
        if told:
            _mark(_unusual_runs(row, min(step.at for step in told), max(step.last_at for step in told)), by)
        incidents.end_as_no_problem(incident, row, by, now)


def accept_run(monitor_id: UUID, run_id: UUID, by: Actor, now: datetime) -> None:
    """What was unusual about this run is no problem: it teaches, and what is open of it resolves unless something else
    is unusual too. Again does nothing. Raises Conflict if nothing was unusual about it."""
    with transaction():
        row = monitor_rows.locked(monitor_id)
        run = db.session.execute(select(Run).where(Run.id == run_id, Run.monitor_id == monitor_id)).scalar_one()
        unusual = [one for one in run.findings or () if one["kind"] in UNUSUAL]
        if not unusual:
            raise errors.Conflict("Nothing about this run was unusual.")
        if all(one.get("accepted_by") for one in unusual):
            return
        others = _teach(row, _by_measure((one["measure"], one["value"]) for one in unusual))
        _mark([run], by)
        audit.record(
            "monitor.not_a_problem", by, row.organization_id, now, object_id=row.id, object_name=row.name,
            after={"run": ids.public("run", run.id), "words": "; ".join(one["words"] for one in unusual)},
        )  # fmt: skip
        incident = db.session.execute(incident_rows.unresolved([row.id], PERFORMANCE)).scalar_one_or_none()
        if incident and not others:
            incidents.end_as_no_problem(incident, row, by, now)


def _steps(incident_id: UUID) -> Sequence[IncidentEvent]:
    statement = select(IncidentEvent).where(IncidentEvent.incident_id == incident_id)
    return db.session.execute(statement.order_by(IncidentEvent.id)).scalars().all()


def _by_measure(told: Iterable[tuple[str, float]]) -> Values:
    found: dict[str, list[float]] = {}
    for measure, value in told:
        found.setdefault(measure, []).append(value)
    return found


def _teach(row: Monitor, values: Values) -> bool:
    """Whether another measure than these is told of and not over."""
    known = baseline_rows.locked(row.id)
    notebook = Notebook()
    try:
        notebook.read(known.measures if known else {})
    except ValueError:
        # Learnt anew from its runs soon, and from what people said of them.
        log.warning("baseline_unreadable", monitor=str(row.id))
        return False
    for measure, some in values.items():
        for value in (min(some), max(some)):
            notebook.accept(measure, value)
    if known:
        known.measures = notebook.to_dict()
        db.session.flush()
    return any(state.told is not Told.NOTHING for measure, state in notebook.states.items() if measure not in values)


def _unusual_runs(row: Monitor, first: datetime, last: datetime) -> Sequence[Run]:
    """Those of the monitor that finished from `first` up to and with `last`: a step may stand for many."""
    lately = Run.at >= first - baseline_rows.LONGEST_RUN, Run.finished_at >= first, Run.finished_at <= last
    found = select(Run).where(Run.monitor_id == row.id, Run.findings.is_not(None), *lately)
    return db.session.execute(found).scalars().all()


def _mark(runs: Iterable[Run], by: Actor) -> None:
    """A run's page says who said so, and asks nobody else."""
    marked = [
        {
            "id": run.id,
            "at": run.at,
            "findings": [{**one, "accepted_by": by.name} if one["kind"] in UNUSUAL else one for one in run.findings],
        }
        for run in runs
        if run.findings
    ]
    baseline_rows.save_findings(marked)
