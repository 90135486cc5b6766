"""People and the links that prove their addresses."""

from __future__ import annotations

from uuid import UUID

from tokiflow.db import db
from tokiflow.models import SignInLink, User


def get(user_id: UUID) -> User | None:
    """The person, or None if there is none any more."""
    return db.session.get(User, user_id)


def sign_in_link(link_id: UUID) -> SignInLink | None:
    """The link, or None."""
    return db.session.get(SignInLink, link_id)
