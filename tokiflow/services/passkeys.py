"""Passkeys: make one, sign with it, name it, let go of it. How a browser and we speak is in core.ceremony."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import select

from tokiflow import errors
from tokiflow.core import ceremony, ids
from tokiflow.core.monitor_draft import line
from tokiflow.db import db, transaction
from tokiflow.models import Passkey, User
from tokiflow.queries import second_factors as queries
from tokiflow.services import recovery_codes, security_letters
from tokiflow.services.security_letters import Place
from tokiflow.settings import Settings

log = structlog.get_logger()

MOST = 20
NAME_LIMIT = 100
NOT_HERE = (
    "Passkeys belong to a name, and this Tokiflow has none: its PUBLIC_URL is a number. Give it a name that leads here."
)
STALE = "That took too long, or was answered already. Try again."
UNKNOWN = "Tokiflow doesn’t know this passkey; it may have been removed here. Sign in another way."
NOT_PROVED = "The passkey could not be checked. Try again, or sign in another way."


class Refused(errors.Forbidden):
    """The passkey did not open the door."""

    title = "The passkey did not work"


@dataclass(frozen=True)
class Challenge:
    """What a browser was asked to sign, and when."""

    text: bytes
    made_at: datetime


def site() -> ceremony.Site:
    """Whom our passkeys are for. Raises Conflict where there can be none."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    found = ceremony.site(settings.public_url)
    if found is None:
        raise errors.Conflict(NOT_HERE)
    return found


def origin() -> str:
    """Where pages may use our passkeys: `https://tokiflow.example.com`; empty where there can be none."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    found = ceremony.site(settings.public_url)
    return found.origin if found else ""


def options_to_add(user: User, challenge: bytes) -> dict[str, Any]:
    """What the person's browser is asked for a new passkey, as JSON. Raises Conflict where there can be none."""
    return ceremony.options_to_make(site(), challenge, user.id.bytes, user.email, user.name, _known(user.id))


def options_to_verify(challenge: bytes, user_id: UUID | None = None) -> dict[str, Any]:
    """What a browser is asked to sign with: a passkey of this person, or without one, any that it has for us."""
    return ceremony.options_to_use(site(), challenge, _known(user_id) if user_id else ())


def add(user_id: UUID, name: str, answer: str, challenge: Challenge, place: Place, now: datetime) -> list[str]:
    """Keep the passkey in the browser's `answer` (JSON). Recovery codes to show once, if there were none.

    Raises Invalid, naming the field, for a bad name or an answer that proves nothing.
    """
    name = _name(name)
    try:
        made = ceremony.made(answer, site(), challenge.text)
    except ceremony.Refused as refused:
        log.warning("passkey_refused", user=str(user_id), why=str(refused))
        raise errors.Invalid({"credential": ["The passkey could not be made. Try again."]}) from None
    with transaction():
        user = recovery_codes.lock(user_id)
        _check_room(user_id, made.credential_id)
        db.session.add(
            Passkey(
                id=ids.new(), user_id=user_id, name=name, credential_id=made.credential_id, public_key=made.public_key,
                sign_count=made.sign_count, transports=made.transports, synced=made.synced, created_at=now,
            )
        )  # fmt: skip
        db.session.flush()
        codes = recovery_codes.ensure(user_id, now)
        more = f"It is called “{name}”, and signs you in by itself."
        security_letters.tell(user, "A passkey was added", more, place, now)
    log.info("passkey_added", user=str(user_id), synced=made.synced)
    return codes


def verify(answer: str, challenge: Challenge, now: datetime, *, of: UUID | None = None) -> User:
    """Whose passkey has signed in the browser's `answer` (JSON); a passkey verifies its person, so it is both factors.

    of: only this person's counts. Raises Refused otherwise, and for every answer that proves nothing.
    """
    try:
        identifier = ceremony.credential_id(answer)
    except ceremony.Refused as refused:
        raise _refused(NOT_PROVED, why=str(refused)) from None
    with transaction():
        row = _locked(identifier)
        if row is None or (of is not None and row.user_id != of):
            raise _refused(UNKNOWN, why="unknown")
        # Cookies can be copied with the challenge in them: a challenge from before the last use was in reach then.
        if row.last_used_at is not None and challenge.made_at <= row.last_used_at:
            raise _refused(STALE, why="older than the last use", passkey=str(row.id))
        try:
            used = ceremony.used(
                answer, site(), challenge.text, row.public_key, row.user_id.bytes, named=of is not None
            )
        except ceremony.Refused as refused:
            raise _refused(NOT_PROVED, why=str(refused), passkey=str(row.id)) from None
        _check_count(row, used)
        row.sign_count, row.synced, row.last_used_at = used.sign_count, used.synced, now
        user = db.session.get_one(User, row.user_id)
    log.info("passkey_used", user=str(user.id), passkey=str(row.id))
    return user


def sign_in(answer: str, challenge: Challenge, now: datetime) -> User:
    """Whoever has signed in the browser's `answer`, signed in with nothing else. Raises Refused as `verify` does."""
    with transaction():
        user = verify(answer, challenge, now)
        user.last_signed_in_at = now
    log.info("signed_in", user=str(user.id), how="passkey")
    return user


def rename(passkey_id: UUID, user_id: UUID, name: str) -> None:
    """Call it something else. Raises Invalid for a bad name, NotFound for a passkey that is not this person's."""
    name = _name(name)
    with transaction():
        queries.passkey(passkey_id, user_id).name = name
    log.info("passkey_renamed", user=str(user_id), passkey=str(passkey_id))


def remove(passkey_id: UUID, user_id: UUID, place: Place, now: datetime) -> None:
    """Never take it again. Raises NotFound for a passkey that is not this person's."""
    with transaction():
        user = recovery_codes.lock(user_id)
        row = queries.passkey(passkey_id, user_id)
        name = row.name
        db.session.delete(row)
        db.session.flush()
        recovery_codes.drop_if_idle(user_id)
        more = f"“{name}” opens Tokiflow no more. Delete it on the device as well, or it will still be offered there."
        security_letters.tell(user, "A passkey was removed", more, place, now)
    log.info("passkey_removed", user=str(user_id), passkey=str(passkey_id))


def _check_room(user_id: UUID, credential_id: bytes) -> None:
    if len(queries.passkeys(user_id)) >= MOST:
        raise errors.Invalid({"name": [f"You have {MOST} passkeys already. Remove one that you no longer use."]})
    if db.session.execute(select(Passkey.id).where(Passkey.credential_id == credential_id)).first():
        raise errors.Invalid({"credential": ["This passkey is here already."]})


def _check_count(row: Passkey, used: ceremony.Used) -> None:
    """A counter that goes back means that somebody copied the key (§6.1.1). Those that are synced are copies by nature:
    of them it is only noted."""
    if not (used.sign_count or row.sign_count) or used.sign_count > row.sign_count:
        return
    log.warning("passkey_counter_went_back", user=str(row.user_id), passkey=str(row.id), synced=row.synced)
    if not row.synced:
        raise Refused(
            "This passkey may have been copied: it counts less uses than Tokiflow has seen. Sign in another way, and "
            "replace it."
        )


def _locked(credential_id: bytes) -> Passkey | None:
    statement = select(Passkey).where(Passkey.credential_id == credential_id).with_for_update()
    return db.session.execute(statement, execution_options={"populate_existing": True}).scalar_one_or_none()


def _known(user_id: UUID) -> list[tuple[bytes, list[str]]]:
    return [(one.credential_id, one.transports) for one in queries.passkeys(user_id)]


def _name(name: str) -> str:
    try:
        return line(name, NAME_LIMIT, "a name you will know it by")
    except ValueError as error:
        raise errors.Invalid({"name": [str(error)]}) from None


def _refused(said: str, why: str, passkey: str = "") -> Refused:
    log.warning("passkey_refused", why=why, passkey=passkey)
    return Refused(said)
