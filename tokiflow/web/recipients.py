"""Answers out of a mail: yes, I want these alerts; no, stop them. They work without signing in.

Programs that guard mailboxes open every link in a mail, so a GET only shows a button. Unsubscribing is also what mail
programs do by themselves, with one POST that brings nothing but the address (RFC 8058): no cookie and no token of a
form. The address is the secret, and stands in no log (observability.requests).
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, make_response, render_template

from tokiflow import errors, extensions
from tokiflow.models import Organization, Recipient
from tokiflow.services import mail_links
from tokiflow.services import recipients as service
from tokiflow.web import access, frame

blueprint = Blueprint("recipients", __name__)

Act = Callable[[str], tuple[Recipient, Organization]]


@blueprint.get("/confirm/<token>")
@access.public
def question(token: str) -> Response:
    """What a yes would mean, and the button for it."""
    try:
        row, organization = service.asked(token, frame.now())
    except (service.Over, mail_links.NotOurs) as error:
        return _over(error, token)
    name = "recipients/confirmed.html" if row.status == "confirmed" else "recipients/confirm.html"
    return _page(name, token=token, address=row.address, organization=organization.name)


@blueprint.post("/confirm/<token>")
@access.public
def confirm(token: str) -> Response:
    """Yes."""
    try:
        row, organization = service.confirm(token, frame.now())
    except (service.Over, mail_links.NotOurs) as error:
        return _over(error, token)
    return _page("recipients/confirmed.html", token=token, address=row.address, organization=organization.name)


@blueprint.post("/confirm/<token>/again")
@access.public
def ask_again(token: str) -> Response:
    """A new question, for whoever holds one that is over."""
    try:
        row = service.ask_anew(token, frame.now())
    except mail_links.NotOurs as error:
        return _over(error, token)
    except (errors.Conflict, errors.RateLimited) as error:
        return _page("recipients/over.html", error.status, title="Not now", message=error.message, again="")
    return _page("recipients/asked.html", address=row.address)


@blueprint.get("/unsubscribe/<token>")
@access.public
def subscription(token: str) -> Response:
    """Which mails would stop, and the button for it."""
    return _subscription(token, service.subscriber)


@blueprint.post("/unsubscribe/<token>")
@access.public
@extensions.csrf.exempt  # type: ignore[untyped-decorator]  # flask-wtf ships no types
def unsubscribe(token: str) -> Response:
    """No more of them. 200 and no redirect, as RFC 8058 wants it; people get the page with "Undo"."""
    return _subscription(token, lambda given: service.unsubscribe(given, frame.now()))


@blueprint.post("/unsubscribe/<token>/undo")
@access.public
def undo(token: str) -> Response:
    """Mails come again."""
    return _subscription(token, lambda given: service.undo(given, frame.now()))


def _subscription(token: str, act: Act) -> Response:
    try:
        row, organization = act(token)
    except mail_links.NotOurs as error:
        return _over(error, "")
    stopped = row.unsubscribed_at is not None
    name = "recipients/unsubscribed.html" if stopped else "recipients/unsubscribe.html"
    return _page(name, token=token, address=row.address, organization=organization.name)


def _over(error: errors.TokiflowError, token: str) -> Response:
    """Why a link does not work, and the way to a new one where we know for whom."""
    again = token if isinstance(error, service.Over) else ""
    return _page("recipients/over.html", error.status, title=error.title, message=error.message, again=again)


def _page(template: str, status: int = 200, **context: object) -> Response:
    return make_response(render_template(template, **context), status)
