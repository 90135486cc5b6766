"""Incidents: what is wrong, since when, why, who knows, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from markupsafe import Markup

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Right
from tokiflow.models import Incident
from tokiflow.queries import alerts, incidents, presets, timelines, undelivered
from tokiflow.services import acceptance
from tokiflow.services import deliveries as delivery_service
from tokiflow.services import incidents as service
from tokiflow.web import (
    access,
    filters,
    frame,
    htmx,
    incident_list,
    incident_page,
    named,
    output_sides,
    preset_list,
    troubles,
)
from tokiflow.web.forms.incident import CommentForm, MuteForm
from tokiflow.web.markdown import markdown

blueprint = Blueprint("incidents", __name__, url_prefix="/app/incidents")

LIVE = "incident"
LIST = "incidents"


@blueprint.get("")
@access.requires(Right.SEE)
def index() -> Response:
    """The organization's incidents, filtered as the address says; without a word in it, as one's default view says."""
    member = access.membership()
    if not request.args and member.preset_id is not None:
        query = presets.query_of(member.preset_id, member.organization_id, member.user_id)
        if query:
            return htmx.see_other(preset_list.opened(query))
    found = incident_list.read(member, request.args, frame.now())
    answer = htmx.page("incidents/index.html", "incidents/_list.html", list=found)
    # The form sends every field; the address shows only those that say something.
    return htmx.push(answer, found.url) if htmx.is_htmx() and request.args.get("form") else answer


@blueprint.get("/<incident_id>")
@access.requires(Right.SEE)
def show(incident_id: str) -> Response:
    """One incident, all of it."""
    return _page(named.incident(incident_id))


@blueprint.post("/<incident_id>/acknowledge")
@access.requires(Right.WORK_INCIDENTS)
def acknowledge(incident_id: str) -> Response:
    """Say that somebody is on it."""
    return _once(named.incident(incident_id), service.acknowledge, "Acknowledged.")


@blueprint.post("/<incident_id>/resolve")
@access.requires(Right.WORK_INCIDENTS)
def resolve(incident_id: str) -> Response:
    """Say that it is over."""
    incident = named.incident(incident_id)
    if incident.status == "resolved":
        return _too_late(incident, errors.Conflict("This incident is resolved already."))
    service.resolve(incident.id, access.actor(), frame.now())
    return _done(incident, "Resolved. The monitor gets a fresh chance.")


@blueprint.post("/<incident_id>/not-a-problem")
@access.requires(Right.WORK_INCIDENTS)
def not_a_problem(incident_id: str) -> Response:
    """Say that what is unusual is no problem: it is learnt, and the incident is over."""
    said = "Not a problem. Runs like this are taken as usual from now on."
    return _once(named.incident(incident_id), acceptance.accept_incident, said)


@blueprint.route("/<incident_id>/mute", methods=["GET", "POST"])
@access.requires(Right.WORK_INCIDENTS)
def mute(incident_id: str) -> Response:
    """Ask for how long, then send no more messages about it until then."""
    return _until("mute", named.incident(incident_id))


@blueprint.route("/<incident_id>/snooze", methods=["GET", "POST"])
@access.requires(Right.WORK_INCIDENTS)
def snooze(incident_id: str) -> Response:
    """Acknowledge it and be silent until a time; who was told is reminded then, unless it is over."""
    return _until("snooze", named.incident(incident_id))


def _until(what: str, incident: Incident) -> Response:
    """Ask until when, then mute or snooze it."""
    form = MuteForm()
    if request.method == "POST":
        try:
            until = form.end(frame.now(), filters.viewer().zone)
            (service.snooze if what == "snooze" else service.mute)(incident.id, until, access.actor(), frame.now())
        except errors.Invalid as invalid:
            form.take(invalid)
        except errors.Conflict as conflict:
            return _too_late(incident, conflict)
        else:
            flash(f"{'Snoozed' if what == 'snooze' else 'Muted'} until {filters.clock(until)}.", "success")
            return htmx.see_other(_url(incident))
    return htmx.page(
        "incidents/until.html",
        "incidents/_until.html",
        422 if form.errors else 200,
        what=what,
        trouble=troubles.of(_again(incident), frame.now()),
        form=form,
    )


@blueprint.post("/<incident_id>/assign")
@access.requires(Right.WORK_INCIDENTS)
def assign(incident_id: str) -> Response:
    """Give it to a member, to oneself (`me`), or to nobody."""
    incident = named.incident(incident_id)
    word = request.form.get("to", "").strip()
    try:
        to = None if word in ("", "nobody") else access.user().id if word == "me" else ids.parse("usr", word)
        service.assign(incident.id, to, access.actor(), frame.now())
    except errors.Conflict as conflict:
        return _too_late(incident, conflict)
    except (errors.Invalid, errors.NotFound) as refused:
        fields = refused.fields if isinstance(refused, errors.Invalid) else {}
        return _page(
            _again(incident), 422, said=f"That person {'; '.join(fields.get('to', ['is not here any more']))}."
        )
    return _done(incident, "Assigned." if to else "It is nobody’s now.")


@blueprint.get("/<incident_id>/difference")
@access.requires(Right.SEE)
def difference(incident_id: str) -> Response:
    """What its run printed beside what the last good run did."""
    incident = named.incident(incident_id)
    run = incident_page.bad_run(incident, timelines.story(incident.id, 1))
    return htmx.page(
        "incidents/difference.html",
        "incidents/_difference.html",
        trouble=troubles.of(incident, frame.now()),
        run=run,
        side=output_sides.read(incident.monitor, run) if run else None,
    )


@blueprint.post("/<incident_id>/unmute")
@access.requires(Right.WORK_INCIDENTS)
def unmute(incident_id: str) -> Response:
    """Let messages about it go out again."""
    incident = named.incident(incident_id)
    try:
        service.mute(incident.id, None, access.actor(), frame.now())
    except errors.Conflict as conflict:
        return _too_late(incident, conflict)
    return _done(incident, "Messages about this incident go out again.")


@blueprint.post("/<incident_id>/comment")
@access.requires(Right.WORK_INCIDENTS)
def comment(incident_id: str) -> Response:
    """Add words to the timeline. htmx gets a fresh form, and the rest of the page asks for itself."""
    incident = named.incident(incident_id)
    form = CommentForm()
    if "preview" in request.form:
        return _comment(incident, form) if htmx.is_htmx() else _page(incident, form=form)
    try:
        service.comment(incident.id, form.text.data or "", access.actor(), frame.now())
    except errors.Invalid as invalid:
        form.take(invalid)
        return _refused_comment(incident, form)
    if htmx.is_htmx():
        return htmx.wake(_comment(incident, CommentForm(formdata=None), sent=True), LIVE)
    return htmx.see_other(_url(incident, _anchor="timeline"))


@blueprint.post("/<incident_id>/deliveries/<delivery_id>/send-again")
@access.requires(Right.WORK_INCIDENTS)
def send_again(incident_id: str, delivery_id: str) -> Response:
    """Take up a delivery that was given up."""
    incident = named.incident(incident_id)
    delivery = alerts.delivery(ids.parse("dlv", delivery_id))
    if delivery.incident_id != incident.id:
        raise errors.NotFound
    try:
        which = undelivered.Filter(ids=[delivery.id])
        delivery_service.send_again(incident.organization_id, which, access.actor(), frame.now())
    except errors.Conflict as conflict:
        return _too_late(incident, conflict)
    return _done(incident, "It is on its way again.")


def _page(incident: Incident, status: int = 200, *, form: CommentForm | None = None, said: str = "") -> Response:
    """The incident's page, or for htmx the part of it that follows the server."""
    whole = request.args.get("timeline") == "all"
    context = incident_page.context(incident, access.user().id, frame.now(), whole=whole)
    form = form or CommentForm(formdata=None)
    return htmx.page(
        "incidents/show.html",
        "incidents/_incident.html",
        status,
        **context,
        comment=form,
        said=said,
        preview=_preview(),
    )


def _once(incident: Incident, act: Callable[[UUID, Actor, datetime], object], said: str) -> Response:
    """Do what makes sense only once, if nobody was faster."""
    try:
        act(incident.id, access.actor(), frame.now())
    except errors.Conflict as conflict:
        return _too_late(incident, conflict)
    return _done(incident, said)


def _done(incident: Incident, said: str) -> Response:
    """After an action: the page as it is now; a list that follows the server is told to ask."""
    if htmx.target() == LIVE:
        return htmx.toast(_page(_again(incident)), said)
    if htmx.target() == LIST:
        return htmx.wake(Response(status=204), LIST, said)
    flash(said, "success")
    return htmx.refresh(_url(incident))


def _too_late(incident: Incident, conflict: errors.Conflict) -> Response:
    """Somebody was faster: show how it stands now, and say so."""
    if htmx.is_htmx() and htmx.target() != LIVE:
        return htmx.wake(Response(status=204), htmx.target() or LIST, conflict.message, "late")
    return _page(_again(incident), 409, said=conflict.message)


def _refused_comment(incident: Incident, form: CommentForm) -> Response:
    if htmx.is_htmx():
        return _comment(incident, form, 422)
    return _page(_again(incident), 422, form=form)


def _comment(incident: Incident, form: CommentForm, status: int = 200, *, sent: bool = False) -> Response:
    """Only the form for the next comment; `sent`: what was written before is on the timeline."""
    trouble = troubles.of(_again(incident), frame.now())
    page = render_template("incidents/_comment.html", trouble=trouble, comment=form, preview=_preview(), sent=sent)
    return make_response(page, status)


def _preview() -> Markup | None:
    """What is being written as it will look, if that is asked for."""
    return markdown(request.form.get("text", "")) if "preview" in request.form else None


def _again(incident: Incident) -> Incident:
    """The incident as it is on disk now."""
    return incidents.get(incident.id)


def _url(incident: Incident, **more: Any) -> str:
    return url_for("incidents.show", incident_id=ids.public("inc", incident.id), **more)
