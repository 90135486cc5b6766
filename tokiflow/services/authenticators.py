"""The app on somebody's phone that shows a code every 30 seconds: set it up, take its codes, let go of it."""

from __future__ import annotations

from datetime import datetime
from math import ceil
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy.dialects.postgresql import insert

from tokiflow import errors
from tokiflow.core import sealing, totp
from tokiflow.db import db, transaction
from tokiflow.models import Authenticator, User
from tokiflow.services import recovery_codes, security_letters
from tokiflow.services.security_letters import Place
from tokiflow.settings import Settings

log = structlog.get_logger()

WRONG = "This code is not right. Take the one the app shows now; if it fails again, check the clock of your phone."
USED = "This code was used already. Wait for the next one."


def begin(user_id: UUID, now: datetime) -> None:
    """A new secret, which guards nothing until its first code was right. Raises Conflict if an app is confirmed."""
    values = {
        "sealed_secret": sealing.seal(totp.new_secret(), _keys()), "last_step": 0, "failures": 0, "failed_at": None,
        "created_at": now,
    }  # fmt: skip
    with transaction():
        recovery_codes.lock(user_id)
        found = _locked(user_id)
        if found is not None and found.confirmed_at is not None:
            raise errors.Conflict("You have an authenticator app already. Remove it before you set up another.")
        row = insert(Authenticator).values(user_id=user_id, **values)
        db.session.execute(row.on_conflict_do_update(index_elements=["user_id"], set_=values))


def secret(row: Authenticator) -> str:
    """The secret in base32. Raises Conflict where it can't be opened: SECRET_KEY is another by now."""
    try:
        return sealing.unseal(row.sealed_secret, _keys())
    except ValueError:
        log.warning("authenticator_sealed_with_another_key", user=str(row.user_id))
        raise errors.Conflict(
            "Codes of authenticator apps can't be checked: the key of this installation has changed. Use a passkey or "
            "a recovery code, and set the app up anew."
        ) from None


def confirm(user_id: UUID, code: str, place: Place, now: datetime) -> list[str]:
    """Its first code: from now on it guards the account. Recovery codes to show once, if there were none.

    Raises Invalid for a wrong code, Conflict if there is nothing to confirm.
    """
    with transaction():
        user = recovery_codes.lock(user_id)
        row = _locked(user_id)
        if row is None or row.confirmed_at is not None:
            raise errors.Conflict("There is no authenticator app that waits for its first code.")
        step = totp.matching_step(secret(row), code, now, row.last_step)
        if step is None:
            raise errors.Invalid({"code": [WRONG]})
        row.confirmed_at, row.last_step = now, step
        db.session.flush()
        codes = recovery_codes.ensure(user_id, now)
        more = "From now on, signing in by e-mail or with Google also takes a code of the app."
        security_letters.tell(user, "An authenticator app was added", more, place, now)
    log.info("authenticator_added", user=str(user_id))
    return codes


def verify(user: User, code: str, place: Place, now: datetime) -> None:
    """Take a code of the app, once. Raises Invalid for a wrong or used one, and RateLimited, without looking at it,
    while earlier wrong ones slow the account down.

    Only codes of the app are slowed down: passkeys and recovery codes can't be guessed, so whoever types wrong codes
    on purpose keeps nobody out.
    """
    with transaction():
        row = _locked(user.id)
        if row is None or row.confirmed_at is None:
            raise errors.Invalid({"code": ["You have no authenticator app. Use a passkey or a recovery code."]})
        left = totp.wait(row.failures, row.failed_at, now)
        if left:
            seconds = ceil(left.total_seconds())
            raise errors.RateLimited(_wait(seconds), retry_after=seconds)
        said = _take(row, user, code, place, now)
    if said:
        log.warning("second_factor_refused", user=str(user.id), failures=row.failures)
        raise errors.Invalid({"code": [said]})


def remove(user_id: UUID, place: Place, now: datetime) -> None:
    """Forget the app. Raises NotFound if there is none."""
    with transaction():
        user = recovery_codes.lock(user_id)
        row = _locked(user_id)
        if row is None:
            raise errors.NotFound("You have no authenticator app.")
        confirmed = row.confirmed_at is not None
        db.session.delete(row)
        db.session.flush()
        recovery_codes.drop_if_idle(user_id)
        if confirmed:
            more = "Its codes are not asked for any more, and not taken."
            security_letters.tell(user, "Your authenticator app was removed", more, place, now)
    log.info("authenticator_removed", user=str(user_id))


def _take(row: Authenticator, user: User, code: str, place: Place, now: datetime) -> str:
    """Note what came of it; what to say if it was wrong. A mistake is noted for good, so it is no exception here."""
    opened = secret(row)
    step = totp.matching_step(opened, code, now, row.last_step)
    if step is not None:
        row.last_step, row.failures, row.failed_at = step, 0, None
        return ""
    # Right, but used: somebody pressed twice. A guesser learns nothing that an onlooker did not know.
    if totp.matching_step(opened, code, now, 0) is not None:
        return USED
    row.failures, row.failed_at = totp.failures(row.failures, row.failed_at, now) + 1, now
    if row.failures == totp.FREE:
        more = (
            "Whoever did has come past your e-mail or Google. If it was not you, change the password of your mailbox, "
            "and end your sessions in Tokiflow."
        )
        security_letters.tell(user, "Somebody typed wrong codes for your account", more, place, now)
    return WRONG


def _wait(seconds: int) -> str:
    said = f"{seconds} seconds" if seconds < 90 else f"{round(seconds / 60)} minutes"
    return f"Too many wrong codes. Wait {said}, or use a passkey or a recovery code now."


def _locked(user_id: UUID) -> Authenticator | None:
    return db.session.get(Authenticator, user_id, with_for_update=True, populate_existing=True)


def _keys() -> tuple[str, ...]:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.secret_keys
