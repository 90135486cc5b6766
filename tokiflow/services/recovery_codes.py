"""Codes on paper that stand in for a lost phone or key: made ten at a time, shown once, each good for one use."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import delete, update

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core import recovery_codes as rules
from tokiflow.db import db, transaction
from tokiflow.models import RecoveryCode, User
from tokiflow.queries import second_factors as queries
from tokiflow.services import security_letters
from tokiflow.services.security_letters import Place

log = structlog.get_logger()


def renew(user_id: UUID, place: Place, now: datetime) -> list[str]:
    """Ten new codes, which nobody can be shown again; the ones before stop working. Raises Conflict for somebody who
    has nothing that they could stand in for."""
    with transaction():
        user = lock(user_id)
        if not queries.of_user(user_id):
            raise errors.Conflict("Add a passkey or an authenticator app first: recovery codes stand in for those.")
        codes = _write(user_id, now)
        security_letters.tell(user, "New recovery codes were made", "The ones before no longer work.", place, now)
    log.info("recovery_codes_made", user=str(user_id))
    return codes


def ensure(user_id: UUID, now: datetime) -> list[str]:
    """Codes for somebody who has none left that work, to show once; else nothing. In the caller's transaction."""
    return _write(user_id, now) if not queries.of_user(user_id).codes else []


def use(user: User, text: str, place: Place, now: datetime) -> int:
    """Take a code, for good; how many are left. Raises Invalid if it is none of this person's that works."""
    digest = rules.digest(text)
    unused = RecoveryCode.user_id == user.id, RecoveryCode.digest == digest, RecoveryCode.used_at.is_(None)
    with transaction():
        # One statement: of two who come with the same code at once, one finds it used.
        taken = db.session.execute(
            update(RecoveryCode)
            .where(*unused)
            .values(used_at=now)
            .returning(RecoveryCode.id)
            .execution_options(synchronize_session=False)
        ).scalar_one_or_none()
        if taken is None:
            raise errors.Invalid({"code": ["It is not a recovery code of yours that still works. Try another one."]})
        left = queries.of_user(user.id).codes
        security_letters.tell(user, "A recovery code was used", _left(left), place, now)
    log.info("recovery_code_used", user=str(user.id), left=left)
    return left


def drop_if_idle(user_id: UUID) -> None:
    """Remove the codes of somebody who has nothing left that they could stand in for. In the caller's transaction."""
    if not queries.of_user(user_id):
        db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def lock(user_id: UUID) -> User:
    """The person, ours until the commit: what they sign in with changes one thing at a time."""
    return db.session.get_one(User, user_id, with_for_update={"key_share": True}, populate_existing=True)


def _write(user_id: UUID, now: datetime) -> list[str]:
    codes = [rules.new() for _ in range(rules.COUNT)]
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    db.session.add_all(
        RecoveryCode(id=ids.new(), user_id=user_id, digest=rules.digest(code), created_at=now) for code in codes
    )
    db.session.flush()
    return codes


def _left(count: int) -> str:
    if not count:
        return "It was the last one. Make new ones while you can still sign in."
    more = " Make new ones soon." if count <= rules.FEW else ""
    return f"It stood in for your second factor and works no more; {count} {'is' if count == 1 else 'are'} left.{more}"
