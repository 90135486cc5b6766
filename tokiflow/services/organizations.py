"""Create organizations, and change what holds for all of one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert

from tokiflow.core import ids, redaction, tokens
from tokiflow.core.actors import Actor
from tokiflow.core.monitor_draft import clean, line, slug_from
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.errors import Invalid, NotFound
from tokiflow.models import Membership, Organization, User
from tokiflow.services import audit

log = structlog.get_logger()

NAME_LIMIT = 200
_SLUG_LIMIT = 70  # of 80, so that there is room to make it unique


def create(name: str, owner_id: UUID, now: datetime) -> UUID:
    """A new organization that `owner_id` owns; its id. Raises Invalid for a bad name."""
    try:
        name = line(name, NAME_LIMIT, "what the organization is called")
    except ValueError as error:
        raise Invalid({"name": [str(error)]}) from None
    with transaction():
        owner = db.session.get_one(User, owner_id)
        organization_id = _insert(name, now)
        db.session.add(
            Membership(organization_id=organization_id, user_id=owner_id, role=str(Role.OWNER), created_at=now)
        )
        by = Actor("person", owner.name or owner.email, owner.id)
        audit.record("organization.created", by, organization_id, now, object_id=organization_id, object_name=name)
    log.info("organization_created", organization=str(organization_id))
    return organization_id


def rotate_ping_key(organization_id: UUID, by: Actor, now: datetime) -> str:
    """A new ping key, or the first one; the old one is unknown from this moment."""
    with transaction():
        row = locked(organization_id)
        what = "organization.ping_key_rotated" if row.ping_key else "organization.ping_key_created"
        row.ping_key = key = tokens.new_ping_key()
        audit.record(what, by, row.id, now, object_id=row.id, object_name=row.name)
    log.info("ping_key_rotated", organization=str(organization_id))
    return key


def set_redaction(organization_id: UUID, patterns: Sequence[str], by: Actor, now: datetime) -> None:
    """Also hide what `patterns` match in output from now on. Raises Invalid under `patterns`, naming each bad one."""
    patterns = [pattern for given in patterns if (pattern := clean(given)).strip()]
    redaction.compile_patterns(patterns)
    with transaction():
        row = locked(organization_id)
        before, row.redaction_patterns = row.redaction_patterns, patterns
        if before == patterns:
            return
        # Only how many: a pattern may be the very secret that it hides.
        audit.record(
            "organization.redaction_edited", by, row.id, now, object_id=row.id, object_name=row.name,
            before={"patterns": len(before)}, after={"patterns": len(patterns)},
        )  # fmt: skip
    log.info("redaction_edited", organization=str(organization_id))


def locked(organization_id: UUID) -> Organization:
    """Its row, ours until the commit: whoever changes who owns it, does so one after another. Raises NotFound."""
    # Not against those who only refer to it: they may hold the lock of its audit log, which we want at the end.
    row = db.session.get(Organization, organization_id, with_for_update={"key_share": True}, populate_existing=True)
    if row is None:
        raise NotFound("This organization is gone.")
    return row


def _insert(name: str, now: datetime) -> UUID:
    """The row, under the first slug that is free: `harbour-freight`, then `harbour-freight-x7k2`."""
    slug = base = slug_from(name, "organization")[:_SLUG_LIMIT].strip("-")
    while True:
        row = insert(Organization).values(
            id=ids.new(), name=name, slug=slug, ping_key=tokens.new_ping_key(), created_at=now
        )
        made = db.session.execute(
            row.on_conflict_do_nothing(index_elements=["slug"]).returning(Organization.id)
        ).scalar_one_or_none()
        if made is not None:
            return made
        slug = f"{base}-{secrets.token_hex(3)}"
