"""What people have beside an e-mail link or Google to show who they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from tokiflow import errors
from tokiflow.db import db
from tokiflow.models import Authenticator, Passkey, RecoveryCode, User


@dataclass(frozen=True)
class Factors:
    """How many passkeys somebody has, whether an app that showed its first code, and how many codes are unused."""

    passkeys: int = 0
    app: bool = False
    codes: int = 0

    def __bool__(self) -> bool:
        """Whether signing in takes a second step. Recovery codes alone ask for none: they only stand in."""
        return bool(self.passkeys) or self.app


def of_users(user_ids: Collection[UUID]) -> dict[UUID, Factors]:
    """What each of these people has, in one question."""
    passkeys = select(func.count()).where(Passkey.user_id == User.id).scalar_subquery()
    app = select(Authenticator.user_id).where(_confirmed(), Authenticator.user_id == User.id).exists()
    codes = (
        select(func.count()).where(RecoveryCode.user_id == User.id, RecoveryCode.used_at.is_(None)).scalar_subquery()
    )
    rows = db.session.execute(select(User.id, passkeys, app, codes).where(User.id.in_(user_ids)))
    return {row[0]: Factors(row[1], row[2], row[3]) for row in rows}


def of_user(user_id: UUID) -> Factors:
    """What this person has."""
    return of_users([user_id]).get(user_id, Factors())


def passkeys(user_id: UUID) -> Sequence[Passkey]:
    """The person's passkeys, oldest first."""
    statement = select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.created_at, Passkey.id)
    return db.session.execute(statement).scalars().all()


def passkey(passkey_id: UUID, user_id: UUID) -> Passkey:
    """This passkey of the person. Raises NotFound for one that is gone, or somebody else's."""
    statement = select(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user_id)
    found = db.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise errors.NotFound
    return found


def authenticator(user_id: UUID) -> Authenticator | None:
    """The person's app, confirmed or about to be."""
    return db.session.get(Authenticator, user_id)


def recovery_codes(user_id: UUID) -> Sequence[RecoveryCode]:
    """The person's recovery codes in the order of the sheet they were shown on."""
    statement = select(RecoveryCode).where(RecoveryCode.user_id == user_id).order_by(RecoveryCode.id)
    return db.session.execute(statement).scalars().all()


def _confirmed() -> ColumnElement[bool]:
    return Authenticator.confirmed_at.is_not(None)
