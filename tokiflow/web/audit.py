"""The audit log: who did what, when, from where, and what it changed."""

from __future__ import annotations

from flask import Blueprint, Response, request, url_for

from tokiflow.core import ids
from tokiflow.core.roles import Right
from tokiflow.services import exports
from tokiflow.web import access, audit_log, frame, htmx

blueprint = Blueprint("audit", __name__, url_prefix="/app/settings/audit-logs")


@blueprint.get("")
@access.requires(Right.SEE_AUDIT)
def index() -> Response:
    """The organization's log, narrowed down as the address says."""
    found = audit_log.read(access.organization().id, request.args)
    answer = htmx.page("audit/index.html", "audit/_log.html", log=found)
    # The form sends every field; the address shows only those that say something.
    return htmx.push(answer, found.url) if htmx.is_htmx() else answer


@blueprint.post("/export")
@access.requires(Right.SEE_AUDIT)
def export() -> Response:
    """Ask for all that the page shows, as a file."""
    wanted = audit_log.wish(audit_log.understood(request.form)).to_json()
    made = exports.ask("audit", access.actor(), access.organization().id, wanted, frame.now())
    return htmx.see_other(url_for("exports.show", export_id=ids.public("exp", made)))
