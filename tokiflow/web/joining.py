"""Where the link of an invitation leads: who asks, to what, with which role; yes or no.

The link may be opened by anybody: programs that guard mailboxes, somebody it was forwarded to, somebody who is signed
in as another person. A GET changes nothing. The address that was invited is shown whole only to whoever is signed in
with it.
"""

from __future__ import annotations

from flask import Blueprint, Response, current_app, flash, make_response, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from tokiflow import errors
from tokiflow.queries import organizations
from tokiflow.queries.invitations import Asked
from tokiflow.services import invitations, mail_links
from tokiflow.services import joining as service
from tokiflow.web import access, frame, htmx, local, redirects, signed_in

blueprint = Blueprint("joining", __name__)


@blueprint.get("/invitations/<token>")
@access.public
def show(token: str) -> ResponseReturnValue:
    """The question, and the buttons for whoever may answer it."""
    try:
        asked = service.look(token, frame.now())
    except (service.Over, mail_links.NotOurs) as error:
        return _over(error)
    return _page(_template(asked), asked, token)


@blueprint.post("/invitations/<token>")
@access.public
def answer(token: str) -> ResponseReturnValue:
    """Yes, which takes whoever was invited; or no."""
    try:
        if request.form.get("answer") == "decline":
            return _page("joining/declined.html", service.decline(token, frame.now()), token)
        if not current_user.is_authenticated:
            return htmx.see_other(url_for("joining.show", token=token))
        organization_id = service.accept(token, access.user().id, access.actor(), frame.now())
    except service.WrongAddress as error:
        return _page("joining/wrong.html", service.look(token, frame.now()), token, error.status)
    except (service.Over, service.Full, mail_links.NotOurs) as error:
        return _over(error)
    session["organization"] = str(organization_id)
    flash(f"Welcome to {organizations.get(organization_id).name}.", "success")
    return htmx.see_other(redirects.HOME)


@blueprint.post("/invitations/<token>/switch")
@access.public
def switch(token: str) -> ResponseReturnValue:
    """Sign out, to come back as whom it is for."""
    signed_in.end()
    local.remember_sign_out()
    return htmx.see_other(url_for("joining.show", token=token))


def _template(asked: Asked) -> str:
    if not current_user.is_authenticated:
        return "joining/sign_in.html"
    if access.user().email != asked.invitation.email:
        return "joining/wrong.html"
    if organizations.membership(access.user().id, asked.organization.id):
        return "joining/member.html"
    return "joining/ask.html"


def _page(template: str, asked: Asked, token: str, status: int = 200) -> Response:
    page = render_template(
        template,
        token=token,
        organization=asked.organization,
        inviter=asked.inviter or "Somebody",
        role=invitations.a(asked.invitation.role),
        address=asked.invitation.email,
        masked=masked(asked.invitation.email),
        expires_at=asked.invitation.expires_at,
        sent="sent" in request.args,
        with_google=current_app.extensions["tokiflow.settings"].google,
        mine=access.user().email if current_user.is_authenticated else "",
    )
    return make_response(page, status)


def _over(error: errors.TokiflowError) -> Response:
    """Why the link does not work; whoever is in already gets the way in instead."""
    if isinstance(error, service.Over) and current_user.is_authenticated:
        found = organizations.membership(access.user().id, error.organization_id)
        if found is not None:
            return make_response(render_template("joining/member.html", organization=found.organization))
    page = render_template("joining/over.html", title=error.title, message=error.message)
    return make_response(page, error.status)


def masked(address: str) -> str:
    """`dora@harbour.example` → `d…@harbour.example`: enough to know one's own, too little to learn another's."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}"
