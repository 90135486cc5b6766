"""What the frame around every page knows: who, where, how things stand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, g
from flask_login import current_user

from tokiflow.core.roles import Right
from tokiflow.core.status import Status
from tokiflow.queries import incidents, monitors, organizations, system
from tokiflow.web import access, filters

_WORST_FIRST = (Status.DOWN, Status.LATE, Status.UP, Status.PAUSED)


def init_app(app: Flask) -> None:
    """Fix the moment and the zone of each request, and give templates what the frame shows."""

    @app.before_request
    def look() -> None:
        g.now = datetime.now(UTC)
        zone = current_user.timezone if current_user.is_authenticated else ""
        filters.look(g.now, ZoneInfo(zone or "UTC"))

    app.context_processor(_context)
    app.jinja_env.globals.update(may=access.may, Right=Right)


def now() -> datetime:
    """The moment of this request, the same for all it does."""
    moment: datetime = g.now
    return moment


def _context() -> dict[str, Any]:
    context: dict[str, Any] = {"now": g.get("now") or datetime.now(UTC), "system_notice": ""}
    if "membership" not in g:
        return context | {
            "current_organization": None,
            "organizations": [],
            "open_incident_count": 0,
            "overall_status": "new",
        }
    organization = access.organization()
    counts = monitors.count_by_status(organization.id, now())
    return context | {
        "current_organization": organization,
        "organizations": [one.organization for one in organizations.memberships(access.user().id)],
        "open_incident_count": incidents.count_unresolved(organization.id),
        "overall_status": next((status.value for status in _WORST_FIRST if counts[status]), "new"),
        "system_notice": _system_notice(),
    }


def _system_notice() -> str:
    """What an owner should know about Tokiflow itself."""
    if not access.may(Right.EDIT_ORGANIZATION):
        return ""
    silent = system.silent_processes(now())
    if "clock" in silent:
        return "Tokiflow's clock is not running: missed jobs are not noticed. Start it with: tokiflow clock"
    if "worker" in silent:
        return "Tokiflow's worker is not running: alerts wait to be sent. Start it with: tokiflow worker"
    if system.blind_since() is not None:
        return "Tokiflow could not listen for a while. Deadlines that pass meanwhile get that time back."
    return ""
