"""Signing in with a passkey and nothing else: it is had, and it knows its person, so it is both factors at once."""

from __future__ import annotations

from flask import Blueprint, flash, url_for
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from tokiflow import extensions
from tokiflow.services import passkeys
from tokiflow.web import access, admission, ceremonies, frame, htmx, known, redirects
from tokiflow.web.forms.second_factors import PasskeyAnswer

blueprint = Blueprint("passkeys", __name__, url_prefix="/auth/passkey")

PURPOSE = "sign_in"


@blueprint.record_once
def _tell_templates(state: BlueprintSetupState) -> None:
    """Pages of others offer passkeys, too: `passkey_origin()` is where they work, empty where there can be none."""
    state.app.jinja_env.globals["passkey_origin"] = passkeys.origin


@blueprint.post("/options")
@access.public
@extensions.limiter.limit("120 per 10 minutes", key_func=known.network, exempt_when=known.somebodys)
def options() -> ResponseReturnValue:
    """What js/passkeys.js hands to the browser. It names no passkey: whoever looks learns of nobody."""
    return passkeys.options_to_verify(ceremonies.begin(PURPOSE))


@blueprint.post("")
@access.public
@extensions.limiter.limit("60 per 10 minutes", key_func=known.network, exempt_when=known.somebodys)
def sign_in() -> ResponseReturnValue:
    """The browser has signed with a passkey."""
    form = PasskeyAnswer()
    target = redirects.safe(form.next.data)
    try:
        user = passkeys.sign_in(form.credential.data or "", ceremonies.take(PURPOSE), frame.now())
    except passkeys.Refused as refused:
        flash(refused.message, "error")
        # Not offered again unasked: the browser might answer with the same passkey, again and again.
        return htmx.see_other(url_for("auth.sign_in", next=target, passkey="refused"))
    return admission.admit(user, "passkey", target)
