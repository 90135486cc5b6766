"""Settings of the organization: its name, its ping key, and what is hidden in output."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.core.roles import Right
from tokiflow.queries import monitors
from tokiflow.services import organizations
from tokiflow.web import access, frame, htmx, snippets
from tokiflow.web.forms.organization import OrganizationName
from tokiflow.web.forms.redaction import Redaction

blueprint = Blueprint("organization", __name__, url_prefix="/app/settings/organization")


@blueprint.get("")
@access.requires(Right.SEE)
def show() -> ResponseReturnValue:
    """What holds for all of the organization. Secrets only for those whose role could do the same without them."""
    return _page()


@blueprint.post("/name")
@access.requires(Right.EDIT_ORGANIZATION)
def rename() -> ResponseReturnValue:
    """Call it something else."""
    form = OrganizationName()
    try:
        organizations.rename(access.organization().id, form.name.data or "", access.actor(), frame.now())
    except errors.Invalid as invalid:
        form.take(invalid)
        if htmx.is_htmx():
            return htmx.page("organization/show.html", "organization/_name.html", 422, name_form=form)
        return _page(name_form=form, status=422)
    flash("Renamed.", "success")
    return htmx.see_other(url_for("organization.show"))


@blueprint.post("/redaction")
@access.requires(Right.EDIT_REDACTION)
def set_redaction() -> ResponseReturnValue:
    """Hide what the patterns match in all output that comes from now on."""
    form = Redaction()
    try:
        organizations.set_redaction(access.organization().id, form.wanted(), access.actor(), frame.now())
    except errors.Invalid as invalid:
        form.take(invalid)
        return _page(redaction=form, status=422)
    flash("Saved. It holds for output that comes from now on.", "success")
    return htmx.see_other(url_for("organization.show"))


@blueprint.route("/ping-key", methods=["GET", "POST"])
@access.requires(Right.EDIT_KEYS)
def rotate_ping_key() -> ResponseReturnValue:
    """Say what a new ping key means, then make one."""
    organization = access.organization()
    if request.method == "GET":
        return htmx.page(
            "organization/ask.html",
            "organization/_rotate_ping_key.html",
            organization=organization,
            monitor_count=sum(monitors.count_by_status(organization.id, frame.now()).values()),
        )
    first = organization.ping_key is None
    organizations.rotate_ping_key(organization.id, access.actor(), frame.now())
    if first:
        flash("This organization has a ping key.", "success")
    else:
        flash("This organization has a new ping key. Jobs that ping with the old one are answered with 404.", "warning")
    return htmx.see_other(url_for("organization.show"))


def _page(
    *, redaction: Redaction | None = None, name_form: OrganizationName | None = None, status: int = 200
) -> Response:
    organization = access.organization()
    key = organization.ping_key if access.may(Right.EDIT_MONITORS) else None
    return htmx.page(
        "organization/show.html",
        "organization/_redaction.html",
        status,
        form=redaction or Redaction(formdata=None, patterns="\n".join(organization.redaction_patterns)),
        name_form=name_form or OrganizationName(formdata=None, name=organization.name),
        organization=organization,
        role=access.membership().role,
        url=snippets.by_name(key, "<slug>") if key else "",
        lines=snippets.by_name_lines(key) if key else "",
    )
