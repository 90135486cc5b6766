"""Coming in and going out: the page with the ways in, links by mail, and the person at this machine.

Google's way is web.google_sign_in, showing again who one is web.prove; all of them are of this blueprint.
"""

from __future__ import annotations

from flask import Blueprint, Response, current_app, flash, make_response, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import TooManyRequests

from tokiflow import errors, extensions
from tokiflow.models import User
from tokiflow.services import joining, sign_in
from tokiflow.settings import Settings
from tokiflow.web import access, admission, frame, htmx, known, local, redirects, second_step, signed_in
from tokiflow.web.forms.sign_in import AskForLink

blueprint = Blueprint("auth", __name__, url_prefix="/auth")

# In the session, only to show it back to the browser it was typed in.
ASKED_FOR, PURPOSE = "sign_in_email", "sign_in_purpose"


# --- the ways in ------------------------------------------------------------------------------------------------


@blueprint.get("/sign-in", endpoint="sign_in")
@access.public
def show() -> ResponseReturnValue:
    """The ways in. Whoever is in already, or sits at this machine, goes on at once."""
    target = redirects.safe(request.args.get("next"))
    if current_user.is_authenticated:
        return htmx.see_other(target)
    if local.comes_in_unasked():
        return enter(sign_in.locally(frame.now()), "local", target)
    return _form(AskForLink(formdata=None, next=target, email=session.get(ASKED_FOR, "")))


@blueprint.post("/sign-in")
@access.public
@extensions.limiter.limit("60 per hour", key_func=known.network, exempt_when=lambda: known.whose(_typed_address()))
@extensions.limiter.limit(
    "6 per hour",
    key_func=lambda: f"{known.network()} {_typed_address()}",
    exempt_when=lambda: known.whose(_typed_address()),
)
def ask() -> ResponseReturnValue:
    """Send a link to the address, and say so, whoever it belongs to."""
    form = AskForLink()
    target = redirects.safe(form.next.data)
    if not form.validate():
        return _form(form, 422)
    browser = known.own_or_new()
    try:
        sign_in.request_link(form.email.data or "", known.asker(_typed_address(), browser), target, frame.now())
    except errors.Invalid as invalid:
        form.take(invalid)
        return _form(form, 422)
    return mailed((form.email.data or "").strip()[:320], browser)


@blueprint.post("/invited")
@access.public
@extensions.limiter.limit("60 per hour", key_func=known.network)
@extensions.limiter.limit("6 per hour", key_func=lambda: f"{known.network()} {request.form.get('token', '')[:320]}")
def invited() -> ResponseReturnValue:
    """Send a link to the address that an invitation is for; it leads back to the invitation."""
    token = request.form.get("token") or "none"
    invitation, sent = (url_for("joining.show", token=token, sent=said) for said in (None, 1))
    try:
        email = joining.look(token, frame.now()).invitation.email
    except errors.TokiflowError:
        return htmx.see_other(invitation)
    browser = known.own_or_new()
    sign_in.request_link(email, known.asker(email, browser), invitation, frame.now())
    return known.give(htmx.see_other(sent), browser)


@blueprint.get("/sent")
@access.public
def sent() -> ResponseReturnValue:
    """Look into your mailbox."""
    if not session.get(ASKED_FOR):
        return htmx.see_other(url_for("auth.sign_in"))
    return render_template(
        "auth/sent.html", email=session[ASKED_FOR], purpose=session.get(PURPOSE, "sign_in"), minutes=15
    )


@blueprint.post("/local", endpoint="local")
@access.public
def continue_here() -> ResponseReturnValue:
    """Sign in whoever sits at this machine. Elsewhere this address does not exist."""
    if not local.may_sign_in():
        raise errors.NotFound
    return enter(sign_in.locally(frame.now()), "local", redirects.safe(request.form.get("next")))


# --- the way out ------------------------------------------------------------------------------------------------


@blueprint.post("/sign-out")
@access.public
def sign_out() -> ResponseReturnValue:
    """End this browser's session."""
    signed_in.end()
    local.remember_sign_out()
    flash("You are signed out.", "success")
    return htmx.see_other(url_for("auth.sign_in"))


# --- what the ways share ----------------------------------------------------------------------------------------


def enter(user: User, how: str, target: str, google_sub: str = "") -> Response:
    """Let in `user`, who has just gone the way `how` (link · google · passkey · local), and go to `target`.

    The one door: every way in comes through here, and those who have a second factor go on to the second step.
    google_sub: the Google account that is to be linked once they have shown all they have to.
    """
    if second_step.is_due(user, how):
        return second_step.begin(user, how, target, google_sub)
    return admission.admit(user, how, target)


def mailed(email: str, browser: str, purpose: str = "sign_in") -> Response:
    """A link was asked for `email` in this browser: say to look into the mailbox. purpose: models.SignInLink's."""
    session[ASKED_FOR], session[PURPOSE] = email, purpose
    return known.give(htmx.see_other(url_for("auth.sent")), browser)


def refused(error: errors.TokiflowError, target: str = redirects.HOME, again: str = "") -> Response:
    """Why it did not work, and the ways to try again. again: the page on which pressing once more will do."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    page = render_template(
        "auth/refused.html",
        title=error.title,
        message=error.message,
        form=AskForLink(formdata=None, email=_typed_address() or session.get(ASKED_FOR, ""), next=target),
        target=target,
        again=again,
        with_google=settings.google,
    )
    answer = make_response(page, error.status)
    if isinstance(error, errors.RateLimited | errors.Unavailable):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


@blueprint.errorhandler(TooManyRequests)
def too_often(error: TooManyRequests) -> Response:
    """It may be somebody else on the same network: say what goes on working."""
    limit = extensions.limiter.current_limit
    wait = extensions.wait_for(limit, frame.now().timestamp()) if limit else 3600
    message = (
        f"From your network links were asked for too often. Try again in {-(-wait // 60)} min, or ask in a browser "
        "where you signed in before: it is counted by itself."
    )
    return refused(errors.RateLimited(message, retry_after=wait))


@blueprint.errorhandler(CSRFError)
def out_of_date(error: CSRFError) -> Response:
    """Another tab has signed in or out since the page was drawn; or another site sent the form."""
    again = request.path if redirects.answers_get() else ""
    return refused(PressAgain("The page was open while you signed in or out in another tab."), again=again)


class PressAgain(errors.Malformed):
    """A form whose token against forged requests is not that of this session."""

    title = "Once more, please"


def _form(form: AskForLink, status: int = 200) -> Response:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    page = render_template(
        "auth/sign_in.html",
        form=form,
        target=form.next.data,
        with_google=settings.google,
        with_local=local.may_sign_in(),
    )
    return make_response(page, status)


def _typed_address() -> str:
    return request.form.get("email", "").strip().lower()[:320]
