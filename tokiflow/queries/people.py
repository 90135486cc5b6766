"""People and the links that prove their addresses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tokiflow.core.roles import Right, Role, allows
from tokiflow.db import db
from tokiflow.models import Membership, SignInLink, User


def get(user_id: UUID) -> User | None:
    """The person, or None if there is none any more."""
    return db.session.get(User, user_id)


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
