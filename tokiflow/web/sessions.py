"""Where one is signed in, and signing out there from here."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, flash, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.models import UserSession
from tokiflow.queries import sessions as queries
from tokiflow.services import sessions
from tokiflow.web import access, frame, htmx, named, proofs, signed_in

blueprint = Blueprint("sessions", __name__, url_prefix="/app/settings/sessions")

HOW = {"link": "E-mail link", "google": "Google", "passkey": "Passkey", "local": "This machine"}


@blueprint.get("")
@access.person
def index() -> ResponseReturnValue:
    """Each with device, place and time of last use; this one first."""
    rows = [_shown(one) for one in queries.of_user(access.user().id, frame.now())]
    rows.sort(key=lambda row: not row["here"])
    return htmx.page("sessions/index.html", "sessions/_list.html", rows=rows, days=queries.IDLE.days)


@blueprint.get("/<session_id>/end")
@access.person
@proofs.needed
def ask_end(session_id: str) -> ResponseReturnValue:
    """Sign out there?"""
    return htmx.page("sessions/ask.html", "sessions/_end.html", one=_shown(named.user_session(session_id)))


@blueprint.post("/<session_id>/end")
@access.person
@proofs.needed
def end(session_id: str) -> ResponseReturnValue:
    """Sign out there, at once, wherever its cookie was copied to."""
    found = named.user_session(session_id)
    if found.id == signed_in.current_id():
        signed_in.end()
        return htmx.see_other(url_for("auth.sign_in"))
    name = found.device or "The browser"
    with suppress(errors.NotFound):  # another tab was faster
        sessions.end(found.id, access.user().id, frame.now())
    flash(f"{name} is signed out.", "success")
    return htmx.see_other(url_for("sessions.index"))


@blueprint.get("/end-others")
@access.person
@proofs.needed
def ask_end_others() -> ResponseReturnValue:
    """Sign out everywhere else?"""
    count = len(queries.of_user(access.user().id, frame.now())) - 1
    return htmx.page("sessions/ask.html", "sessions/_end_others.html", count=count)


@blueprint.post("/end-others")
@access.person
@proofs.needed
def end_others() -> ResponseReturnValue:
    """Sign out everywhere but here."""
    count = sessions.end_all(access.user().id, frame.now(), but=signed_in.current_id())
    flash(f"Signed out of {count} other session{'' if count == 1 else 's'}.", "success")
    return htmx.see_other(url_for("sessions.index"))


def _shown(row: UserSession) -> dict[str, object]:
    """What the page says of a session."""
    return {
        "row": row,
        "device": row.device or "An unknown browser",
        "how": HOW[row.how],
        "here": row.id == signed_in.current_id(),
        "end": url_for("sessions.ask_end", session_id=ids.public("ses", row.id)),
    }
