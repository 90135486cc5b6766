"""Coming in and going out: an e-mail link, Google, or the person at this machine."""

from __future__ import annotations

import secrets
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, flash, make_response, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from tokiflow import errors, extensions
from tokiflow.models import User
from tokiflow.services import joining, sign_in
from tokiflow.settings import Settings
from tokiflow.web import access, frame, htmx, local, redirects, signed_in
from tokiflow.web.forms.sign_in import AskForLink, Confirm

if TYPE_CHECKING:
    from tokiflow.adapters.google import Google

blueprint = Blueprint("auth", __name__, url_prefix="/auth")

BROWSER_COOKIE = "tokiflow_browser"
BROWSER_COOKIE_SECONDS = 365 * 86_400
# In the session, only to show it back to the browser it was typed in.
ASKED_FOR, NEXT = "sign_in_email", "sign_in_next"
_GOOGLE = "tokiflow.google"


# --- the ways in ------------------------------------------------------------------------------------------------


@blueprint.get("/sign-in", endpoint="sign_in")
@access.public
def show() -> ResponseReturnValue:
    """The ways in. Whoever is in already, or sits at this machine, goes on at once."""
    target = redirects.safe(request.args.get("next"))
    if current_user.is_authenticated:
        return htmx.see_other(target)
    if local.comes_in_unasked():
        return _enter(sign_in.locally(frame.now()), "local", target)
    return _form(AskForLink(formdata=None, next=target, email=session.get(ASKED_FOR, "")))


@blueprint.post("/sign-in")
@access.public
@extensions.limiter.limit("60 per hour", key_func=lambda: _client())
@extensions.limiter.limit("6 per 15 minutes", key_func=lambda: f"{_client()} {_typed_address()}")
def ask() -> ResponseReturnValue:
    """Send a link to the address, and say so, whoever it belongs to."""
    form = AskForLink()
    target = redirects.safe(form.next.data)
    if not form.validate():
        return _form(form, 422)
    browser = request.cookies.get(BROWSER_COOKIE) or secrets.token_urlsafe(32)
    try:
        sign_in.request_link(form.email.data or "", browser, target, frame.now(), signed_in.device())
    except errors.Invalid as invalid:
        form.take(invalid)
        return _form(form, 422)
    session[ASKED_FOR] = (form.email.data or "").strip()[:320]
    return _with_browser_cookie(htmx.see_other(url_for("auth.sent")), browser)


@blueprint.post("/invited")
@access.public
@extensions.limiter.limit("60 per hour", key_func=lambda: _client())
@extensions.limiter.limit("6 per 15 minutes", key_func=lambda: f"{_client()} {request.form.get('token', '')[:320]}")
def invited() -> ResponseReturnValue:
    """Send a link to the address that an invitation is for; it leads back to the invitation."""
    token = request.form.get("token") or "none"
    invitation, sent = (url_for("joining.show", token=token, sent=said) for said in (None, 1))
    try:
        email = joining.look(token, frame.now()).invitation.email
    except errors.TokiflowError:
        return htmx.see_other(invitation)
    browser = request.cookies.get(BROWSER_COOKIE) or secrets.token_urlsafe(32)
    sign_in.request_link(email, browser, invitation, frame.now(), signed_in.device())
    return _with_browser_cookie(htmx.see_other(sent), browser)


@blueprint.get("/sent")
@access.public
def sent() -> ResponseReturnValue:
    """Look into your mailbox."""
    if not session.get(ASKED_FOR):
        return htmx.see_other(url_for("auth.sign_in"))
    return render_template("auth/sent.html", email=session[ASKED_FOR], minutes=15)


@blueprint.get("/link/<token>")
@access.public
def link(token: str) -> ResponseReturnValue:
    """A button to press: programs that open every link in a mail don't press it."""
    try:
        found = sign_in.look(token, _browser(), frame.now())
    except sign_in.LinkRefused as refused:
        return _refused(refused)
    return render_template("auth/confirm.html", form=Confirm(), email=found.email, token=token)


@blueprint.post("/link/<token>")
@access.public
def use(token: str) -> ResponseReturnValue:
    """Sign in, once."""
    try:
        target = sign_in.look(token, _browser(), frame.now()).next_url
        user = sign_in.use(token, _browser(), frame.now(), Confirm().timezone.data or "")
    except sign_in.LinkRefused as refused:
        return _refused(refused)
    return _enter(user, "link", redirects.safe(target))


@blueprint.post("/local", endpoint="local")
@access.public
def continue_here() -> ResponseReturnValue:
    """Sign in whoever sits at this machine. Elsewhere this address does not exist."""
    if not local.may_sign_in():
        raise errors.NotFound
    return _enter(sign_in.locally(frame.now()), "local", redirects.safe(request.form.get("next")))


@blueprint.get("/google")
@access.public
def google() -> ResponseReturnValue:
    """To Google, and back to `google_callback`."""
    session[NEXT] = redirects.safe(request.args.get("next"))
    return _google().authorize_redirect(_google_callback_url())


@blueprint.get("/google/callback")
@access.public
def google_callback() -> ResponseReturnValue:
    """Back from Google, which has the last word on who it is."""
    try:
        person = _google().fetch_person(request, _google_callback_url())
        user = sign_in.with_google(person, frame.now(), request.cookies.get(frame.ZONE_COOKIE, ""))
    except errors.Forbidden as refused:
        return _refused(refused)
    return _enter(user, "google", redirects.safe(session.get(NEXT)))


# --- the way out ------------------------------------------------------------------------------------------------


@blueprint.post("/sign-out")
@access.public
def sign_out() -> ResponseReturnValue:
    """End this browser's session."""
    signed_in.end()
    local.remember_sign_out()
    flash("You are signed out.", "success")
    return htmx.see_other(url_for("auth.sign_in"))


# --- what they share --------------------------------------------------------------------------------------------


def _enter(user: User, how: str, target: str) -> Response:
    """Begin a session for `user` and go to `target`."""
    signed_in.begin(user, how)
    return htmx.see_other(target)


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


def _refused(error: errors.TokiflowError) -> Response:
    """Why it did not work, and the way to try again. A second press on a link that did its work just goes on."""
    if isinstance(error, sign_in.Used) and current_user.is_authenticated:
        return htmx.see_other(redirects.HOME)
    settings: Settings = current_app.extensions["tokiflow.settings"]
    form = AskForLink(formdata=None, email=session.get(ASKED_FOR, ""), next=redirects.HOME)
    page = render_template(
        "auth/refused.html", title=error.title, message=error.message, form=form, with_google=settings.google
    )
    return make_response(page, error.status)


def _browser() -> str:
    return request.cookies.get(BROWSER_COOKIE, "")


def _with_browser_cookie(response: Response, browser: str) -> Response:
    response.set_cookie(
        BROWSER_COOKIE,
        browser,
        max_age=BROWSER_COOKIE_SECONDS,
        path="/auth/",
        secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
        httponly=True,
        samesite="Lax",
    )
    return response


def _client() -> str:
    """Whose requests are counted together: one IPv4 address, or the /64 that one IPv6 subscriber has."""
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))


def _typed_address() -> str:
    return request.form.get("email", "").strip().lower()[:320]


def _google() -> Google:
    """Google as it is set up. Raises NotFound where it is not."""
    # Cryptography and all that comes with it take 8 MB: here, only where somebody signs in with Google.
    from tokiflow.adapters.google import google_from

    if _GOOGLE not in current_app.extensions:
        current_app.extensions[_GOOGLE] = google_from(current_app.extensions["tokiflow.settings"])
    made: Google | None = current_app.extensions[_GOOGLE]
    if made is None:
        raise errors.NotFound
    return made


def _google_callback_url() -> str:
    """Under the public address: it must be the one that was registered with Google."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.public_url + url_for("auth.google_callback")
