"""API keys: whose is this one, which are there, and how much they are used."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, or_, select
from sqlalchemy.orm import aliased

from tokiflow import errors
from tokiflow.core import tokens
from tokiflow.db import db
from tokiflow.models import ApiKey, ApiKeyUse, User

ENDS_SOON = timedelta(days=7)
DAYS = 30
"""So many days, today among them, uses are told of."""


class State(StrEnum):
    """Whether a key works, and for how long: active, expiring and replaced ones do."""

    ACTIVE = "active"
    EXPIRING = "expiring"
    REPLACED = "replaced"
    EXPIRED = "expired"
    REVOKED = "revoked"


WORKING = (State.ACTIVE, State.EXPIRING, State.REPLACED)


@dataclass(frozen=True)
class Listed:
    """A key, its state, and what is known of who made it and of the key that takes its place."""

    key: ApiKey
    state: State
    maker: str
    replacement: ApiKey | None


def authenticate(text: str, now: datetime) -> ApiKey | None:
    """The key that `text` is; None if it is none of ours, revoked or expired.

    Looked up by its digest: what time the comparison takes then tells nothing about any key.
    """
    if not tokens.looks_like_api_key(text):
        return None
    statement = select(ApiKey).where(
        ApiKey.digest == tokens.digest(text),
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
    )
    return db.session.execute(statement).scalar_one_or_none()


def get(key_id: UUID) -> ApiKey:
    """The key. Raises NotFound."""
    found = db.session.get(ApiKey, key_id)
    if found is None:
        raise errors.NotFound("This API key is gone.")
    return found


def of_organization(organization_id: UUID) -> Sequence[ApiKey]:
    """All keys, newest first, revoked ones too."""
    statement = select(ApiKey).where(ApiKey.organization_id == organization_id).order_by(ApiKey.id.desc())
    return db.session.execute(statement).scalars().all()


def by_prefix(organization_id: UUID, prefix: str) -> ApiKey | None:
    """The key that shows as `prefix` (`tfk_x7K2…`), or None."""
    statement = select(ApiKey).where(ApiKey.organization_id == organization_id, ApiKey.prefix == prefix).limit(1)
    return db.session.execute(statement).scalar_one_or_none()


def counts(organization_id: UUID, words: str, now: datetime) -> Mapping[State, int]:
    """By state: how many keys whose name or prefix has `words` in it."""
    state = _state(now).label("state")
    statement = select(state, func.count()).where(*_matching(organization_id, words)).group_by("state")
    found = {State(row[0]): row[1] for row in db.session.execute(statement)}
    return {one: found.get(one, 0) for one in State}


def page(
    organization_id: UUID, words: str, states: Collection[State], now: datetime, *, offset: int, limit: int
) -> list[Listed]:
    """Some of the keys in one of these states whose name or prefix has `words` in it, newest first."""
    wanted = _matching(organization_id, words), _state(now).in_([str(one) for one in states])
    statement = _listed(now).where(*wanted[0], wanted[1]).order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
    return [Listed(*row) for row in _rows(statement.offset(offset).limit(limit))]


def listed(key_id: UUID, now: datetime) -> Listed:
    """One key as it is listed. Raises NotFound."""
    found = _rows(_listed(now).where(ApiKey.id == key_id))
    if not found:
        raise errors.NotFound("This API key is gone.")
    return Listed(*found[0])


def replaced_by(key_id: UUID) -> ApiKey | None:
    """The key whose place this one takes, or None."""
    return db.session.execute(select(ApiKey).where(ApiKey.replaced_by == key_id)).scalar_one_or_none()


def made_since(organization_id: UUID, since: datetime, most: int) -> list[tuple[datetime, UUID | None]]:
    """When, and by whom, the organization's last keys were made by people, newest first."""
    statement = (
        select(ApiKey.created_at, ApiKey.created_by)
        .where(ApiKey.organization_id == organization_id, ApiKey.created_at > since, ApiKey.created_by.is_not(None))
        .order_by(ApiKey.created_at.desc())
        .limit(most)
    )
    return [(row[0], row[1]) for row in db.session.execute(statement)]


def uses(key_ids: Collection[UUID], now: datetime) -> dict[UUID, list[int]]:
    """By key: the calls of each of the last DAYS days (UTC), oldest first, today's last."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=DAYS - 1)
    found = {one: [0] * DAYS for one in key_ids}
    statement = select(ApiKeyUse.api_key_id, ApiKeyUse.day, ApiKeyUse.count).where(
        ApiKeyUse.api_key_id.in_(key_ids), ApiKeyUse.day >= first, ApiKeyUse.day <= today
    )
    for key_id, day, count in db.session.execute(statement):
        found[key_id][(day - first).days] = count
    return found


def _state(now: datetime) -> ColumnElement[str]:
    return case(
        (ApiKey.revoked_at.is_not(None), State.REVOKED.value),
        (ApiKey.expires_at <= now, State.EXPIRED.value),
        (ApiKey.replaced_by.is_not(None), State.REPLACED.value),
        (ApiKey.expires_at <= now + ENDS_SOON, State.EXPIRING.value),
        else_=State.ACTIVE.value,
    )


def _matching(organization_id: UUID, words: str) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [ApiKey.organization_id == organization_id]
    if words:
        found = ApiKey.name.icontains(words, autoescape=True), ApiKey.prefix.contains(words, autoescape=True)
        where.append(or_(*found))
    return where


_Next = aliased(ApiKey)


def _listed(now: datetime) -> Select[*tuple[Any, ...]]:
    return (
        select(ApiKey, _state(now), User.name, User.email, _Next)
        .outerjoin(User, User.id == ApiKey.created_by)
        .outerjoin(_Next, _Next.id == ApiKey.replaced_by)
    )


def _rows(statement: Select[*tuple[Any, ...]]) -> list[tuple[ApiKey, State, str, ApiKey | None]]:
    return [
        (key, State(state), name or email or "", replacement)
        for key, state, name, email, replacement in db.session.execute(statement)
    ]
