"""Linking one's account to Google, and unlinking it. Signing in with Google is web.google_sign_in."""

from __future__ import annotations

from flask import Blueprint, flash, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.queries import people
from tokiflow.services import google_accounts
from tokiflow.web import access, frame, google_sign_in, htmx, proofs, signed_in

blueprint = Blueprint("google_accounts", __name__, url_prefix="/app/settings/google")


@blueprint.get("/link")
@access.person
@proofs.needed
def link() -> ResponseReturnValue:
    """To Google, to choose the account; on the way back it is linked."""
    if access.user().google_sub is not None:
        return htmx.see_other(url_for("profile.show"))
    try:
        return google_sign_in.to_link()
    except errors.Unavailable as away:
        flash(away.message, "error")
        return htmx.see_other(url_for("profile.show"))


@blueprint.get("/unlink")
@access.person
@proofs.needed
def ask_unlink() -> ResponseReturnValue:
    """Unlink it?"""
    stays = people.has_way_in_besides_google(access.user())
    return htmx.page("google_accounts/ask.html", "google_accounts/_unlink.html", stays=stays, me=access.user())


@blueprint.post("/unlink")
@access.person
@proofs.needed
def unlink() -> ResponseReturnValue:
    """From now on Google opens nothing here."""
    google_accounts.unlink(access.user().id, signed_in.place(), frame.now())
    flash("Google is unlinked. You sign in with a link by mail from now on.", "success")
    return htmx.see_other(url_for("profile.show"))
