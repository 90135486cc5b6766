"""Showing again who one is (proofs.needed) with a second factor. Whoever has one is asked for no less."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, flash, request
from flask.typing import ResponseReturnValue

from tokiflow import errors, extensions
from tokiflow.models import User
from tokiflow.queries import second_factors as queries
from tokiflow.services import passkeys, second_factors, sessions
from tokiflow.services.security_letters import Place
from tokiflow.web import access, ceremonies, frame, htmx, redirects, signed_in
from tokiflow.web.forms.second_factors import Code, PasskeyAnswer

blueprint = Blueprint("second_factor_proofs", __name__, url_prefix="/auth/prove")

PURPOSE = "prove"

_limited = extensions.limiter.limit("60 per 10 minutes", key_func=lambda: str(signed_in.current_id()))
"""Counted for each session: somebody else on the same network uses up nothing of it."""


def with_passkey(user: User) -> bool:
    """Whether this person can show it with a passkey (auth/prove/_passkey.html)."""
    return bool(passkeys.origin() and queries.of_user(user.id).passkeys)


def with_code(user: User) -> bool:
    """Whether this person can show it with a code of their app, or of their sheet (auth/prove/_code.html)."""
    return bool(queries.of_user(user.id))


@blueprint.post("/passkey/options")
@access.person
@_limited
def options() -> ResponseReturnValue:
    """What js/passkeys.js hands to the browser."""
    return passkeys.options_to_verify(ceremonies.begin(PURPOSE), access.user().id)


@blueprint.post("/passkey")
@access.person
@_limited
def use_passkey() -> ResponseReturnValue:
    """The browser has signed with a passkey."""
    form = PasskeyAnswer()
    try:
        passkeys.verify(form.credential.data or "", ceremonies.take(PURPOSE), frame.now(), of=access.user().id)
    except passkeys.Refused as refused:
        return _again(refused.message)
    return _go_on()


@blueprint.post("/code")
@access.person
@_limited
def use_code() -> ResponseReturnValue:
    """A code was typed."""
    try:
        place = Place(signed_in.device(), signed_in.address())
        second_factors.verify_code(access.user(), Code().code.data or "", frame.now(), place)
    except errors.Invalid as invalid:
        return _again(invalid.fields["code"][0])
    except errors.RateLimited as limited:
        return _again(limited.message)
    return _go_on()


def _target() -> str:
    return redirects.safe(request.form.get("next"))


def _go_on() -> Response:
    here = signed_in.current()
    if here is not None:
        sessions.prove(here.id, frame.now())
    return htmx.see_other(_target())


def _again(said: str) -> Response:
    flash(said, "error")
    return htmx.see_other(f"/auth/prove?{urlencode({'next': _target()})}")
