"""In whose name a request comes: the person of the browser's session (models.UserSession)."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from flask import g, request, session
from flask_login import current_user, login_user, logout_user

from tokiflow import errors, extensions
from tokiflow.core import devices
from tokiflow.models import User, UserSession
from tokiflow.queries import sessions as sessions_queries
from tokiflow.services import sessions
from tokiflow.services.security_letters import Place
from tokiflow.web import frame


def load(token: str) -> User | None:
    """The person in whose browser's cookie `token` is; None once that session is over."""
    found = sessions_queries.signed_in(token, frame.now())
    if found is None:
        return None
    # Taken first: what `seen` writes makes the session forget what it has loaded.
    user = found.user
    sessions.seen(found, device(), address(), frame.now())
    g.user_session = found
    return user


extensions.login.user_loader(load)


def begin(user: User, how: str) -> None:
    """Sign `user` in. Nothing of the session before is carried over, and it is over."""
    _end_row()
    session.clear()
    user.session_token = sessions.begin(user.id, how, device(), address(), frame.now())
    login_user(user)
    session.permanent = True


def end() -> None:
    """Sign out whoever is signed in here, also where the cookie may have been copied to."""
    _end_row()
    logout_user()
    session.clear()


def prove() -> None:
    """Whoever is signed in here has just shown again who they are."""
    found = current()
    if found is not None:
        sessions.prove(found.id, frame.now())


def current() -> UserSession | None:
    """The session of this browser, or None if nobody is signed in."""
    if not current_user.is_authenticated:  # which looks, if nobody has yet
        return None
    found: UserSession | None = g.get("user_session")
    return found


def current_id() -> UUID | None:
    """Its id, for a service that is to leave it alone when it ends the others."""
    found = current()
    return found.id if found else None


def _end_row() -> None:
    found = current()
    if found is not None:
        with suppress(errors.NotFound):  # another tab was faster
            sessions.end(found.id, found.user_id, frame.now())


def device() -> str:
    """What asks, in words a person knows their own devices by."""
    return devices.describe(request.headers.get("User-Agent", "")[:500])


def place() -> Place:
    """Both, for a mail that tells of what is done here."""
    return Place(device(), address())


def address() -> str:
    """The network address that asks."""
    return (request.remote_addr or "")[:45]
