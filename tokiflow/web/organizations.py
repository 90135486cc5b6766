"""Going from one of one's organizations to another, and making one more."""

from __future__ import annotations

from flask import Blueprint, flash, request, session
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.queries import organizations
from tokiflow.services import organizations as service
from tokiflow.web import access, frame, htmx, redirects
from tokiflow.web.forms.organization import OrganizationName

blueprint = Blueprint("organizations", __name__)


@blueprint.post("/app/switch-organization")
@access.person
def switch() -> ResponseReturnValue:
    """Work in the organization called `organization` from now on. Others' look as if they did not exist."""
    slug = request.form.get("organization", "")
    mine = (one.organization for one in organizations.memberships(access.user().id))
    chosen = next((organization for organization in mine if organization.slug == slug), None)
    if chosen is None:
        raise errors.NotFound
    session["organization"] = str(chosen.id)
    return htmx.see_other(redirects.HOME)


@blueprint.route("/app/organizations/new", methods=["GET", "POST"])
@access.person
def new() -> ResponseReturnValue:
    """Make another organization, and work in it from now on."""
    form, status = OrganizationName(), 200
    if request.method == "POST":
        try:
            made = service.create(form.name.data or "", access.user().id, frame.now(), access.actor().address)
        except errors.Invalid as invalid:
            form.take(invalid)
            status = 422
        except errors.Conflict as refused:
            form.form_errors.append(refused.message)
            status = 409
        else:
            session["organization"] = str(made)
            flash("It is yours. Begin with a monitor, or ask people in.", "success")
            return htmx.see_other(redirects.HOME)
    return htmx.page("organizations/new.html", "organizations/_form.html", status, form=form)
