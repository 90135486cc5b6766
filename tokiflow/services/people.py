"""People: who they are, and that each has an organization from the first day."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert

from tokiflow import errors
from tokiflow.core import ids, mail_addresses
from tokiflow.core.monitor_draft import line
from tokiflow.core.schedule import zones
from tokiflow.db import db, transaction
from tokiflow.models import User
from tokiflow.queries import departures
from tokiflow.queue import Job, enqueue
from tokiflow.services import letters, organizations, person_erasures, report_schedules, sessions

log = structlog.get_logger()

NAME_LIMIT = 200
LOCAL_ADDRESS = "you@localhost"
GRACE = timedelta(days=7)
"""So long an account that is to be deleted waits, in case the person changes their mind."""
STEP_SECONDS = 1.0
"""Then other jobs of the worker that erases have their turn."""
DUE_AT_ONCE = 20


def address(given: str) -> str:
    """`given` as we keep it: lower case, the domain in ASCII. Raises Invalid if it can't be an e-mail address."""
    found = mail_addresses.read(given)
    if found is None:
        raise errors.Invalid(
            {"email": ["is not an e-mail address; write it like alice@example.com" if given.strip() else "is missing"]}
        )
    return found.lower()


def ensure(email: str, name: str, now: datetime, *, timezone: str = "", organization: str = "") -> User:
    """The person with this address; new ones get an organization of their own, called `organization` if given.

    `name` and `timezone` (an IANA name; an unknown one is ignored) fill only what is not known yet.
    """
    email, zone = email.lower(), timezone if zones.exists(timezone) else ""
    with transaction():
        sign_up(email, name, now, timezone=zone, organization=organization)
        user = db.session.execute(select(User).where(User.email == email).with_for_update()).scalar_one()
        report_schedules.move(user.id, user.timezone, user.timezone or zone)
        user.timezone = user.timezone or zone
    return user


def sign_up(email: str, name: str, now: datetime, *, timezone: str = "", organization: str = "") -> User | None:
    """A new person with an organization of their own, as `ensure` has it; None if the address has a person already."""
    email = email.lower()
    row = insert(User).values(
        id=ids.new(), email=email, name=_name_from(name, email), created_at=now,
        timezone=timezone if zones.exists(timezone) else "",
    )  # fmt: skip
    with transaction():
        # Two sign-ups at once: the second waits for the first here, and then finds its row.
        new = db.session.execute(
            row.on_conflict_do_nothing(index_elements=["email"]).returning(User.id)
        ).scalar_one_or_none()
        if new is None:
            return None
        user = db.session.get_one(User, new)
        organizations.create(organization or _organization_of(user.name), user.id, now)
    log.info("person_signed_up", user=str(new))
    return user


def local(now: datetime) -> User:
    """The person at this very machine, who needs no address. Only for development; the caller has made sure."""
    return ensure(LOCAL_ADDRESS, "You", now, organization="My organization")


def set_profile(user_id: UUID, name: str, timezone: str, now: datetime) -> None:
    """Change how a person is called and in which zone they read times. Raises Invalid naming every bad field."""
    mistakes: dict[str, list[str]] = {}
    try:
        name = line(name, NAME_LIMIT, "your name, as others see it")
    except ValueError as error:
        mistakes["name"] = [str(error)]
    if not zones.exists(timezone):
        mistakes["timezone"] = [_unknown_zone(timezone)]
    if mistakes:
        raise errors.Invalid(mistakes)
    with transaction():
        user = db.session.get_one(User, user_id, with_for_update=True, populate_existing=True)
        report_schedules.move(user_id, user.timezone, timezone)
        user.name, user.timezone = name, timezone
    log.info("profile_changed", user=str(user_id))


def plan_erasure(user_id: UUID, typed: str, session_id: UUID | None, now: datetime) -> datetime:
    """Let this person go once GRACE is over; when that is. Until then all stays as it is, but they are signed out
    everywhere else than in `session_id`. They get a mail.

    typed: their address, as somebody writes it who means it. Raises Invalid for another one, Conflict if an
    organization would lose its last owner, or if it is planned already.
    """
    with transaction():
        user = db.session.get_one(User, user_id, with_for_update=True, populate_existing=True)
        if typed.strip().lower() != user.email:
            raise errors.Invalid({"typed": ["is not your address; type it as it stands above"]})
        if user.erase_at is not None:
            raise errors.Conflict("Your account is to be deleted already.")
        headless = [name for _, name in departures.impact(user_id).headless]
        if headless:
            raise errors.Conflict(
                f"You are the last owner of {', '.join(headless)}. Make somebody else an owner, or delete it first."
            )
        user.erase_at = now + GRACE
        sessions.end_all(user_id, now, but=session_id)
        context = {"address": user.email, "date": f"{user.erase_at.day} {user.erase_at:%B %Y}", "days": GRACE.days}
        letters.post("account_deletion", user.email, "Your Tokiflow account will be deleted", context, None, now)
        log.info("person_goes", user=str(user_id))
        return user.erase_at


def call_off_erasure(user_id: UUID, now: datetime) -> None:
    """They stay after all. Raises Conflict if they were not going, NotFound once it is too late."""
    with transaction():
        user = db.session.get_one(User, user_id, with_for_update=True, populate_existing=True)
        if user.erase_at is None:
            raise errors.Conflict("Your account is not going to be deleted.")
        if user.erase_at <= now:
            raise errors.NotFound("It is too late: your account is being deleted.")
        user.erase_at = None
    log.info("person_stays", user=str(user_id))


def ring(now: datetime) -> bool:
    """Ring if somebody is due to go. The clock calls this."""
    with transaction():
        due = db.session.scalar(select(_due(now).exists()))
    return bool(due) and enqueue(Job.ERASE_PEOPLE)


def erase_due(now: datetime, seconds: float = STEP_SECONDS) -> int:
    """Erase people whose grace is over; how many are gone. Safe to call twice. After about `seconds` the rest waits
    for the clock to ring again, as does whoever has an organization that is still going."""
    until, gone = time.monotonic() + seconds, 0
    with transaction():
        due = db.session.execute(_due(now).limit(DUE_AT_ONCE)).scalars().all()
    for user_id in due:
        gone += person_erasures.erase(user_id, now)
        if time.monotonic() > until:
            break
    return gone


def _due(now: datetime) -> Select[UUID]:
    return select(User.id).where(User.erase_at <= now).order_by(User.erase_at, User.id)


def _unknown_zone(given: str) -> str:
    if not given.strip():
        return "is missing; choose a time zone like Europe/Berlin"
    near = zones.closest(given)
    return f"is not a time zone; {f'did you mean {near}?' if near else 'choose one like Europe/Berlin'}"


def _name_from(name: str, email: str) -> str:
    """`name` if there is one, else the address up to its @: `mia.lopez@…` is `Mia Lopez` until she says otherwise."""
    try:
        return line(name, NAME_LIMIT, "a name")
    except ValueError:
        words = email.partition("@")[0].partition("+")[0].replace("_", ".").split(".")
        return " ".join(word.capitalize() for word in words if word) or email[:NAME_LIMIT]


def _organization_of(name: str) -> str:
    return f"{name[: NAME_LIMIT - 20]}’s organization"
