"""People and the links that prove their addresses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tokiflow.core.roles import Right, Role, allows
from tokiflow.db import db
from tokiflow.models import Membership, Passkey, SignInLink, User


def get(user_id: UUID) -> User | None:
    """The person, or None if there is none any more."""
    return db.session.get(User, user_id)


def called(user_ids: Collection[UUID]) -> dict[UUID, str]:
    """By id: what those of them who are still here are called. One statement, or none for none."""
    if not user_ids:
        return {}
    statement = select(User.id, User.name, User.email).where(User.id.in_(user_ids))
    return {row.id: row.name or row.email for row in db.session.execute(statement)}


def sign_in_link(link_id: UUID) -> SignInLink | None:
    """The link, or None."""
    return db.session.get(SignInLink, link_id)


def who_may(right: Right, organization_ids: Collection[UUID]) -> Sequence[Any]:
    """Those whose role in one of the organizations has `right`: organization_id, email, timezone of each."""
    roles = [str(role) for role in Role if allows(role, right)]
    return db.session.execute(
        select(Membership.organization_id, User.email, User.timezone)
        .join(User, User.id == Membership.user_id)
        .where(Membership.organization_id.in_(organization_ids), Membership.role.in_(roles))
        .order_by(User.email)
    ).all()


def has_mailbox(user: User) -> bool:
    """Whether a link can be mailed to them; not to the person at this very machine (services.people.local)."""
    return not user.email.endswith("@localhost")


def has_way_in_besides_google(user: User) -> bool:
    """Whether they could still come in if they could not with Google."""
    keys = select(select(Passkey.id).where(Passkey.user_id == user.id).exists())
    return has_mailbox(user) or db.session.execute(keys).scalar_one()
