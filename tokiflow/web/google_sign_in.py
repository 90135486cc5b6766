"""To Google and back: to sign in, to show again who one is, or to link the Google account to one's own.

What somebody went there for travels in their session, never in the address, so nobody can send them on another errand.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from flask import Response, flash, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from tokiflow import errors, extensions
from tokiflow.services import google_accounts, sign_in
from tokiflow.web import access, auth, frame, google_client, htmx, known, proofs, prove, redirects, signed_in
from tokiflow.web.auth import blueprint

if TYPE_CHECKING:
    from tokiflow.adapters.google import GooglePerson

NEXT = "sign_in_next"
PENDING = "google_pending"
"""In the session: who came from Google and still has to show that the mailbox is theirs."""
PENDING_LASTS = timedelta(minutes=15)

_limited = extensions.limiter.shared_limit(
    "60 per minute", "google", key_func=known.network, exempt_when=known.somebodys
)


# --- there ------------------------------------------------------------------------------------------------------


@blueprint.get("/google")
@access.public
@_limited
def google() -> ResponseReturnValue:
    """To Google, and back to `google_callback`, to sign in."""
    target = redirects.safe(request.args.get("next"))
    try:
        answer = google_client.get().authorize_redirect(google_client.callback_url())
    except errors.Unavailable as away:
        return auth.refused(away, target)
    session[NEXT] = target
    return answer


@blueprint.get("/prove/google")
@access.person
def prove_with_google() -> ResponseReturnValue:
    """To Google, to show again who one is: it is told to ask, and says when it did."""
    target = redirects.safe(request.args.get("next"))
    if "google" not in (way.name for way in prove.ways(access.user())):
        return prove.page(target, errors.Forbidden("This way is not open to you. Choose another."))
    try:
        answer = google_client.get().authorize_redirect(
            google_client.callback_url(), _errand("prove"), hint=access.user().email, max_age=proofs.LASTS
        )
    except errors.Unavailable as away:
        return prove.page(target, away)
    session[NEXT] = target
    return answer


def to_link() -> Response:
    """To Google, to choose the account that is to be linked to that of whoever is signed in. Raises Unavailable."""
    return google_client.get().authorize_redirect(google_client.callback_url(), _errand("link"))


# --- and back ---------------------------------------------------------------------------------------------------


@blueprint.get("/google/callback")
@access.public
@_limited
def google_callback() -> ResponseReturnValue:
    """Back from Google, which has the last word on who it is."""
    google = google_client.get()
    errand = google.errand(request)
    target = redirects.safe(session.get(NEXT))
    try:
        person = google.fetch_person(request, google_client.callback_url())
        return _done(errand, person, target)
    except google_accounts.MailboxUnproved:
        session[PENDING] = [person.sub, person.email, frame.now().isoformat(), target]
        return htmx.see_other(url_for("auth.google_mailbox"))
    except (errors.Forbidden, errors.Unavailable) as refused:
        return _refused(errand, refused, target)


@blueprint.get("/google/mailbox")
@access.public
def google_mailbox() -> ResponseReturnValue:
    """There is an account with the address that Google knows: offer to mail the link that joins the two."""
    pending = _pending()
    if pending is None:
        return htmx.see_other(url_for("auth.sign_in"))
    return render_template("auth/mailbox.html", email=pending[1])


@blueprint.post("/google/mailbox")
@access.public
def mail_google_link() -> ResponseReturnValue:
    """Send that link."""
    pending = _pending()
    if pending is None:
        return auth.refused(errors.Forbidden("It took longer than 15 minutes. Begin with Google again."))
    sub, email, target = pending
    browser = known.own_or_new()
    try:
        sign_in.request_google_link(email, sub, known.asker(email, browser), target, frame.now())
    except errors.RateLimited as refused:
        return auth.refused(refused, target)
    session.pop(PENDING)
    return auth.mailed(email, browser, "google")


def _done(errand: str, person: GooglePerson, target: str) -> Response:
    """What they went there for. Raises Forbidden."""
    what = errand.partition(" ")[0]
    if not what:
        zone = request.cookies.get(frame.ZONE_COOKIE, "")
        return auth.enter(google_accounts.sign_in(person, frame.now(), zone), "google", target)
    if errand != _errand(what):
        raise google_accounts.Refused("You were signed out since you went to Google, or signed in anew. Begin again.")
    if what == "prove":
        if person.sub != access.user().google_sub:
            raise google_accounts.Refused("This is another Google account than the one linked to yours.")
        return prove.go_on(target)
    if not proofs.lately():
        raise google_accounts.Refused("That took a while. Begin again, so that we can be sure it is you.")
    google_accounts.link(access.user().id, person.sub, signed_in.place(), frame.now())
    flash(f"Google is linked: from now on you can sign in as {person.email} there.", "success")
    return htmx.see_other(url_for("profile.show"))


def _refused(errand: str, error: errors.TokiflowError, target: str) -> Response:
    """Why it did not work, on the page where it began."""
    if errand and current_user.is_authenticated:
        if errand.startswith("prove"):
            return prove.page(target, error)
        flash(error.message, "error")
        return htmx.see_other(url_for("profile.show"))
    return auth.refused(error, target)


def _errand(what: str) -> str:
    """`what`, for the session of this browser and no other."""
    return f"{what} {signed_in.current_id()}"


def _pending() -> tuple[str, str, str] | None:
    """Google's name and address of who came from there within PENDING_LASTS, and where they want to go."""
    if PENDING not in session:
        return None
    sub, email, at, target = session[PENDING]
    if datetime.fromisoformat(at) < frame.now() - PENDING_LASTS:
        return None
    return str(sub), str(email), redirects.safe(target)
