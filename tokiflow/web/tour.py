"""The two-minute tour as templates get it: how far it is, read from what really happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import session, url_for

from tokiflow.core import durations, ids
from tokiflow.core.status import Status
from tokiflow.models import Delivery, Incident, Monitor
from tokiflow.queries import alerts, incidents, monitors
from tokiflow.web import monitor_list, snippets, troubles

SHOWN_FOR = timedelta(hours=12)
_STARTED, _DISMISSED = "tour", "tour_dismissed"


@dataclass(frozen=True)
class Countdown:
    """From the last ping to the alarm, in percent of the way: where late begins, and where the time is now."""

    late_from: float
    at: float
    words: str
    late: bool
    down: bool


@dataclass(frozen=True)
class Tour:
    """`step` is 1 to 5; steps before it are done. At 6 everything is."""

    step: int
    monitor_name: str = ""
    schedule: str = ""
    grace: str = ""
    monitor_url: str = ""
    line: str = ""
    pings: int = 0
    last_ping_at: datetime | None = None
    countdown: Countdown | None = None
    incident_url: str = ""
    said: str = ""
    told: Sequence[Delivery] = ()
    waiting: Sequence[Delivery] = ()
    recovered: bool = False


def read(organization_id: UUID, monitor_count: int, now: datetime) -> Tour | None:
    """How far the tour of the organization is; None where it is over or was never wanted."""
    if dismissed(organization_id):
        return None
    if not monitor_count:
        return Tour(1)
    monitor = _monitor(organization_id, monitor_count, now)
    return _of(monitor, now) if monitor else None


def remember(organization_id: UUID, monitor_id: UUID) -> None:
    """This monitor is the tour's."""
    session[_STARTED] = {**session.get(_STARTED, {}), str(organization_id): str(monitor_id)}
    session[_DISMISSED] = [one for one in session.get(_DISMISSED, ()) if one != str(organization_id)]


def dismiss(organization_id: UUID) -> None:
    """No more of it for this person here."""
    session[_DISMISSED] = [*session.get(_DISMISSED, ())[-20:], str(organization_id)]


def dismissed(organization_id: UUID) -> bool:
    """Whether this person has had enough of it."""
    return str(organization_id) in session.get(_DISMISSED, ())


def _monitor(organization_id: UUID, monitor_count: int, now: datetime) -> Monitor | None:
    """The tour's monitor: the one this browser began with, or the only one there is while it is young."""
    remembered = session.get(_STARTED, {}).get(str(organization_id))
    if remembered:
        found = monitors.find(organization_id, UUID(remembered))
        if found:
            return found
    if monitor_count != 1:
        return None
    (only,) = monitors.page(organization_id, monitors.Filter(), now, limit=1) or (None,)
    return only if only and now - only.created_at < SHOWN_FOR else None


def _of(monitor: Monitor, now: datetime) -> Tour:
    incident = next(iter(incidents.of_monitor(monitor.id, 1)), None)
    deliveries = alerts.deliveries([incident.id])[incident.id] if incident else []
    # Of each channel the first: the second tells that it is over.
    told = list({one.channel_id: one for one in reversed(deliveries) if one.sent_at}.values())[::-1]
    return Tour(
        step=_step(monitor, incident, told),
        monitor_name=monitor.name,
        schedule=monitor_list.schedule_words(monitor),
        grace=durations.words(monitor.grace_seconds),
        monitor_url=url_for("monitors.show", monitor_id=ids.public("mon", monitor.id)),
        line=f"curl -fsS {snippets.ping_url(monitor)}",
        pings=monitor.ping_count,
        last_ping_at=monitor.last_ping_at,
        countdown=_countdown(monitor, now),
        incident_url=url_for("incidents.show", incident_id=ids.public("inc", incident.id)) if incident else "",
        said=troubles.sentence(incident, now) if incident else "",
        told=told,
        waiting=[one for one in deliveries if one.status == "pending"],
        recovered=bool(incident and incident.resolved_at),
    )


def _step(monitor: Monitor, incident: Incident | None, told: Sequence[Delivery]) -> int:
    if incident and incident.resolved_at:
        return 6
    if incident:
        return 5 if told else 4
    return 3 if monitor.last_ping_at else 2


def _countdown(monitor: Monitor, now: datetime) -> Countdown | None:
    """How the silence grows: from the last ping over `due` to the deadline."""
    if monitor.last_ping_at is None or monitor.due_at is None or monitor.deadline_at is None:
        return None
    whole = (monitor.deadline_at - monitor.last_ping_at).total_seconds()
    if whole <= 0:
        return None
    silent = (now - monitor.last_ping_at).total_seconds()
    late_from = 100 * (monitor.due_at - monitor.last_ping_at).total_seconds() / whole
    down = monitors.shown_status(monitor, now) is Status.DOWN or silent >= whole
    return Countdown(
        late_from=round(late_from, 1),
        at=round(min(100.0, max(0.0, 100 * silent / whole)), 1),
        words=_silence(monitor, now, down=down),
        late=monitor.due_at <= now,
        down=down,
    )


def _silence(monitor: Monitor, now: datetime, *, down: bool) -> str:
    assert monitor.due_at is not None
    assert monitor.deadline_at is not None
    if down:
        return "It is down: an incident opens."
    if monitor.due_at <= now:
        return f"Late. Down in {durations.words(max(0, (monitor.deadline_at - now).total_seconds() // 1))}."
    return f"The next ping is expected in {durations.words(max(0, (monitor.due_at - now).total_seconds() // 1))}."
