"""Going from one of one's organizations to another."""

from __future__ import annotations

from flask import Blueprint, request, session
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.queries import organizations
from tokiflow.web import access, htmx, redirects

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
