"""The tables of pages as CSV: sent at once if they are short, else made by a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash, request, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.roles import Right
from tokiflow.queries import incidents, monitors, runs
from tokiflow.services import exports
from tokiflow.services.exporting import incidents as incidents_csv
from tokiflow.services.exporting import monitors as monitors_csv
from tokiflow.services.exporting import runs as runs_csv
from tokiflow.web import access, frame, htmx, incident_list, monitor_list, named

blueprint = Blueprint("tables", __name__, url_prefix="/app/tables")


@blueprint.post("/monitors")
@access.requires(Right.SEE)
def of_monitors() -> ResponseReturnValue:
    """The list of monitors as its page shows it, as CSV."""
    organization_id, now = access.organization().id, frame.now()
    wanted = monitor_list.wanted(request.form).filter
    kept = monitors_csv.to_json(wanted)
    if monitors.count(organization_id, wanted, now) > monitors_csv.SMALL:
        return _by_job("monitors", kept)
    lines = monitors_csv.lines(organization_id, wanted, now)
    return _at_once("monitors", kept, lines, monitors_csv.filename(organization_id, now))


@blueprint.post("/incidents")
@access.requires(Right.SEE)
def of_incidents() -> ResponseReturnValue:
    """The list of incidents as its page shows it, as CSV."""
    organization_id, now = access.organization().id, frame.now()
    asked = incident_list.understand(organization_id, request.form, access.user().id, now)
    if asked.wanted is None:
        flash(" ".join(asked.mistakes), "warning")
        return htmx.see_other(incident_list.url(asked.choice))
    wanted = replace(asked.wanted, until=asked.wanted.until or now)
    if incidents.count(organization_id, wanted) > incidents_csv.SMALL:
        return _by_job("incidents", wanted.to_json())
    lines = incidents_csv.lines(organization_id, wanted)
    return _at_once("incidents", wanted.to_json(), lines, incidents_csv.filename(organization_id, now))


@blueprint.post("/runs")
@access.requires(Right.SEE)
def of_runs() -> ResponseReturnValue:
    """All runs of the monitor that the form names, as CSV."""
    whose, now = request.form.get("monitor", ""), frame.now()
    if not whose:
        raise errors.Invalid({"monitor": ["is missing; say whose runs you want"]})
    monitor = named.monitor(whose)
    kept = {"monitor": str(monitor.id), "name": monitor.name}
    if runs.count(monitor.id, now, most=runs_csv.SMALL + 1) > runs_csv.SMALL:
        return _by_job("runs", kept)
    called = runs_csv.filename(monitor, now)
    return _at_once("runs", kept, runs_csv.lines(named.monitor(whose), now), called)


def _by_job(kind: str, wanted: Mapping[str, Any]) -> Response:
    made = exports.ask(kind, access.actor(), access.organization().id, wanted, frame.now())
    return htmx.see_other(url_for("exports.show", export_id=ids.public("exp", made)))


def _at_once(kind: str, wanted: Mapping[str, Any], lines: Iterator[str], called: str) -> Response:
    exports.note(kind, access.actor(), access.organization().id, wanted, frame.now())
    # Whole, as it is short: what goes wrong then is an error page, and not half a file that looks like all of it.
    answer = Response("".join(lines), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{called}"'
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer
