"""Monitors: the list, one monitor, and everything people do to one."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, flash, jsonify, render_template, request, url_for

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.roles import Right
from tokiflow.models import Monitor
from tokiflow.queries import analytics, bands, names
from tokiflow.queries import monitors as read
from tokiflow.services import monitors, pings
from tokiflow.web import (
    access,
    filters,
    frame,
    htmx,
    insight_page,
    monitor_editor,
    monitor_figures,
    monitor_list,
    monitor_page,
    named,
    periods,
    picker,
    run_charts,
    snippets,
)
from tokiflow.web.forms.pause import PauseForm

blueprint = Blueprint("monitors", __name__, url_prefix="/app/monitors")


@blueprint.get("")
@access.requires(Right.SEE)
def index() -> Response:
    """All monitors of the organization: search, filters, sorting and pages live in the URL."""
    asked = monitor_list.wanted(request.args)
    found = monitor_list.read(access.organization().id, asked, frame.now())
    return htmx.page("monitors/index.html", "monitors/_list.html", list=found, part=htmx.is_htmx())


@blueprint.get("/<monitor_id>")
@access.requires(Right.SEE)
def show(monitor_id: str) -> Response:
    """One monitor: how it stands, how to ping it, its runs, incidents and figures. `?period=` says of how long."""
    monitor = named.monitor(monitor_id)
    asked = periods.asked(request.args, monitor, "monitors.show", frame.now())
    page = monitor_page.read(monitor, asked, frame.now())
    key = access.organization().ping_key if access.may(Right.EDIT_MONITORS) else None
    return htmx.page(
        "monitors/show.html",
        "monitors/_live.html",
        part=htmx.is_htmx(),
        monitor=monitor,
        page=page,
        ping_line=snippets.ping_line(monitor),
        by_name=snippets.by_name(key, monitor.slug) if key else "",
        is_ambiguous=bool(key) and not htmx.is_htmx() and names.is_ambiguous(monitor),
        snippet_pairs=[(one.place, one.text) for one in snippets.of(monitor)],
    )


@blueprint.get("/<monitor_id>/trend.json")
@access.requires(Right.SEE)
def trend(monitor_id: str) -> Response:
    """What the chart of run times draws, for its script and for programs."""
    monitor = named.monitor(monitor_id)
    asked = periods.asked(request.args, monitor, "monitors.show", frame.now())
    found = analytics.trend(monitor.id, asked.period, frame.now())
    normal = bands.of(monitor.id, found.since).get(bands.RUN_TIME, ())
    return jsonify(run_charts.data(found, normal, monitor.id))


@blueprint.get("/<monitor_id>/insight")
@access.requires(Right.SEE)
def insight(monitor_id: str) -> Response:
    """How the job does over time: health, run times, up time, a year of days, and what was planned and did not come.

    The page of the monitor asks htmx for its figures alone.
    """
    monitor = named.monitor(monitor_id)
    asked = periods.asked(request.args, monitor, "monitors.insight", frame.now())
    if htmx.is_htmx():
        figures = monitor_figures.whole(monitor, asked, frame.now())
        part = "monitors/_figures.html"
        return htmx.page(part, part, monitor_id=monitor_id, asked=asked, figures=figures)
    page = insight_page.read(monitor, asked, frame.now())
    whole = "monitors/insight.html"
    return htmx.page(whole, whole, monitor=monitor, page=page)


@blueprint.route("/new", methods=["GET", "POST"])
@access.requires(Right.EDIT_MONITORS)
def new() -> Response:
    """The form for a new monitor."""
    editor = monitor_editor.for_new(access.organization().id, access.user(), frame.now())

    def save() -> Response:
        return htmx.see_other(
            _url("show", monitors.create(editor.organization_id, editor.values, access.actor(), frame.now()))
        )

    return editor.answer(save)


@blueprint.route("/<monitor_id>/edit", methods=["GET", "POST"])
@access.requires(Right.EDIT_MONITORS)
def edit(monitor_id: str) -> Response:
    """The form with what is known of the monitor."""
    monitor = named.monitor(monitor_id)
    editor = monitor_editor.for_known(monitor, access.user(), frame.now())

    def save() -> Response:
        monitors.edit(monitor.id, editor.values, access.actor(), frame.now(), editor.version)
        flash(f"Saved {editor.values['name']}.", "success")
        return htmx.see_other(_url("show", monitor.id))

    return editor.answer(save, again=lambda: named.monitor(monitor_id))


@blueprint.get("/preview")
@access.requires(Right.EDIT_MONITORS)
def preview() -> str:
    """What the schedule being typed will do. Nothing is written."""
    found = monitor_editor.preview(request.args, access.user(), frame.now())
    return render_template("monitors/_preview.html", preview=found)


@blueprint.get("/choices")
@access.requires(Right.EDIT_MONITORS)
def choices() -> str:
    """Monitors to tick in a form, of those that match what is typed. Nothing is written."""
    name = request.args.get("field", "")
    name = name if name in picker.LABELS else picker.UPSTREAM
    picked = "picked" in request.args
    found = picker.of(
        name,
        access.organization().id,
        request.args.getlist(name),
        "" if picked else request.args.get(f"{name}_words", ""),
        without=picker.key(request.args.get("without", "")),
    )
    return render_template("monitors/_choices.html", p=found, whole=picked)


@blueprint.post("/<monitor_id>/ping")
@access.requires(Right.PING)
def ping(monitor_id: str) -> Response:
    """Send the ping that the job would send."""
    monitor = named.monitor(monitor_id)
    pings.send_test(monitor.id, access.actor(), frame.now())
    flash("Sent a test ping. It counts as a success.", "success")
    return htmx.see_other(_url("show", monitor.id))


@blueprint.route("/<monitor_id>/pause", methods=["GET", "POST"])
@access.requires(Right.EDIT_MONITORS)
def pause(monitor_id: str) -> Response:
    """Ask for how long, then stop judging."""
    monitor = named.monitor(monitor_id)
    form = PauseForm()
    if request.method == "GET":
        return _ask("pause", monitor, form=form)
    try:
        end = form.end(frame.now(), filters.viewer().zone)
        monitors.pause(monitor.id, end, access.actor(), frame.now())
    except errors.Invalid as refused:
        form.take(refused)
        return _ask("pause", monitor, 422, form=form)
    return htmx.see_other(_url("show", monitor.id))


@blueprint.post("/<monitor_id>/resume")
@access.requires(Right.EDIT_MONITORS)
def resume(monitor_id: str) -> Response:
    """Judge again from now on."""
    monitor = named.monitor(monitor_id)
    monitors.resume(monitor.id, access.actor(), frame.now())
    return htmx.see_other(_url("show", monitor.id))


@blueprint.route("/<monitor_id>/rotate-token", methods=["GET", "POST"])
@access.requires(Right.EDIT_MONITORS)
def rotate_token(monitor_id: str) -> Response:
    """Say what a new ping URL means, then make one."""
    monitor = named.monitor(monitor_id)
    if request.method == "GET":
        return _ask("rotate_token", monitor)
    monitors.rotate_token(monitor.id, access.actor(), frame.now())
    flash("This monitor has a new ping URL. Put it into the job: the old one is answered with 404.", "warning")
    return htmx.see_other(_url("show", monitor.id))


@blueprint.route("/<monitor_id>/delete", methods=["GET", "POST"])
@access.requires(Right.EDIT_MONITORS)
def delete(monitor_id: str) -> Response:
    """Count what would go, then delete it."""
    monitor = named.monitor(monitor_id)
    if request.method == "GET":
        return _ask("delete", monitor, contents=read.contents(monitor.id))
    name = monitor.name
    monitors.delete(monitor.id, access.actor(), frame.now())
    flash(f"Deleted {name}.", "success")
    return htmx.see_other(url_for("monitors.index"))


def _ask(question: str, monitor: Monitor, status: int = 200, **context: object) -> Response:
    """A question as a page, or as the dialog's content."""
    return htmx.page(
        "monitors/ask.html",
        f"monitors/_{question}.html",
        status,
        question=f"monitors/_{question}.html",
        monitor=monitor,
        monitor_id=ids.public("mon", monitor.id),
        **context,
    )


def _url(view: str, monitor_id: UUID) -> str:
    return url_for(f"monitors.{view}", monitor_id=ids.public("mon", monitor_id))
