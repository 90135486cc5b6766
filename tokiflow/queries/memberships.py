"""Who is in an organization, and what hangs on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, or_, select
from sqlalchemy.orm import aliased, contains_eager

from tokiflow.core.roles import Role
from tokiflow.db import db
from tokiflow.models import ApiKey, Channel, Membership, Organization, User

_RANKS = case({str(role): n for n, role in enumerate(Role)}, value=Membership.role)


@dataclass(frozen=True)
class Filter:
    """Which members: whose name or address holds `words`, and who have `role`."""

    words: str = ""
    role: Role | None = None


def page(organization_id: UUID, wanted: Filter, offset: int, limit: int) -> Sequence[Membership]:
    """Memberships with their people: owners first, then by name."""
    statement = (
        _matching(organization_id, wanted)
        .options(contains_eager(Membership.user))
        .order_by(_RANKS, User.name, User.email)
        .offset(offset)
        .limit(limit)
    )
    return db.session.execute(statement).scalars().all()


def names(organization_id: UUID) -> list[tuple[UUID, str, Role]]:
    """The members by name: who they are, what they are called, and their role."""
    statement = select(User.id, User.name, User.email, Membership.role).join(Membership, Membership.user_id == User.id)
    found = db.session.execute(statement.where(Membership.organization_id == organization_id))
    people = [(row.id, row.name or row.email, Role(row.role)) for row in found]
    return sorted(people, key=lambda one: (one[1].casefold(), one[0]))


def count_by_role(organization_id: UUID, words: str = "") -> dict[Role, int]:
    """How many members have each role, of those that `words` find."""
    statement = _matching(organization_id, Filter(words)).with_only_columns(Membership.role, func.count())
    found = {Role(name): number for name, number in db.session.execute(statement.group_by(Membership.role))}
    return {role: found.get(role, 0) for role in Role}


def get(organization_id: UUID, user_id: UUID) -> Membership | None:
    """The person's membership, with the person; None for an outsider."""
    statement = _matching(organization_id, Filter()).where(Membership.user_id == user_id)
    return db.session.execute(statement.options(contains_eager(Membership.user))).scalar_one_or_none()


def by_address(organization_id: UUID, email: str) -> Membership | None:
    """The membership of whoever has this address, with the person."""
    statement = _matching(organization_id, Filter()).where(User.email == email.strip().lower())
    return db.session.execute(statement.options(contains_eager(Membership.user))).scalar_one_or_none()


def role_of(organization_id: UUID, user_id: UUID) -> Role | None:
    """What the person is there now, whatever was loaded before."""
    mine = Membership.organization_id == organization_id, Membership.user_id == user_id
    found = db.session.scalar(select(Membership.role).where(*mine))
    return Role(found) if found else None


def everybody(organization_id: UUID) -> Sequence[Membership]:
    """All memberships with their people, by address."""
    statement = _matching(organization_id, Filter()).options(contains_eager(Membership.user))
    return db.session.execute(statement.order_by(User.email)).scalars().all()


def owners(organization_id: UUID) -> Sequence[User]:
    """The people who own it."""
    statement = select(User).join(Membership).where(_owned(organization_id)).order_by(User.email)
    return db.session.execute(statement).scalars().all()


def count_owners(organization_id: UUID) -> int:
    """How many people own it."""
    return db.session.scalar(select(func.count()).select_from(Membership).where(_owned(organization_id))) or 0


def count_owned(user_id: UUID) -> int:
    """How many organizations the person owns."""
    mine = Membership.user_id == user_id, Membership.role == str(Role.OWNER)
    return db.session.scalar(select(func.count()).select_from(Membership).where(*mine)) or 0


def owned_alone(user_id: UUID) -> Sequence[Organization]:
    """The organizations that would have no owner without this person, by name."""
    other = aliased(Membership)
    others = select(other.user_id).where(
        other.organization_id == Organization.id, other.user_id != user_id, other.role == str(Role.OWNER)
    )
    statement = (
        select(Organization)
        .join(Membership)
        .where(Membership.user_id == user_id, Membership.role == str(Role.OWNER), ~others.exists())
        .order_by(Organization.name, Organization.id)
    )
    return db.session.execute(statement).scalars().all()


def keys_made(organization_id: UUID, user_id: UUID, now: datetime) -> Sequence[ApiKey]:
    """The API keys of the organization that the person made and that still work, oldest first."""
    statement = select(ApiKey).where(
        ApiKey.organization_id == organization_id, ApiKey.created_by == user_id, ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
    )  # fmt: skip
    return db.session.execute(statement.order_by(ApiKey.id)).scalars().all()


def channels_to(organization_id: UUID, email: str) -> Sequence[str]:
    """What the channels are called that mail to this address."""
    to = Channel.config["to"].contains([email])
    mine = Channel.organization_id == organization_id, Channel.kind == "email", to
    return db.session.execute(select(Channel.name).where(*mine).order_by(Channel.name)).scalars().all()


def _matching(organization_id: UUID, wanted: Filter) -> Select[Membership]:
    statement = select(Membership).join(User).where(Membership.organization_id == organization_id)
    if wanted.role is not None:
        statement = statement.where(Membership.role == str(wanted.role))
    words = wanted.words.replace("\x00", "").split()
    return statement.where(*(_has(word) for word in words[:10]))


def _has(word: str) -> ColumnElement[bool]:
    return or_(User.name.icontains(word, autoescape=True), User.email.icontains(word, autoescape=True))


def _owned(organization_id: UUID) -> ColumnElement[bool]:
    return (Membership.organization_id == organization_id) & (Membership.role == str(Role.OWNER))
