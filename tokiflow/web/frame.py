"""What the frame around every page knows: who, where, how things stand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g, has_request_context, request, url_for
from flask_login import current_user

from tokiflow.adapters.spool import SpoolFolder
from tokiflow.core.roles import Right
from tokiflow.core.schedule import zones
from tokiflow.core.status import Status
from tokiflow.queries import system, tallies
from tokiflow.settings import Settings
from tokiflow.web import access, filters, local

ZONE_COOKIE = "tokiflow_zone"
_WORST_FIRST = (Status.DOWN, Status.LATE, Status.UP, Status.PAUSED)


def init_app(app: Flask) -> None:
    """Fix the moment and the zone of each request, and give templates what the frame shows."""

    @app.before_request
    def look() -> None:
        filters.look(now(), _zone())

    app.context_processor(_context)
    app.jinja_env.globals.update(may=access.may, here=access.here, Right=Right, known_endpoints=app.view_functions.keys)


def now() -> datetime:
    """The moment of this request, the same for all it does."""
    if "now" not in g:
        g.now = datetime.now(UTC)
    moment: datetime = g.now
    return moment


def counts() -> Mapping[Status, int]:
    """How many monitors of the current organization have each status; counted once for a request."""
    if "counts" not in g:
        know(*tallies.of_organization(access.organization().id, now()))
    known: Mapping[Status, int] = g.counts
    return known


def know(counts: Mapping[Status, int], unresolved: int) -> None:
    """A page has counted monitors by status, and incidents that are not resolved: the frame need not do it again."""
    g.counts, g.unresolved = counts, unresolved


def _zone() -> ZoneInfo:
    """The zone the person chose; until they have, the one their browser says it is in (js/times.js)."""
    if request.endpoint == "static":
        # Twenty files to a page: none of them is worth asking who wants it.
        return zones.zone("UTC")
    chosen = current_user.timezone if current_user.is_authenticated else ""
    told = request.cookies.get(ZONE_COOKIE, "")
    return zones.zone(chosen or (told if zones.exists(told) else "UTC"))


def _context() -> dict[str, Any]:
    context: dict[str, Any] = {
        "now": now(),
        "system_notice": "",
        "outbox_url": _outbox_url(),
    }
    if "membership" not in g:
        return context | {
            "current_organization": None,
            "organizations": [],
            "open_incident_count": 0,
            "overall_status": "new",
        }
    organization = access.organization()
    known = counts()
    return context | {
        "current_organization": organization,
        "organizations": access.organizations_of_user(),
        "open_incident_count": g.unresolved,
        "overall_status": next((status.value for status in _WORST_FIRST if known[status]), "new"),
        "system_notice": _system_notice(),
    }


def _outbox_url() -> str:
    """Where mail can be read that is not really sent: in development without a mail server, on this machine."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    sends = settings.production or settings.smtp_url or settings.resend_api_key or settings.data_dir is None
    return "" if sends or not has_request_context() or not local.from_this_machine() else url_for("outbox.index")


def _spool_waiting() -> int:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return SpoolFolder(settings.spool, settings.secret_keys).waiting()


def _system_notice() -> str:
    """What an owner should know about Tokiflow itself."""
    if not access.may(Right.EDIT_ORGANIZATION):
        return ""
    known = system.notice(access.organization().id, now())
    if "clock" in known.silent:
        return "Tokiflow’s clock is not running: missed jobs are not noticed. Start it with: tokiflow clock"
    if "worker" in known.silent:
        return "Tokiflow’s worker is not running: alerts wait to be sent. Start it with: tokiflow worker"
    if known.broken:
        return f"The audit log of this organization does not hold. {known.broken[0]}. Its page says more."
    if _spool_waiting():
        return "Pings that came while the database was away wait on this machine’s disk; they are being brought in."
    if known.blind:
        return "Tokiflow could not listen for a while. Deadlines that pass meanwhile get that time back."
    return ""
