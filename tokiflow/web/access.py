"""Permission, decided before any template.

Every view says who may see it: `@access.requires(Right.SEE)` for members of an organization, `@access.person` for
anyone signed in, `@access.public` for everybody. A house test fails on a view that says nothing. What an address names
(web.named) is only found in the person's own organizations: outside them it does not exist (404); inside without the
right it is 403.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID

from flask import g, request, session, url_for
from flask_login import current_user
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Right, allows
from tokiflow.models import Membership, Organization, User
from tokiflow.models.columns import Belonging
from tokiflow.observability import requests as request_log
from tokiflow.queries import organizations
from tokiflow.web import htmx, redirects

P = ParamSpec("P")
R = TypeVar("R")
Owned = TypeVar("Owned", bound=Belonging)

RULE = "tokiflow_access"


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Anybody may see it, signed in or not."""
    setattr(view, RULE, "public")
    return view


def person(view: Callable[P, R]) -> Callable[P, R | Response]:
    """Anybody signed in may see it, in an organization or in none; others are sent to sign in first."""

    @wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R | Response:
        if not current_user.is_authenticated:
            return _to_sign_in()
        chosen = _chosen()
        if chosen is not None:
            _enter(chosen)
        return view(*args, **kwargs)

    setattr(wrapped, RULE, "person")
    return wrapped


def requires(right: Right) -> Callable[[Callable[P, R]], Callable[P, R | Response]]:
    """Members with `right` may see it. A loader in the view may switch to another organization of theirs, and
    checks the right there again (web.named), and so does `?organization=org_…`: see `here`."""

    def decorate(view: Callable[P, R]) -> Callable[P, R | Response]:
        @wraps(view)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R | Response:
            if not current_user.is_authenticated:
                return _to_sign_in()
            g.right = right
            found = _named() or _chosen()
            if found is None:
                return _go(url_for("organizations.new"))
            _enter(found)
            if not kwargs:
                # With a thing in the address, its loader decides, in the organization the thing belongs to.
                check(right)
            return view(*args, **kwargs)

        setattr(wrapped, RULE, right)
        return wrapped

    return decorate


def check(right: Right) -> None:
    """Raise Forbidden unless the person has `right` in the current organization."""
    if not allows(membership().rank, right):
        raise errors.Forbidden(
            f"Your role in {organization().name} is {membership().role}; ask an admin or owner of it for more."
        )


def may(right: Right) -> bool:
    """Whether the person has `right` in the current organization. Templates ask to hide what would be refused."""
    return "membership" in g and allows(membership().rank, right)


def user() -> User:
    """Who is signed in."""
    found: User = current_user._get_current_object()
    return found


def actor() -> Actor:
    """Who is signed in, as the timeline names them."""
    return Actor("person", user().name or user().email, user().id, (request.remote_addr or "")[:45])


def membership() -> Membership:
    """The person's membership in the current organization."""
    found: Membership = g.membership
    return found


def organization() -> Organization:
    """The current organization. A view that has written and then draws a page asks for it again after the commit."""
    found: Organization = g.organization
    return found


def here() -> str:
    """`org_…` of the current organization. As `organization` in an address, that opens in this one and no other:
    from a mail, and from a page that stayed open while the person went on to another in a second window."""
    return ids.public("org", organization().id)


def go_to(organization_id: UUID, right: Right | None = None) -> Organization:
    """The person's organization of this id, current from now on. Raises NotFound, or Forbidden without `right`, or
    that of the view where none is named."""
    if "membership" not in g or organization_id != membership().organization_id:
        _enter(organizations.membership(user().id, organization_id))
    check(right or g.right)
    return organization()


def admitted(found: Owned, right: Right | None = None) -> Owned:
    """`found`, if the person belongs where it does and may see it there; the page then is about that organization."""
    go_to(found.organization_id, right)
    return found


def _named() -> Membership | None:
    """The membership in the organization that the address names, if it does. Raises NotFound for others'."""
    public_id = request.args.get("organization")
    if public_id is None:
        return None
    found = organizations.membership(user().id, ids.parse("org", public_id))
    if found is None:
        raise errors.NotFound
    return found


def _chosen() -> Membership | None:
    """The membership for the organization last chosen, or else the first. None for somebody who is in none."""
    g.memberships = mine = organizations.memberships(user().id)
    chosen = session.get("organization")
    return next((one for one in mine if str(one.organization_id) == chosen), mine[0] if mine else None)


def organizations_of_user() -> Sequence[Organization]:
    """All that the person is in, by name. A page that only reads need not ask for them twice."""
    known = g.get("memberships") if request.method == "GET" else None
    return [one.organization for one in known or organizations.memberships(user().id)]


def _enter(found: Membership | None) -> None:
    if found is None:
        raise errors.NotFound
    g.membership = found
    # Beside the membership: a commit forgets what is loaded, and a relationship is not loaded twice by itself.
    g.organization = found.organization
    request_log.bind_organization(found.organization_id)
    if session.get("organization") != str(found.organization_id):
        session["organization"] = str(found.organization_id)


def _to_sign_in() -> Response:
    """Sign in first, and come back; after a POST, or where htmx wanted a part of it, to the page that is open."""
    page = request.method == "GET" and not htmx.is_htmx()
    return _go(url_for("auth.sign_in", next=request.full_path.rstrip("?") if page else redirects.came_from()))


def _go(target: str) -> Response:
    if request.headers.get("HX-Request") == "true":
        return Response(status=200, headers={"HX-Redirect": target})
    return redirect(target, code=303)
