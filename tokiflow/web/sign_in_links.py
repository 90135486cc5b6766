"""Where the links in mails lead: a page with a button, because programs that open every link in a mail press none."""

from __future__ import annotations

from flask import Response, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user

from tokiflow.models import SignInLink
from tokiflow.services import google_accounts, sign_in
from tokiflow.services.sign_in import LinkRefused
from tokiflow.web import access, auth, frame, htmx, known, prove, redirects, signed_in
from tokiflow.web.auth import blueprint
from tokiflow.web.forms.sign_in import Confirm


@blueprint.get("/link/<token>")
@access.public
def link(token: str) -> ResponseReturnValue:
    """What pressing the button will do. Looking changes nothing."""
    try:
        found = _look(token)
    except LinkRefused as refused:
        return _refused(refused)
    return render_template("auth/confirm.html", form=Confirm(), email=found.email, purpose=found.purpose, token=token)


@blueprint.post("/link/<token>")
@access.public
def use(token: str) -> ResponseReturnValue:
    """Do what the link is for, once."""
    try:
        found = _look(token)
        purpose, target, google_sub = found.purpose, redirects.safe(found.next_url), found.google_sub or ""
        asker = known.asker(found.email)
        user = sign_in.use(token, asker, signed_in.current_id(), frame.now(), Confirm().timezone.data or "")
    except (LinkRefused, google_accounts.Refused) as refused:
        return _refused(refused)
    if purpose == "prove":
        return prove.go_on(target)
    return auth.enter(user, "link", target, google_sub)


def _look(token: str) -> SignInLink:
    return sign_in.look(token, known.own(), signed_in.current_id(), frame.now())


def _refused(error: LinkRefused | google_accounts.Refused) -> Response:
    """A second press on a link that did its work just goes on."""
    if isinstance(error, sign_in.Used) and current_user.is_authenticated:
        return htmx.see_other(redirects.safe(error.target))
    return auth.refused(error)
