"""Links that are mailed to prove an address, to sign in or to be sure of somebody; and the person at this very machine.

A link's row is the promise that a mail will go out; the queue is only the doorbell, and the clock rings again. The
token in the mail is the signed id of the row, and works only in the browser that asked for it: neither the database
nor somebody who only reads the mail has all it takes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hmac import compare_digest
from typing import Any
from uuid import UUID

import structlog
from flask import current_app
from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import ColumnElement, delete, func, select

from tokiflow import errors
from tokiflow.core import ids, signing
from tokiflow.db import db, on_commit, transaction
from tokiflow.models import SignInLink, User
from tokiflow.queries import people as people_queries
from tokiflow.queries import second_factors
from tokiflow.queue import Job, enqueue
from tokiflow.services import google_accounts, people, sessions
from tokiflow.services.security_letters import Place
from tokiflow.settings import Settings

log = structlog.get_logger()

LIFETIME = timedelta(minutes=15)
KEPT = timedelta(days=30)

COUNTED = timedelta(hours=1)
MOST_FOR_ADDRESS = 30
"""To one address, for all the browsers that are not known as its owner's."""
MOST_FOR_KNOWN_BROWSER = 10


class LinkRefused(errors.Forbidden):
    """The link does nothing: forged, used, expired, or opened in another browser than it was asked in."""

    title = "This link can’t sign you in"


class Used(LinkRefused):
    """It did its work already. `target` is where it led to."""

    def __init__(self, message: str, target: str) -> None:
        super().__init__(message)
        self.target = target


@dataclass(frozen=True)
class Asker:
    """Who asks for a link. browser: a random value that only that browser knows. device, address: as the mail tells
    it. known: this browser has proved before that it is the person's (web.known)."""

    browser: str
    device: str = ""
    address: str = ""
    known: bool = False


def request_link(email: str, asker: Asker, next_url: str, now: datetime) -> None:
    """Promise a link to `email` that signs in the browser of `asker` and leads to `next_url`.

    Says nothing of whether the address is known, or has had too many links already. Raises Invalid for something
    that is no address.
    """
    email = people.address(email)
    with transaction():
        if _asked_too_often(email, asker, now):
            log.warning("sign_in_link_withheld")
            return
        _promise(email, asker, next_url, now)


def request_proof(email: str, session_id: UUID, asker: Asker, next_url: str, now: datetime) -> None:
    """Promise a link to the person of the session, at `email`, that shows that they are still the one who uses it.

    Raises RateLimited when that session has had too many.
    """
    with transaction():
        _limit(SignInLink.email == email, SignInLink.session_id == session_id, now)
        _promise(email, asker, next_url, now, purpose="prove", session_id=session_id)


def request_google_link(email: str, google_sub: str, asker: Asker, next_url: str, now: datetime) -> None:
    """Promise a link to `email`, which Google says is that of `google_sub`, that signs in and links the two.

    Raises RateLimited when that Google account has had too many.
    """
    email = people.address(email)
    with transaction():
        _limit(SignInLink.email == email, SignInLink.google_sub == google_sub, now)
        _promise(email, asker, next_url, now, purpose="google", google_sub=google_sub)


def look(token: str, browser: str, session_id: UUID | None, now: datetime) -> SignInLink:
    """The link behind `token`, if it would work in `browser` now. Changes nothing. Raises LinkRefused, saying why.

    session_id: of the session in that browser, if somebody is signed in there.
    """
    link = people_queries.sign_in_link(_id_in(token))
    return _checked(link, browser, session_id, now)


def use(token: str, asker: Asker, session_id: UUID | None, now: datetime, timezone: str = "") -> User:
    """Whoever the link belongs to, once; what else it is for is done. A new address becomes a new person.

    Who has a second factor has not shown all of it yet: their Google account is linked after that (web.second_step). A
    link that proves a session leaves it to the caller not to begin another. Raises LinkRefused, saying why.
    """
    with transaction():
        link = db.session.get(SignInLink, _id_in(token), with_for_update=True, populate_existing=True)
        link = _checked(link, asker.browser, session_id, now)
        link.used_at = now
        user = people.ensure(link.email, "", now, timezone=timezone)
        if link.purpose == "prove":
            sessions.prove(link.session_id, now)  # type: ignore[arg-type]  # _checked has seen to it
            return user
        if link.google_sub and not second_factors.of_user(user.id):
            google_accounts.link(user.id, link.google_sub, Place(asker.device, asker.address), now)
        user.last_signed_in_at = now
    log.info("signed_in", user=str(user.id), how="link")
    return user


def locally(now: datetime) -> User:
    """The person at this machine. Raises NotFound wherever settings do not allow it, which production never does."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    if not settings.may_sign_in_locally:
        raise errors.NotFound
    with transaction():
        user = people.local(now)
        user.last_signed_in_at = now
    log.info("signed_in", user=str(user.id), how="local")
    return user


def token(link_id: UUID) -> str:
    """What a mail carries of the link: its id, signed."""
    return str(_serializer().dumps(link_id.hex))


def forget(now: datetime) -> None:
    """Drop links that are long over, and with them the addresses of people who never came."""
    with transaction():
        db.session.execute(delete(SignInLink).where(SignInLink.expires_at < now - KEPT))


# --- checks -----------------------------------------------------------------------------------------------------


def _promise(email: str, asker: Asker, next_url: str, now: datetime, **more: Any) -> None:
    link = SignInLink(
        id=ids.new(), email=email, browser=_digest(asker.browser), device=asker.device, address=asker.address,
        next_url=next_url, created_at=now, expires_at=now + LIFETIME, rung_at=now, **more,
    )  # fmt: skip
    db.session.add(link)
    on_commit(partial(enqueue, Job.MAIL_SIGN_IN_LINK, [link.id]))
    log.info("sign_in_link_requested", link=str(link.id))


def _asked_too_often(email: str, asker: Asker, now: datetime) -> bool:
    """Nobody can use up somebody else's links: a browser that is known as the person's has a count of its own.

    What one network may ask for at all is limited at the door, far below what all of them may.
    """
    asked = SignInLink.email == email, SignInLink.purpose == "sign_in"
    if asker.known:
        return _lately(*asked, SignInLink.browser == _digest(asker.browser), now=now) >= MOST_FOR_KNOWN_BROWSER
    return _lately(*asked, now=now) >= MOST_FOR_ADDRESS


def _limit(address: ColumnElement[bool], whose: ColumnElement[bool], now: datetime) -> None:
    """Raise RateLimited where somebody who is known already asks too often: only they count, and may be told."""
    if _lately(address, whose, now=now) >= MOST_FOR_KNOWN_BROWSER:
        raise errors.RateLimited(
            "You asked for many links within an hour. The newest one works; look into your mailbox.", retry_after=600
        )


def _lately(*which: ColumnElement[bool], now: datetime) -> int:
    count = select(func.count()).select_from(SignInLink).where(*which, SignInLink.created_at > now - COUNTED)
    return db.session.execute(count).scalar_one()


def _checked(link: SignInLink | None, browser: str, session_id: UUID | None, now: datetime) -> SignInLink:
    if link is None:
        raise LinkRefused("It is not one of ours, or it is long over. Ask for a new one.")
    if not compare_digest(link.browser, _digest(browser)):
        raise LinkRefused(
            "It works only in the browser where you asked for it. Copy its address from the mail and open it there, "
            "or ask for a new one here."
        )
    if link.used_at is not None:
        raise Used("It has been used already; each link works once. Ask for a new one.", link.next_url)
    if link.expires_at <= now:
        raise LinkRefused("It was good for 15 minutes, and they are over. Ask for a new one.")
    if link.purpose == "prove" and link.session_id != session_id:
        raise LinkRefused("You were signed out since you asked for it, or signed in anew. Begin again.")
    return link


def _digest(browser: str) -> str:
    return hashlib.sha256(browser.encode("utf-8", "surrogateescape")).hexdigest()


def _serializer() -> URLSafeSerializer:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return signing.serializer(settings.secret_keys, "sign-in-link")


def _id_in(token: str) -> UUID:
    try:
        return UUID(str(_serializer().loads(token)))
    except (BadData, ValueError):
        raise LinkRefused("It is not complete, or not one of ours. Copy it whole, or ask for a new one.") from None
