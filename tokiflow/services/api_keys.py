"""Make, replace and revoke keys for programs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from tokiflow import errors
from tokiflow.core import durations, ids, tokens
from tokiflow.core.actors import Actor
from tokiflow.core.monitor_draft import line
from tokiflow.db import db, transaction
from tokiflow.models import ApiKey, Organization
from tokiflow.queries import api_keys as queries
from tokiflow.services import api_key_letters, audit

log = structlog.get_logger()

SCOPES = ("read", "write", "ping")
OVERLAP_AT_MOST = timedelta(days=30)
"""So long, at most, a key works beside the one that takes its place."""

RATE_OVER = timedelta(hours=1)
BY_A_PERSON = 20
IN_AN_ORGANIZATION = 60
"""So many keys people may make in RATE_OVER: one of them alone, and all of an organization."""


class AlreadyMade(errors.Conflict):
    """The same form was sent twice: its key is there, and not to be seen again."""

    title = "This key was made already"


def create(
    organization_id: UUID,
    name: str,
    scopes: Collection[str],
    by: Actor,
    now: datetime,
    expires_at: datetime | None = None,
    *,
    key_id: UUID | None = None,
) -> tokens.ApiKey:
    """A new key, whole for the only time: what is kept is its digest.

    key_id: the id that it gets. Whoever sends the same form twice names it, so that no second key is made.
    Raises Invalid naming every bad field, AlreadyMade, or RateLimited.
    """
    name, ordered = _checked(name, scopes, expires_at, now)
    with transaction():
        _admit(organization_id, key_id, by, now)
        key = _add(key_id or ids.new(), organization_id, name, ordered, expires_at, by, now)
    return key


def rotate(
    key_id: UUID,
    until: datetime,
    by: Actor,
    now: datetime,
    expires_at: datetime | None = None,
    *,
    new_id: UUID | None = None,
) -> tokens.ApiKey:
    """A new key of the same name and scopes, whole for the only time. The old one works until `until`, or until it
    would have ended anyway.

    Raises NotFound, Conflict for a key that has ended or was replaced already, Invalid, AlreadyMade, or RateLimited.
    """
    mistakes = _mistakes(expires_at, now)
    if until > now + OVERLAP_AT_MOST:
        mistakes["until"] = [f"is too late; the old key may go on for {OVERLAP_AT_MOST.days} days at most"]
    if mistakes:
        raise errors.Invalid(mistakes)
    with transaction():
        organization_id = queries.get(key_id).organization_id
        _admit(organization_id, new_id, by, now)
        old = _locked(key_id)
        _check_rotatable(old, now)
        key = _add(new_id or ids.new(), organization_id, old.name, list(old.scopes), expires_at, by, now, replaces=old)
        before = {"expires_at": _iso(old.expires_at)}
        old.expires_at = max(now, min(until, old.expires_at or until))
        after = {"expires_at": _iso(old.expires_at), "replaced_by": key.prefix}
        audit.record(
            "api_key.rotated", by, organization_id, now,
            object_id=old.id, object_name=old.name, before=before, after=after,
        )  # fmt: skip
    return key


def revoke(key_id: UUID, by: Actor, now: datetime) -> None:
    """End the key at once. Raises NotFound, or Conflict for one that is revoked already."""
    with transaction():
        row = _locked(key_id)
        if row.revoked_at is not None:
            raise errors.Conflict("This API key is revoked already.")
        row.revoked_at = now
        audit.record(
            "api_key.revoked", by, row.organization_id, now,
            object_id=row.id, object_name=row.name, after={"prefix": row.prefix},
        )  # fmt: skip
    log.info("api_key_revoked", key=str(key_id))


def _add(
    key_id: UUID,
    organization_id: UUID,
    name: str,
    scopes: list[str],
    expires_at: datetime | None,
    by: Actor,
    now: datetime,
    replaces: ApiKey | None = None,
) -> tokens.ApiKey:
    key = tokens.new_api_key()
    row = ApiKey(
        id=key_id, organization_id=organization_id, name=name, prefix=key.prefix, digest=key.digest, scopes=scopes,
        created_by=by.id if by.kind == "person" else None, created_at=now, expires_at=expires_at,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    after = {"prefix": key.prefix, "scopes": scopes, "expires_at": _iso(expires_at)}
    if replaces:
        replaces.replaced_by = key_id
        after["replaces"] = replaces.prefix
    audit.record("api_key.created", by, organization_id, now, object_id=key_id, object_name=name, after=after)
    api_key_letters.tell_of(row, by, now)
    log.info("api_key_created", key=str(key_id))
    return key


def _admit(organization_id: UUID, key_id: UUID | None, by: Actor, now: datetime) -> None:
    """Let one more key be made, one request after another. Raises AlreadyMade or RateLimited."""
    db.session.get_one(Organization, organization_id, with_for_update={"key_share": True})
    if key_id is not None and db.session.get(ApiKey, key_id) is not None:
        raise AlreadyMade("This form was sent before, and its key was shown then.")
    if by.kind != "person":
        return
    made = queries.made_since(organization_id, now - RATE_OVER, IN_AN_ORGANIZATION)
    own = [at for at, person in made if person == by.id]
    if len(own) >= BY_A_PERSON:
        raise _too_many(f"You have made {BY_A_PERSON} keys", own[BY_A_PERSON - 1], now)
    if len(made) >= IN_AN_ORGANIZATION:
        raise _too_many(f"{IN_AN_ORGANIZATION} keys were made here", made[-1][0], now)


def _too_many(said: str, oldest: datetime, now: datetime) -> errors.RateLimited:
    next_at = oldest + RATE_OVER
    words = f"{said} in the last hour, which is as many as may be. The next can be made {durations.ago(next_at, now)}."
    return errors.RateLimited(words, max(1, int((next_at - now).total_seconds()) + 1))


def _check_rotatable(old: ApiKey, now: datetime) -> None:
    if old.revoked_at is not None:
        raise errors.Conflict("This API key is revoked; make a new one.")
    if old.replaced_by is not None:
        raise errors.Conflict("This API key was replaced already; rotate the one that took its place.")
    if old.expires_at is not None and old.expires_at <= now:
        raise errors.Conflict("This API key has expired; make a new one.")


def _locked(key_id: UUID) -> ApiKey:
    row = db.session.get(ApiKey, key_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise errors.NotFound("This API key is gone.")
    return row


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
    mistakes |= _mistakes(expires_at, now)
    if mistakes:
        raise errors.Invalid(mistakes)
    return name, known


def _mistakes(expires_at: datetime | None, now: datetime) -> dict[str, list[str]]:
    if expires_at is not None and expires_at <= now:
        return {"expires_at": ["has passed already; write a time in the future, or none"]}
    return {}


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
