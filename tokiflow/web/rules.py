"""Rules: who is told of what, in which order, and when warnings wait; and a way to ask who would be told."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, request, url_for

from tokiflow import errors
from tokiflow.core import hours, ids, routing
from tokiflow.core.roles import Right
from tokiflow.models import RoutingRule
from tokiflow.queries import channels, monitors
from tokiflow.queries import routing as stored
from tokiflow.services import routing as service
from tokiflow.web import access, filters, frame, htmx, named, rule_views, who
from tokiflow.web.forms.rule import KINDS, QuietHoursForm, RuleForm

blueprint = Blueprint("rules", __name__, url_prefix="/app/rules")

LIVE = "rules"


@blueprint.get("")
@access.requires(Right.SEE)
def index() -> Response:
    """Every rule in the order in which it is asked, and the quiet hours."""
    return _index()


@blueprint.get("/who")
@access.requires(Right.SEE)
def simulate() -> Response:
    """Who would be told of trouble that has not happened, and why."""
    organization_id = access.organization().id
    question = who.read(request.args, frame.now(), filters.viewer().zone)
    answer = who.answer(organization_id, question)
    names = {ids.public("mon", id): name for id, name in monitors.names(organization_id)}
    if answer:
        # Among very many it may not be one of those listed.
        names.setdefault(ids.public("mon", answer.monitor.id), answer.monitor.name)
    return htmx.page(
        "rules/who.html",
        "rules/_answer.html",
        question=question,
        written=question.written or who.written(question.at),
        answer=answer,
        monitors=names,
        kinds=KINDS,
    )


@blueprint.route("/new", methods=["GET", "POST"])
@access.requires(Right.EDIT_RULES)
def new() -> Response:
    """Write a rule; it is asked after all others, before the default rule."""
    form = RuleForm(timezone=access.user().timezone)
    _offer_channels(form)
    if request.method == "POST" and not _only_adds(form):
        try:
            service.create(access.organization().id, form.read(), access.actor(), frame.now())
        except errors.Invalid as invalid:
            form.refuse(invalid)
        else:
            return _saved("Saved. It is the last to be asked; move it up if it should speak before others.")
    return _form(form, None)


@blueprint.route("/<rule_id>/edit", methods=["GET", "POST"])
@access.requires(Right.EDIT_RULES)
def edit(rule_id: str) -> Response:
    """Change a rule."""
    return _edit(named.rule(rule_id))


@blueprint.route("/default", methods=["GET", "POST"])
@access.requires(Right.EDIT_RULES)
def default() -> Response:
    """Change who hears of what no other rule speaks of."""
    return _edit(next((row for row in stored.rows(access.organization().id) if row.fallback), None))


@blueprint.route("/<rule_id>/delete", methods=["GET", "POST"])
@access.requires(Right.EDIT_RULES)
def delete(rule_id: str) -> Response:
    """Ask, then delete it."""
    rule = named.rule(rule_id)
    if request.method == "POST":
        name = rule.name
        service.delete(rule.id, access.actor(), frame.now())
        return _saved(f"The rule {name} is deleted.")
    return htmx.page("rules/delete.html", "rules/_delete.html", rule=rule, rule_id=rule_id)


@blueprint.post("/<rule_id>/move")
@access.requires(Right.EDIT_RULES)
def move(rule_id: str) -> Response:
    """Ask it one place earlier or later."""
    rule = named.rule(rule_id)
    return _changed(
        lambda: service.move(rule.id, -1 if request.form.get("direction") == "up" else 1, access.actor(), frame.now())
    )


@blueprint.post("/<rule_id>/enable")
@access.requires(Right.EDIT_RULES)
def enable(rule_id: str) -> Response:
    """Ask it again."""
    rule = named.rule(rule_id)
    return _changed(lambda: service.switch(rule.id, access.actor(), frame.now(), enabled=True))


@blueprint.post("/<rule_id>/disable")
@access.requires(Right.EDIT_RULES)
def disable(rule_id: str) -> Response:
    """Leave it out until it is enabled again."""
    rule = named.rule(rule_id)
    return _changed(lambda: service.switch(rule.id, access.actor(), frame.now(), enabled=False))


@blueprint.post("/quiet-hours")
@access.requires(Right.EDIT_RULES)
def set_quiet_hours() -> Response:
    """Let warnings wait at night, or not any more."""
    form = QuietHoursForm.of(None, access.user().timezone)
    wanted = None if "never" in request.form else form.read()
    try:
        service.set_quiet_hours(access.organization().id, wanted, access.actor(), frame.now())
    except errors.Invalid as invalid:
        form.refuse(invalid)
        return _index(form, 422)
    return _saved("Warnings wait during quiet hours." if wanted else "Warnings are told at any time.")


def _index(form: QuietHoursForm | None = None, status: int = 200, said: str = "") -> Response:
    organization_id = access.organization().id
    listeners = stored.listeners([organization_id])[organization_id]
    kept = stored.quiet_hours(organization_id)
    return htmx.page(
        "rules/index.html",
        "rules/_list.html",
        status,
        rules=rule_views.listing(stored.of([organization_id])[organization_id], listeners),
        has_channels=bool(listeners),
        quiet=hours.words(kept) if kept else "",
        form=form or QuietHoursForm.of(kept, access.user().timezone, formdata=None),
        said=said,
    )


def _edit(rule: RoutingRule | None) -> Response:
    """The form of `rule`; None is the default rule that nobody has written."""
    organization_id = access.organization().id
    form = _filled(rule)
    fallback = rule is None or rule.fallback
    if request.method == "POST" and not _only_adds(form):
        try:
            if rule is None or fallback:
                service.set_default(organization_id, form.read(), access.actor(), frame.now(), form.edited_version())
            else:
                service.edit(rule.id, form.read(), access.actor(), frame.now(), form.edited_version())
        except errors.Invalid as invalid:
            form.refuse(invalid)
        except errors.Conflict:
            # What the other person saved is in the list; saving again is meant to overwrite it.
            theirs = next(row for row in stored.rows(organization_id) if rule is None or row.id == rule.id)
            form.version.data = str(theirs.version)
            return _form(form, theirs, 409, fallback=fallback)
        else:
            return _saved("Saved.")
    return _form(form, rule, fallback=fallback)


def _filled(row: RoutingRule | None) -> RuleForm:
    rule = stored.as_rule(row, stored.steps(row.id)) if row else routing.DEFAULT
    form = RuleForm.of(rule, row.version if row else 0, access.user().timezone)
    _offer_channels(form)
    return form


def _offer_channels(form: RuleForm) -> None:
    found = channels.of_organization(access.organization().id)
    form.offer_channels(
        [(ids.public("chn", one.id), one.name if one.enabled else f"{one.name} (disabled)") for one in found]
    )


def _only_adds(form: RuleForm) -> bool:
    """Whether the form came for one more step, and not to be saved."""
    if "add" not in request.form:
        return False
    form.add_step()
    return True


def _form(form: RuleForm, rule: RoutingRule | None, status: int = 200, *, fallback: bool = False) -> Response:
    known: dict[str, Any] = {"rule": rule, "rule_id": ids.public("rul", rule.id) if rule else ""}
    return htmx.page(
        "rules/form.html",
        "rules/_form.html",
        422 if form.errors else status,
        form=form,
        fallback=fallback,
        conflict=status == 409,
        **known,
    )


def _changed(change: Any) -> Response:
    """The list after `change`; a rule that is gone or can't be changed so is said above it."""
    try:
        change()
    except errors.Conflict as conflict:
        return _index(status=409, said=conflict.message)
    if htmx.target() == LIVE:
        return _index()
    return htmx.see_other(url_for("rules.index"))


def _saved(said: str) -> Response:
    flash(said, "success")
    return htmx.see_other(url_for("rules.index"))
