"""The page of an incident: all that it shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from tokiflow import errors
from tokiflow.core import ids, sentences
from tokiflow.core.status import Kind
from tokiflow.models import Incident, Run
from tokiflow.queries import (
    alerts,
    channels,
    follow_ups,
    incident_relatives,
    memberships,
    monitors,
    routing,
    runs,
    timelines,
)
from tokiflow.web import (
    incident_chart,
    incident_past,
    monitor_facts,
    output_lines,
    outputs,
    steps,
    tellings,
    trials,
    troubles,
)

STEPS = 30
"""How much of a timeline is shown unless all of it is asked for."""
ALL = 5_000
LINES = 20


def context(incident: Incident, reader: UUID, now: datetime, *, whole: bool) -> dict[str, Any]:
    """What its templates are given, as `reader` may see it; with the `whole` timeline, or only its latest steps."""
    story = timelines.story(incident.id, ALL if whole else STEPS)
    told = alerts.of_incident(incident.id)
    sent = [one.delivery for record in told for one in record.deliveries if trials.arrived(one.delivery)]
    promised = follow_ups.of_incident(incident.id)
    rules = routing.of([incident.organization_id])[incident.organization_id]
    everybody = channels.of_organization(incident.organization_id)
    bad = bad_run(incident, story)
    kept = outputs.fetch(bad)
    telling = tellings.tellings(told, now)
    people = memberships.names(incident.organization_id)
    has_it = next((name for id, name, _ in people if id == incident.assigned_to), "")
    others = incident_relatives.others(incident)
    return {
        "incident": incident,
        "advice": sentences.advice(Kind(incident.kind)),
        "trouble": troubles.of(incident, now, sent, has_it),
        "mine": incident.assigned_to == reader,
        "assignees": incident_past.assignees(people, incident, reader),
        "first_told_at": min((one.sent_at for one in sent if one.sent_at), default=None),
        "monitor": monitor_facts.of(incident.monitor, monitors.strips([incident.monitor_id])[incident.monitor_id], now),
        "steps": steps.timeline(story.steps, told, whole=story.count <= len(story.steps), reader=reader),
        "steps_left_out": story.count - len(story.steps),
        "chart": incident_chart.of(incident, now),
        "run": bad,
        "run_id": ids.public("run", bad.id) if bad else "",
        "kept": kept,
        "last_lines": output_lines.tail(kept.output, LINES) if kept.output else [],
        "tellings": telling,
        "tellings_standing": tellings.standing(telling),
        "untold": tellings.untold(incident, everybody, told, promised, rules),
        "coming": tellings.coming(promised, everybody, rules),
        "related": incident_past.related(others.related, incident),
        "past": incident_past.read(others.similar),
    }


def bad_run(incident: Incident, story: timelines.Story) -> Run | None:
    """The latest run that is part of the trouble, if it is kept and not just a silence."""
    if story.last_run is None:
        return None
    try:
        return runs.get(incident.monitor_id, ids.parse("run", story.last_run))
    except errors.NotFound:
        return None
