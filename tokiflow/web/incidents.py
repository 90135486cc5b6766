"""Incidents: what is wrong, since when, why, who knows, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    flash,
    make_response,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from tokiflow import errors
from tokiflow.core import ids, sentences
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Right
from tokiflow.core.status import Kind
from tokiflow.models import Incident, Run
from tokiflow.queries import (
    alerts,
    channels,
    follow_ups,
    incident_relatives,
    incidents,
    memberships,
    monitors,
    presets,
    routing,
    runs,
    timelines,
    undelivered,
)
from tokiflow.services import acceptance, exports
from tokiflow.services import deliveries as delivery_service
from tokiflow.services import incidents as service
from tokiflow.services.exporting import incidents as csv
from tokiflow.web import (
    access,
    filters,
    frame,
    htmx,
    incident_chart,
    incident_list,
    incident_past,
    monitor_facts,
    output_lines,
    output_sides,
    outputs,
    preset_list,
    steps,
    tellings,
    trials,
    troubles,
)
from tokiflow.web.forms.incident import CommentForm, MuteForm
from tokiflow.web.markdown import markdown

blueprint = Blueprint("incidents", __name__, url_prefix="/app/incidents")

STEPS = 30
"""How much of a timeline is shown unless all of it is asked for."""
LINES = 20
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


@blueprint.post("/export")
@access.requires(Right.SEE)
def export() -> ResponseReturnValue:
    """All that the page shows, as CSV: at once if it is little, else as a file that a job makes."""
    organization_id, now = access.organization().id, frame.now()
    asked = incident_list.understand(organization_id, request.form, access.user().id, now)
    if asked.wanted is None:
        flash(" ".join(asked.mistakes), "warning")
        return htmx.see_other(incident_list.url(asked.choice))
    wanted = replace(asked.wanted, until=asked.wanted.until or now)
    if incidents.count(organization_id, wanted) > csv.SMALL:
        made = exports.ask("incidents", access.actor(), organization_id, wanted.to_json(), now)
        return htmx.see_other(url_for("exports.show", export_id=ids.public("exp", made)))
    exports.note("incidents", access.actor(), organization_id, wanted.to_json(), now)
    answer = Response("".join(csv.lines(organization_id, wanted)), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{csv.filename(organization_id, now)}"'
    return answer


@blueprint.get("/<incident_id>")
@access.requires(Right.SEE)
def show(incident_id: str) -> Response:
    """One incident, all of it."""
    return _page(access.incident(incident_id))


@blueprint.post("/<incident_id>/acknowledge")
@access.requires(Right.WORK_INCIDENTS)
def acknowledge(incident_id: str) -> Response:
    """Say that somebody is on it."""
    return _once(access.incident(incident_id), service.acknowledge, "Acknowledged.")


@blueprint.post("/<incident_id>/resolve")
@access.requires(Right.WORK_INCIDENTS)
def resolve(incident_id: str) -> Response:
    """Say that it is over."""
    incident = access.incident(incident_id)
    if incident.status == "resolved":
        return _too_late(incident, errors.Conflict("This incident is resolved already."))
    service.resolve(incident.id, access.actor(), frame.now())
    return _done(incident, "Resolved. The monitor gets a fresh chance.")


@blueprint.post("/<incident_id>/not-a-problem")
@access.requires(Right.WORK_INCIDENTS)
def not_a_problem(incident_id: str) -> Response:
    """Say that what is unusual is no problem: it is learnt, and the incident is over."""
    said = "Not a problem. Runs like this are taken as usual from now on."
    return _once(access.incident(incident_id), acceptance.accept_incident, said)


@blueprint.route("/<incident_id>/mute", methods=["GET", "POST"])
@access.requires(Right.WORK_INCIDENTS)
def mute(incident_id: str) -> Response:
    """Ask for how long, then send no more messages about it until then."""
    return _until("mute", access.incident(incident_id))


@blueprint.route("/<incident_id>/snooze", methods=["GET", "POST"])
@access.requires(Right.WORK_INCIDENTS)
def snooze(incident_id: str) -> Response:
    """Acknowledge it and be silent until a time; who was told is reminded then, unless it is over."""
    return _until("snooze", access.incident(incident_id))


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
    incident = access.incident(incident_id)
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
    incident = access.incident(incident_id)
    run = _run(incident, timelines.story(incident.id, 1))
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
    incident = access.incident(incident_id)
    try:
        service.mute(incident.id, None, access.actor(), frame.now())
    except errors.Conflict as conflict:
        return _too_late(incident, conflict)
    return _done(incident, "Messages about this incident go out again.")


@blueprint.post("/<incident_id>/comment")
@access.requires(Right.WORK_INCIDENTS)
def comment(incident_id: str) -> Response:
    """Add words to the timeline. htmx gets a fresh form, and the rest of the page asks for itself."""
    incident = access.incident(incident_id)
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
    incident = access.incident(incident_id)
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
    context = _context(incident) | {"comment": form or CommentForm(formdata=None), "said": said, "preview": _preview()}
    return htmx.page("incidents/show.html", "incidents/_incident.html", status, **context)


def _context(incident: Incident) -> dict[str, Any]:
    now, whole = frame.now(), request.args.get("timeline") == "all"
    story = timelines.story(incident.id, 5_000 if whole else STEPS)
    told = alerts.of_incident(incident.id)
    sent = [one.delivery for record in told for one in record.deliveries if trials.arrived(one.delivery)]
    promised = follow_ups.of_incident(incident.id)
    rules = routing.of([incident.organization_id])[incident.organization_id]
    everybody = channels.of_organization(incident.organization_id)
    run = _run(incident, story)
    kept = outputs.fetch(run)
    telling = tellings.tellings(told, now)
    people = memberships.names(incident.organization_id)
    has_it = next((name for id, name, _ in people if id == incident.assigned_to), "")
    others = incident_relatives.others(incident)
    return {
        "incident": incident,
        "advice": sentences.advice(Kind(incident.kind)),
        "trouble": troubles.of(incident, now, sent, has_it),
        "mine": incident.assigned_to == access.user().id,
        "assignees": incident_past.assignees(people, incident, access.user().id),
        "first_told_at": min((one.sent_at for one in sent if one.sent_at), default=None),
        "monitor": monitor_facts.of(incident.monitor, monitors.strips([incident.monitor_id])[incident.monitor_id], now),
        "steps": steps.timeline(story.steps, told, whole=story.count <= len(story.steps), reader=access.user().id),
        "steps_left_out": story.count - len(story.steps),
        "chart": incident_chart.of(incident, now),
        "run": run,
        "run_id": ids.public("run", run.id) if run else "",
        "kept": kept,
        "last_lines": output_lines.tail(kept.output, LINES) if kept.output else [],
        "tellings": telling,
        "tellings_standing": tellings.standing(telling),
        "untold": tellings.untold(incident, everybody, told, promised, rules),
        "coming": tellings.coming(promised, everybody, rules),
        "related": incident_past.related(others.related, incident),
        "past": incident_past.read(others.similar),
    }


def _run(incident: Incident, story: timelines.Story) -> Run | None:
    """The latest run that is part of the trouble, if it is kept and not just a silence."""
    if story.last_run is None:
        return None
    try:
        return runs.get(incident.monitor_id, ids.parse("run", story.last_run))
    except errors.NotFound:
        return None


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
