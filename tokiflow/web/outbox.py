"""Mail that was not sent: where no mail server is set up, development shows it here.

Sign-in links are in these mails, so only who sits at this machine may read them.
"""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, current_app, make_response, render_template, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.adapters.mail import Outbox, StoredMail, outbox_from
from tokiflow.settings import Settings
from tokiflow.web import access, htmx, local

blueprint = Blueprint("outbox", __name__, url_prefix="/dev/outbox")

# A mail brings its styles along, and may do nothing else: no scripts, no pictures from elsewhere, no forms.
MAIL_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "frame-ancestors 'self'",
        "sandbox allow-popups",
    )
)
MOST = 100


@blueprint.before_request
def _only_here() -> None:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    if settings.production or not local.from_this_machine():
        raise errors.NotFound


@blueprint.get("")
@access.public
def index() -> ResponseReturnValue:
    """The newest mails first, followed live."""
    mails = [(mail, _moment(mail)) for mail in _outbox().list(MOST)]
    return htmx.page("outbox/index.html", "outbox/_mails.html", mails=mails)


@blueprint.get("/<mail_id>")
@access.public
def show(mail_id: str) -> ResponseReturnValue:
    """One mail: as text, and as its reader sees it."""
    mail = _outbox().read(mail_id)
    return render_template("outbox/show.html", mail=mail, at=_moment(mail))


@blueprint.get("/<mail_id>/html")
@access.public
def html(mail_id: str) -> ResponseReturnValue:
    """The HTML of a mail as a document of its own, for the frame on its page."""
    # Its links open beside the page: in the frame, the pages they lead to refuse to be shown.
    answer = make_response(_outbox().read(mail_id).html.replace("<head>", '<head><base target="_blank">', 1))
    answer.headers["Content-Security-Policy"] = MAIL_POLICY
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer


@blueprint.post("/clear")
@access.public
def clear() -> Response:
    """Forget all mails."""
    _outbox().clear()
    return htmx.see_other(url_for("outbox.index"))


def _outbox() -> Outbox:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    if settings.data_dir is None:
        raise errors.NotFound("There is no outbox without a data folder; set TOKIFLOW_DATA.")
    return outbox_from(settings.data_dir)


def _moment(mail: StoredMail) -> datetime:
    return datetime.fromisoformat(mail.at)
