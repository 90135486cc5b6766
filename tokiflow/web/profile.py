"""One's own profile."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.core.schedule import zones
from tokiflow.queries import organizations
from tokiflow.services import people
from tokiflow.web import access, frame, htmx
from tokiflow.web.forms.profile import Profile

blueprint = Blueprint("profile", __name__, url_prefix="/app/settings/profile")


@blueprint.get("")
@access.person
def show() -> ResponseReturnValue:
    """Name, zone, and the organizations one is in."""
    return _page(Profile(formdata=None, name=access.user().name, timezone=access.user().timezone))


@blueprint.post("")
@access.person
def edit() -> ResponseReturnValue:
    """Change name and zone."""
    form = Profile()
    if not form.validate():
        return _page(form, 422)
    try:
        people.set_profile(access.user().id, form.name.data or "", form.timezone.data or "", frame.now())
    except errors.Invalid as invalid:
        form.take(invalid)
        return _page(form, 422)
    flash("Your profile is saved.", "success")
    return htmx.see_other(url_for("profile.show"))


def _page(form: Profile, status: int = 200) -> Response:
    if htmx.is_htmx():
        return htmx.page("profile/show.html", "profile/_form.html", status, form=form, zones=_zones())
    mine = organizations.memberships(access.user().id)
    page = htmx.page(
        "profile/show.html", "profile/_form.html", status, form=form, zones=_zones(), memberships=mine, me=access.user()
    )
    return make_response(page)


def _zones() -> list[str]:
    """Every zone a person may mean by its place; names like EST5EDT still work when typed."""
    places = (name for name in zones.names() if "/" in name and not name.startswith("Etc/"))
    return [*sorted(places), "UTC"]
