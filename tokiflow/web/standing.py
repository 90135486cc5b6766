"""How a monitor stands, as the first line of its page says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from tokiflow.core import durations, ids
from tokiflow.core.schedule import zones
from tokiflow.core.status import Status
from tokiflow.models import Incident, Monitor, Run
from tokiflow.queries import incidents, monitors, runs
from tokiflow.web import filters, troubles

LATEST = 5
"""So many runs and incidents are looked at: some may go on."""


@dataclass(frozen=True)
class Standing:
    """Status, then sentences: `said` is what was, `expected` what comes. `incident_url` is empty while all is well."""

    status: str
    running: bool
    said: str
    expected: str
    incident_url: str
    never_pinged: bool


def of(monitor: Monitor, last: Run | None, trouble: Incident | None, now: datetime) -> Standing:
    """How `monitor` stands, given its `last` finished run and its unresolved incident."""
    status = monitors.shown_status(monitor, now)
    public = ids.public("inc", trouble.id) if trouble else ""
    return Standing(
        status=status.value,
        running=monitor.running > 0,
        said=_said(monitor, status, last, trouble, now),
        expected="" if status is Status.PAUSED else _expected(monitor, status, now),
        incident_url=url_for("incidents.show", incident_id=public) if public else "",
        never_pinged=monitor.last_ping_at is None,
    )


def read(monitor: Monitor, now: datetime) -> Standing:
    """The same for whoever knows nothing but the monitor. Two statements."""
    last = next((run for run in runs.latest(monitor.id, LATEST) if run.finished_at), None)
    trouble = next((one for one in incidents.of_monitor(monitor.id, LATEST) if one.resolved_at is None), None)
    return of(monitor, last, trouble, now)


def _said(monitor: Monitor, status: Status, last: Run | None, trouble: Incident | None, now: datetime) -> str:
    if status is Status.PAUSED:
        return _paused(monitor)
    if monitor.last_ping_at is None and status is Status.NEW:
        return "Waiting for its first ping."
    if status is Status.DOWN and trouble:
        words = troubles.sentence(trouble, now).rstrip(".")
        return f"{words[:1].upper()}{words[1:]}."
    if status is Status.LATE:
        return _late(monitor, now)
    if last and last.outcome in ("failed", "overran"):
        ending = "Failed" if last.outcome == "failed" else "Ran too long"
        return f"{ending} {filters.ago(last.finished_at or last.at)}, which is not yet enough to call it down."
    if last and last.duration_ms is not None:
        took = durations.words(last.duration_ms / 1000)
        return f"Ran {filters.ago(last.finished_at or last.at)} in {took}."
    return f"Pinged {filters.ago(monitor.last_ping_at)}."


def _paused(monitor: Monitor) -> str:
    by = f" by {monitor.paused_by}" if monitor.paused_by else ""
    since = f" {filters.ago(monitor.paused_at)}" if monitor.paused_at else ""
    end = f"until {filters.clock(monitor.paused_until)}" if monitor.paused_until else "until somebody resumes it"
    return f"Paused{by}{since}, {end}. Silence alarms nobody meanwhile."


def _late(monitor: Monitor, now: datetime) -> str:
    if monitor.due_at is None or monitor.due_at > now:
        missed = filters.count(monitor.misses, "ping")
        return f"{missed} missed in a row; it is down after {monitor.failures_to_open}."
    late = durations.words((now - monitor.due_at).total_seconds())
    return f"Should have pinged at {when(monitor.due_at, monitor.schedule_timezone)}, {late} ago."


def _expected(monitor: Monitor, status: Status, now: datetime) -> str:
    """What comes next, and when silence becomes trouble."""
    if monitor.due_at is None or monitor.deadline_at is None:
        return ""
    deadline = filters.clock(monitor.deadline_at)
    if monitor.due_at > now:
        return f"Next expected {when(monitor.due_at, monitor.schedule_timezone)}, down at {deadline}."
    if status is Status.DOWN or monitor.deadline_at <= now:
        return ""
    return f"Down at {deadline} unless it pings."


def when(at: datetime, timezone: str) -> str:
    """The moment for the viewer, and in the schedule's zone where its clocks show another time.

    `tomorrow 02:00 in Berlin`; for a viewer elsewhere `tomorrow 01:00, which is 02:00 in Berlin`.
    """
    mine = filters.clock(at)
    if not timezone:
        return mine
    there, here = at.astimezone(zones.zone(timezone)), at.astimezone(filters.viewer().zone)
    place = zones.city(timezone)
    if there.utcoffset() == here.utcoffset():
        return f"{mine} in {place}"
    day = "" if there.date() == here.date() else f"{there:%a} "
    return f"{mine}, which is {day}{there:%H:%M} in {place}"
