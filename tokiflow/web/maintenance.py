"""Maintenance: when trouble is expected, and nobody is told of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, flash, render_template, request, url_for

from tokiflow.core import ids, maintenance
from tokiflow.core.roles import Right
from tokiflow.core.schedule import zones
from tokiflow.models import MaintenanceWindow
from tokiflow.queries import audit, monitors
from tokiflow.queries import maintenance as read
from tokiflow.services import maintenance as service
from tokiflow.web import access, filters, frame, htmx, named, window_editor, windows

blueprint = Blueprint("maintenance", __name__, url_prefix="/app/maintenance")

COVERED = 20


@blueprint.get("")
@access.requires(Right.SEE)
def index() -> Response:
    """Every window: what runs now, what comes next, what is over."""
    found = read.of_organization(access.organization().id, frame.now(), windows.AHEAD)
    return htmx.page(
        "maintenance/index.html", "maintenance/_list.html", rows=windows.rows(found, frame.now()), part=htmx.is_htmx()
    )


@blueprint.get("/<window_id>")
@access.requires(Right.SEE)
def show(window_id: str) -> Response:
    """One window: when it is, what it covers, and whether its calendar can be read."""
    return htmx.page(
        "maintenance/show.html", "maintenance/_window.html", part=htmx.is_htmx(), **_context(named.window(window_id))
    )


@blueprint.route("/new", methods=["GET", "POST"])
@access.requires(Right.EDIT_MONITORS)
def new() -> Response:
    """The form for a new window; `?monitor=` names the one it is for."""
    about = request.args.get("monitor", "")
    monitor = named.monitor(about) if about else None
    editor = window_editor.for_new(access.organization().id, access.user(), monitor, frame.now())

    def save() -> Response:
        planned = service.create(editor.organization_id, editor.values, access.actor(), frame.now())
        return htmx.see_other(url_for("maintenance.show", window_id=ids.public("mnt", planned)))

    return editor.answer(save)


@blueprint.route("/<window_id>/edit", methods=["GET", "POST"])
@access.requires(Right.EDIT_MONITORS)
def edit(window_id: str) -> Response:
    """The form with what is known of the window."""
    window = named.window(window_id)
    editor = window_editor.for_known(window, frame.now())

    def save() -> Response:
        service.edit(window.id, editor.values, access.actor(), frame.now(), editor.version)
        flash(f"Saved {editor.values['name']}.", "success")
        return htmx.see_other(_url(window))

    return editor.answer(save, again=lambda: named.window(window_id))


@blueprint.get("/preview")
@access.requires(Right.EDIT_MONITORS)
def preview() -> str:
    """When the window being typed is, and what it covers. Nothing is written."""
    found = window_editor.preview(access.organization().id, request.args, access.user(), frame.now())
    return render_template("maintenance/_preview.html", preview=found)


@blueprint.post("/<window_id>/end")
@access.requires(Right.EDIT_MONITORS)
def end(window_id: str) -> Response:
    """What runs now is over."""
    window = named.window(window_id)
    service.end(window.id, access.actor(), frame.now())
    flash("Ended. Whoever is still in trouble is told of now.", "success")
    return htmx.see_other(_url(window))


@blueprint.post("/<window_id>/read")
@access.requires(Right.EDIT_MONITORS)
def read_again(window_id: str) -> Response:
    """Read its calendar now."""
    window = named.window(window_id)
    service.read_again(window.id, frame.now())
    flash("The calendar is being read; this page shows what came of it.", "success")
    return htmx.see_other(_url(window))


@blueprint.route("/<window_id>/delete", methods=["GET", "POST"])
@access.requires(Right.EDIT_MONITORS)
def delete(window_id: str) -> Response:
    """Count what would change, then delete it."""
    window = named.window(window_id)
    if request.method == "GET":
        return htmx.page("maintenance/delete.html", "maintenance/_delete.html", **_context(window))
    name = window.name
    service.delete(window.id, access.actor(), frame.now())
    flash(f"Deleted {name}.", "success")
    return htmx.see_other(url_for("maintenance.index"))


def _context(row: MaintenanceWindow) -> dict[str, Any]:
    now = frame.now()
    window = read.window(row, now, windows.AHEAD)
    draft = read.draft_of(row, window.monitor_ids)
    total, covered = read.covered(row.organization_id, draft, COVERED)
    lines = windows.lines(windows.occurrences(window.plan, now), row.timezone, now)
    names = {one.id: one.name for one in covered}
    return {
        "window": row,
        "standing": windows.row(window, names, now),
        "lines": lines,
        "city": zones.city(row.timezone),
        "my_zone": zones.city(filters.zone_key()) if any(line.mine for line in lines) else "",
        "host": urlsplit(row.ical_url).hostname or "",
        "total": total,
        "covered": [
            (
                url_for("monitors.show", monitor_id=ids.public("mon", one.id)),
                one.name,
                monitors.shown_status(one, now).value,
            )
            for one in covered
        ],
        "deed": next(iter(audit.of_object(row.organization_id, row.id, 1)), None),
        "waiting": read.count_held(row.organization_id) if maintenance.covering(window.plan, now) else 0,
    }


def _url(window: MaintenanceWindow) -> str:
    return url_for("maintenance.show", window_id=windows.public_id(window))
