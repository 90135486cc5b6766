"""Make, note the use of, and revoke keys for programs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import or_, update

from tokiflow import errors
from tokiflow.core import ids, tokens
from tokiflow.core.actors import Actor
from tokiflow.core.monitor_draft import line
from tokiflow.db import db, transaction
from tokiflow.models import ApiKey
from tokiflow.services import audit

log = structlog.get_logger()

SCOPES = ("read", "write", "ping")
USE_NOTED_EVERY = timedelta(minutes=1)


def create(
    organization_id: UUID,
    name: str,
    scopes: Collection[str],
    by: Actor,
    now: datetime,
    expires_at: datetime | None = None,
) -> tokens.ApiKey:
    """A new key, whole for the only time: what is kept is its digest. Raises Invalid naming every bad field."""
    name, ordered = _checked(name, scopes, expires_at, now)
    key = tokens.new_api_key()
    with transaction():
        row = ApiKey(
            id=ids.new(), organization_id=organization_id, name=name, prefix=key.prefix, digest=key.digest,
            scopes=ordered, created_by=by.id if by.kind == "person" else None, created_at=now, expires_at=expires_at,
        )  # fmt: skip
        db.session.add(row)
        after = {"prefix": key.prefix, "scopes": ordered, "expires_at": expires_at and expires_at.isoformat()}
        audit.record("api_key.created", by, organization_id, now, object_id=row.id, object_name=name, after=after)
    log.info("api_key_created", key=str(row.id))
    return key


def revoke(key_id: UUID, by: Actor, now: datetime) -> None:
    """End the key at once. Raises NotFound, or Conflict for one that is revoked already."""
    with transaction():
        row = db.session.get(ApiKey, key_id, with_for_update=True, populate_existing=True)
        if row is None:
            raise errors.NotFound("This API key is gone.")
        if row.revoked_at is not None:
            raise errors.Conflict("This API key is revoked already.")
        row.revoked_at = now
        audit.record("api_key.revoked", by, row.organization_id, now, object_id=row.id, object_name=row.name)
    log.info("api_key_revoked", key=str(key_id))


def used(key: ApiKey, now: datetime) -> None:
    """Note that `key` was used. Writes at most once a minute for each key, so it may be called on every request."""
    stale = now - USE_NOTED_EVERY
    if key.last_used_at is not None and key.last_used_at > stale:
        return
    with transaction():
        db.session.execute(
            update(ApiKey)
            .where(ApiKey.id == key.id, or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= stale))
            .values(last_used_at=now)
            .execution_options(synchronize_session=False)
        )


def _checked(name: str, scopes: Collection[str], expires_at: datetime | None, now: datetime) -> tuple[str, list[str]]:
    mistakes: dict[str, Any] = {}
    try:
        name = line(name, 200, "what the key is for, like ci")
    except ValueError as error:
        mistakes["name"] = [str(error)]
    known = [scope for scope in SCOPES if scope in scopes]
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown:
        mistakes["scopes"] = [f"has {', '.join(unknown)[:100]} in it; write some of {', '.join(SCOPES)}"]
    elif not known:
        mistakes["scopes"] = [f"is empty; write some of {', '.join(SCOPES)}"]
    if expires_at is not None and expires_at <= now:
        mistakes["expires_at"] = ["has passed already; write a time in the future, or none"]
    if mistakes:
        raise errors.Invalid(mistakes)
    return name, known
