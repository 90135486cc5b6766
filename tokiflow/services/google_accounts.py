"""Google accounts, and the people they belong to.

A Google account and an account here become one only by proof of both: who comes from Google also shows that they read
the mail of the account here (services.sign_in.request_google_link), or is signed in to it already.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from sqlalchemy import func, select

from tokiflow import errors
from tokiflow.db import db, transaction
from tokiflow.models import User
from tokiflow.queries import people as people_queries
from tokiflow.services import people, security_letters
from tokiflow.services.security_letters import Place

if TYPE_CHECKING:
    from tokiflow.adapters.google import GooglePerson

log = structlog.get_logger()


class Refused(errors.Forbidden):
    """This Google account can't be used so."""

    title = "This Google account does not fit"


class MailboxUnproved(Refused):
    """There is an account with this address, which is not linked to Google: first show that the mailbox is yours."""

    title = "One more step, this once"


def sign_in(person: GooglePerson, now: datetime, timezone: str = "") -> User:
    """Whoever Google says it is, known by Google's own name for them. Nobody known becomes a new person.

    Raises MailboxUnproved when the address has an account that is not linked, Refused when it is linked to another
    Google account.
    """
    if not person.email_verified:
        raise Refused("Google has not verified this address.")
    try:
        email = people.address(person.email)
    except errors.Invalid:
        raise Refused(f"Google knows you as {person.email}, to which no mail can be sent.") from None
    with transaction():
        user = _with(person.sub)
        if user is None:
            user = people.sign_up(email, person.name, now, timezone=timezone)
            if user is None:
                raise _taken(email)
            user.google_sub = person.sub
        user.last_signed_in_at = now
    log.info("signed_in", user=str(user.id), how="google")
    return user


def link(user_id: UUID, google_sub: str, place: Place, now: datetime) -> None:
    """Let the person sign in with this Google account from now on, and tell them by mail.

    The caller has seen proof of both. Raises Refused when either is linked to something else.
    """
    with transaction():
        owner = _with(google_sub)
        if owner is not None and owner.id == user_id:
            return
        user = db.session.get_one(User, user_id, with_for_update=True, populate_existing=True)
        if owner is not None:
            raise Refused("This Google account is linked to another account here. Unlink it there first.")
        if user.google_sub is not None:
            raise Refused("Another Google account is linked to yours. Unlink it on your profile first.")
        user.google_sub = google_sub
        more = "From now on you can sign in with a Google account, too."
        security_letters.tell(user, "Google was linked to your account", more, place, now)
    log.info("google_linked", user=str(user_id))


def unlink(user_id: UUID, place: Place, now: datetime) -> None:
    """End signing in with Google, and tell the person by mail. Raises Conflict if they had no other way in."""
    with transaction():
        user = db.session.get_one(User, user_id, with_for_update=True, populate_existing=True)
        if not people_queries.has_way_in_besides_google(user):
            raise errors.Conflict("Google is your only way in. Add a passkey first.")
        if user.google_sub is None:
            return
        user.google_sub = None
        more = "It opens nothing here any more. Sessions that were begun with it go on."
        security_letters.tell(user, "Google was unlinked from your account", more, place, now)
    log.info("google_unlinked", user=str(user_id))


def _with(google_sub: str) -> User | None:
    """Whoever this Google account is linked to. Until the end of the transaction nobody else links it."""
    db.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"google {google_sub}", 0))))
    statement = select(User).where(User.google_sub == google_sub).with_for_update()
    return db.session.execute(statement.execution_options(populate_existing=True)).scalar_one_or_none()


def _taken(email: str) -> Refused:
    linked = select(User.google_sub).where(User.email == email)
    if db.session.execute(linked).scalar_one_or_none() is None:
        return MailboxUnproved()
    return Refused(f"{email} signs in with another Google account here. Sign in by e-mail instead.")
