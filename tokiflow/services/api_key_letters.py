"""Letters about API keys: to whoever made one, and, a week before one ends, to those who can make another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Interval, literal, select

from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW, Actor
from tokiflow.core.roles import Right
from tokiflow.db import db, transaction
from tokiflow.models import ApiKey, Organization, User
from tokiflow.queries import memberships, people
from tokiflow.queries.api_keys import ENDS_SOON
from tokiflow.services import letters

log = structlog.get_logger()

NAMED = 10
"""So many keys a letter names; the others are counted."""
AT_ONCE = 500
SHORT = ENDS_SOON + timedelta(days=1)
"""Who makes a key for no longer than this knows when it ends."""


def tell_of(row: ApiKey, by: Actor, now: datetime) -> None:
    """Promise a letter to the person who made `row`: if it was somebody else with their session, they hear of it. Of
    one that was made on the server all owners hear.

    Call it in the transaction that made it.
    """
    organization = db.session.get_one(Organization, row.organization_id)
    if row.created_by is not None:
        _tell(db.session.get_one(User, row.created_by), organization, row, now)
        return
    if by == TOKIFLOW:
        return
    for owner in memberships.owners(row.organization_id):
        _tell(owner, organization, row, now)


def _tell(reader: User, organization: Organization, row: ApiKey, now: datetime) -> None:
    letters.post(
        "api_key_created",
        reader.email,
        f"A new API key was made for {organization.name}: {row.name}",
        {
            "organization": organization.name,
            "key": row.name,
            "prefix": row.prefix,
            "scopes": ", ".join(row.scopes),
            "made": _moment(now, reader.timezone),
            "ends": _moment(row.expires_at, reader.timezone) if row.expires_at else "never",
            "path": _path(row.id),
            "on_server": row.created_by is None,
        },
        row.organization_id,
        now,
    )


def warn(now: datetime) -> int:
    """Promise letters about keys that end within a week, each key once; how many keys. The clock calls this.

    Keys that were made for no longer than SHORT, or are being replaced, end as they were meant to.
    """
    ending = (
        select(ApiKey)
        .where(
            ApiKey.revoked_at.is_(None), ApiKey.warned_at.is_(None), ApiKey.replaced_by.is_(None),
            ApiKey.expires_at > now, ApiKey.expires_at <= now + ENDS_SOON,
            ApiKey.expires_at > ApiKey.created_at + literal(SHORT, Interval()),
        )
        .order_by(ApiKey.organization_id, ApiKey.expires_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, key_share=True)
        .execution_options(populate_existing=True)
    )  # fmt: skip
    with transaction():
        rows = db.session.execute(ending).scalars().all()
        for organization_id, keys in groupby(rows, lambda row: row.organization_id):
            _warn(organization_id, list(keys), now)
    return len(rows)


def _warn(organization_id: UUID, keys: Sequence[ApiKey], now: datetime) -> None:
    organization = db.session.get_one(Organization, organization_id)
    for person in people.who_may(Right.EDIT_KEYS, [organization_id]):
        letters.post(
            "api_key_expiring",
            person.email,
            _subject(keys, organization.name),
            {
                "organization": organization.name,
                "keys": [_named(row, person.timezone) for row in keys[:NAMED]],
                "more": max(0, len(keys) - NAMED),
            },
            organization_id,
            now,
        )
    for row in keys:
        row.warned_at = now
        log.info("api_key_ends_soon", key=str(row.id))


def _subject(keys: Sequence[ApiKey], organization: str) -> str:
    if len(keys) == 1:
        return f"An API key of {organization} ends within a week: {keys[0].name}"
    return f"{len(keys)} API keys of {organization} end within a week"


def _named(row: ApiKey, timezone: str) -> dict[str, Any]:
    assert row.expires_at is not None
    return {
        "name": row.name,
        "prefix": row.prefix,
        "ends": _moment(row.expires_at, timezone),
        "used": f"Last used {_moment(row.last_used_at, timezone)}" if row.last_used_at else "Never used",
        "path": _path(row.id),
    }


def _path(key_id: UUID) -> str:
    return f"/app/settings/api-keys/{ids.public('key', key_id)}"


def _moment(at: datetime, timezone: str) -> str:
    local = at.astimezone(ZoneInfo(timezone or "UTC"))
    return f"{local:%a} {local.day} {local:%b %Y}, {local:%H:%M} ({timezone or 'UTC'})"
