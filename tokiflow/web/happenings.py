"""What happened to a monitor: its incidents' steps and what people did to it, on one timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for

from tokiflow.core import ids
from tokiflow.models import AuditEvent, Incident, Monitor
from tokiflow.queries import audit, timelines
from tokiflow.web import filters, steps

MOST = 12


@dataclass(frozen=True)
class Happening:
    """One entry: `kind` is a status or empty. `url` leads to the incident, if it was one."""

    at: datetime
    kind: str
    what: str
    by: str
    quote: str
    url: str


def of(monitor: Monitor) -> list[Happening]:
    """The latest happenings, newest first."""
    told = timelines.of_monitor(monitor.id, MOST)
    said = [_of_incident(steps.of_event(event), incident) for event, incident in told]
    done = [_of_audit(event) for event in audit.of_object(monitor.organization_id, monitor.id, MOST)]
    return sorted([*said, *done], key=lambda one: one.at, reverse=True)[:MOST]


def _of_incident(step: steps.Step, incident: Incident) -> Happening:
    times = f", {step.times} times" if step.times > 1 else ""
    url = url_for("incidents.show", incident_id=ids.public("inc", incident.id))
    return Happening(step.last_at or step.at, step.mark, step.words + times, step.by, step.said, url)


_DEEDS = {
    "monitor.created": ("new", "Created"),
    "monitor.edited": ("", "Edited"),
    "monitor.paused": ("paused", "Paused"),
    "monitor.resumed": ("up", "Resumed"),
    "monitor.token_rotated": ("", "New ping URL"),
    "monitor.new_usual": ("", "New usual: "),
    "monitor.not_a_problem": ("", "Said not to be a problem: "),
}


def _of_audit(event: AuditEvent) -> Happening:
    kind, what = _DEEDS.get(event.what, ("", event.what.partition(".")[2].replace("_", " ").capitalize()))
    return Happening(event.at, kind, what + _details(event), event.by, "", "")


def _details(event: AuditEvent) -> str:
    if event.what == "monitor.edited":
        return f": {', '.join(words_of(name) for name in event.after)}" if event.after else ""
    if event.what in ("monitor.new_usual", "monitor.not_a_problem"):
        return str(event.after.get("words", ""))
    until = _moment(event.after)
    return f" until {filters.clock(until)}" if event.what == "monitor.paused" and until else ""


def _moment(after: Mapping[str, Any]) -> datetime | None:
    text = after.get("until")
    return datetime.fromisoformat(text) if isinstance(text, str) else None


_WORDS = {
    "schedule_kind": "kind of schedule",
    "schedule_seconds": "interval",
    "schedule_expression": "schedule",
    "schedule_timezone": "time zone",
    "grace_seconds": "grace",
    "max_runtime_seconds": "longest run time",
    "early_tolerance_seconds": "early tolerance",
    "failures_to_open": "when it counts as down",
    "successes_to_resolve": "when it counts as up",
    "overlaps_allowed": "whether runs may overlap",
    "capture_output": "keeping output",
    "sensitivity": "how far from usual is told",
    "own_channels": "who hears of it",
    "channels": "channels",
    "depends_on": "what it depends on",
}


def words_of(column: str) -> str:
    """What a column of `monitors` is called on pages."""
    return _WORDS.get(column, column.replace("_", " "))
