"""Show again who you are, before something that does harm (proofs.needed).

A new way is a `Way` in WAYS: who it is offered to, and the template of its form, which leads to a view that ends with
`go_on(target)` once it is convinced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.models import User
from tokiflow.queries import people
from tokiflow.services import sign_in
from tokiflow.settings import Settings
from tokiflow.web import (
    access,
    auth,
    frame,
    google_client,
    htmx,
    known,
    local,
    proofs,
    redirects,
    second_factor_proofs,
    signed_in,
)
from tokiflow.web.auth import blueprint


@dataclass(frozen=True)
class Way:
    """One way to show who one is. offered: whether this person can go it. template: its form, which gets `target` and
    `me`. strong: a second factor; whoever has one is not asked for less."""

    name: str
    template: str
    offered: Callable[[User], bool]
    strong: bool = False


def _with_google(user: User) -> bool:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.google and user.google_sub is not None and google_client.get().tells_when


def _at_this_machine(user: User) -> bool:
    return local.may_sign_in() and not people.has_mailbox(user)


WAYS: list[Way] = [
    Way("local", "auth/prove/_local.html", _at_this_machine),
    Way("passkey", "auth/prove/_passkey.html", second_factor_proofs.with_passkey, strong=True),
    Way("code", "auth/prove/_code.html", second_factor_proofs.with_code, strong=True),
    Way("google", "auth/prove/_google.html", _with_google),
    Way("link", "auth/prove/_link.html", people.has_mailbox),
]
"""In the order of the page: the quickest first."""


def ways(user: User) -> list[Way]:
    """The ways this person is offered."""
    offered = [way for way in WAYS if way.offered(user)]
    return [way for way in offered if way.strong] or offered


def go_on(target: str) -> Response:
    """They have shown who they are: note it, and let them go on to `target`."""
    signed_in.prove()
    return htmx.see_other(target)


def page(target: str, error: errors.TokiflowError | None = None) -> Response:
    """Why it asks, and the ways; with what went wrong on the last of them."""
    answer = render_template(
        "auth/prove/show.html",
        target=target,
        me=access.user(),
        ways=ways(access.user()),
        error=error,
        proof=signed_in.current(),
        minutes=round(proofs.LASTS.total_seconds() / 60),
    )
    return make_response(answer, error.status if error else 200)


@blueprint.get("/prove", endpoint="prove")
@access.person
def show() -> ResponseReturnValue:
    """Which way would you like to go? Whoever has shown it a moment ago goes on at once."""
    target = redirects.safe(request.args.get("next"))
    if proofs.lately():
        return htmx.see_other(target)
    return page(target)


@blueprint.post("/prove/link")
@access.person
def prove_by_link() -> ResponseReturnValue:
    """Send a link to the person's own address; used in this browser it shows that they are still there."""
    target = redirects.safe(request.form.get("next"))
    user, session_id = _who_may("link"), signed_in.current_id()
    if user is None or session_id is None:
        return page(target, errors.Forbidden("This way is not open to you. Choose another."))
    browser = known.own_or_new()
    try:
        sign_in.request_proof(user.email, session_id, known.asker(user.email, browser), target, frame.now())
    except errors.RateLimited as refused:
        return page(target, refused)
    return auth.mailed(access.user().email, browser, "prove")


@blueprint.post("/prove/local")
@access.person
def prove_at_this_machine() -> ResponseReturnValue:
    """Whoever sits at this machine is whom it lets in unasked."""
    target = redirects.safe(request.form.get("next"))
    if _who_may("local") is None:
        return page(target, errors.Forbidden("This way is not open to you. Choose another."))
    return go_on(target)


def _who_may(name: str) -> User | None:
    """The person, if the way of this name is open to them."""
    user = access.user()
    return user if name in (way.name for way in ways(user)) else None
