"""Create organizations, and change what holds for all of one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert

from tokiflow.core import ids, redaction, tokens
from tokiflow.core.actors import Actor
from tokiflow.core.monitor_draft import clean, line, slug_from
from tokiflow.core.roles import Right, Role, allows
from tokiflow.db import db, transaction
from tokiflow.errors import Conflict, Forbidden, Invalid, NotFound
from tokiflow.models import Membership, Organization, User
from tokiflow.queries import audit as audit_queries
from tokiflow.queries import memberships
from tokiflow.queue import Job, enqueue
from tokiflow.services import audit, notices, organization_erasures

log = structlog.get_logger()

NAME_LIMIT = 200
GRACE = timedelta(days=7)
"""So long a deleted organization waits, in case somebody changes their mind."""
TOLD_ONCE_IN = timedelta(days=1)
"""So that nobody who deletes and keeps it all day fills the mailboxes of everybody in it."""
MOST_OWNED = 50
STEP_SECONDS = 1.0
"""Then other jobs of the worker that erases have their turn."""
_SLUG_LIMIT = 70  # of 80, so that there is room to make it unique


def create(name: str, owner_id: UUID, now: datetime, address: str = "") -> UUID:
    """A new organization that `owner_id`, who asks from `address`, owns; its id.

    Raises Invalid for a bad name, Conflict for one too many.
    """
    name = _checked_name(name)
    with transaction():
        owner = db.session.get_one(User, owner_id, with_for_update={"key_share": True})
        if memberships.count_owned(owner_id) >= MOST_OWNED:
            raise Conflict(f"You own {MOST_OWNED} organizations, and that is how many one person may have.")
        organization_id = _insert(name, now)
        db.session.add(
            Membership(organization_id=organization_id, user_id=owner_id, role=str(Role.OWNER), created_at=now)
        )
        by = Actor("person", owner.name or owner.email, owner.id, address)
        audit.record("organization.created", by, organization_id, now, object_id=organization_id, object_name=name)
    log.info("organization_created", organization=str(organization_id))
    return organization_id


def rename(organization_id: UUID, name: str, by: Actor, now: datetime) -> None:
    """Call it `name` from now on; its slug stays, because addresses are made of it. Raises Invalid for a bad name."""
    name = _checked_name(name)
    with transaction():
        row = locked_for(organization_id, by, Right.EDIT_ORGANIZATION)
        before, row.name = row.name, name
        if before == name:
            return
        audit.record(
            "organization.renamed", by, row.id, now, object_id=row.id, object_name=name,
            before={"name": before}, after={"name": name},
        )  # fmt: skip
    log.info("organization_renamed", organization=str(organization_id))


def plan_deletion(organization_id: UUID, typed: str, by: Actor, now: datetime) -> datetime:
    """Let all of it go once GRACE is over; when that is. Until then everything works as before.

    typed: its name, as somebody wrote it who means it. Raises Invalid for another one, Conflict if it is planned
    already. Everybody in it gets a letter, once in TOLD_ONCE_IN.
    """
    with transaction():
        row = locked_for(organization_id, by, Right.EDIT_ORGANIZATION)
        confirm(row, typed)
        if row.erase_at is not None:
            raise Conflict(f"{row.name} is to be deleted already.")
        row.erase_at = now + GRACE
        after = {"erase_at": row.erase_at.isoformat()}
        audit.record(
            "organization.deletion_planned", by, row.id, now, object_id=row.id, object_name=row.name, after=after
        )
        if not audit_queries.was_done("organization.deletion_planned", row.id, now - TOLD_ONCE_IN):
            for member in memberships.everybody(row.id):
                notices.deletion_planned(member, row, by, row.erase_at, now)
        log.info("organization_deletion_planned", organization=str(organization_id))
        return row.erase_at


def call_off_deletion(organization_id: UUID, by: Actor, now: datetime) -> None:
    """Keep it after all. Raises Conflict if nobody wants to delete it, NotFound once it is too late."""
    with transaction():
        row = locked_for(organization_id, by, Right.EDIT_ORGANIZATION)
        if row.erase_at is None:
            raise Conflict(f"{row.name} is not going to be deleted.")
        if row.erase_at <= now:
            raise NotFound("It is too late: this organization is being deleted.")
        row.erase_at = None
        audit.record("organization.deletion_called_off", by, row.id, now, object_id=row.id, object_name=row.name)
    log.info("organization_deletion_called_off", organization=str(organization_id))


def ring(now: datetime) -> bool:
    """Ring if an organization is due to go. The clock calls this."""
    with transaction():
        due = db.session.scalar(select(_due(now).exists()))
    return bool(due) and enqueue(Job.ERASE_ORGANIZATIONS)


def erase_due(now: datetime, seconds: float = STEP_SECONDS) -> int:
    """Erase what belongs to organizations whose time is over; how many are gone. Safe to run beside itself.

    After about `seconds` it rings for the rest.
    """
    until, gone = time.monotonic() + seconds, 0
    with transaction():
        due = db.session.execute(_due(now)).scalars().all()
    for organization_id in due:
        outcome = organization_erasures.erase(organization_id, now, until)
        gone += outcome is organization_erasures.Outcome.GONE
        if outcome is organization_erasures.Outcome.MORE:
            enqueue(Job.ERASE_ORGANIZATIONS)
            break
    return gone


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


def locked_for(organization_id: UUID, by: Actor, right: Right) -> Organization:
    """The same, if `by` still has `right`: what the page saw may have changed while they waited. Raises Forbidden."""
    row = locked(organization_id)
    if by.kind == "person":
        assert by.id is not None
        role = memberships.role_of(organization_id, by.id)
        if role is None or not allows(role, right):
            raise Forbidden(f"You may not do this in {row.name} any more.")
    return row


def confirm(row: Organization, typed: str) -> None:
    """Raises Invalid unless `typed` is the organization's name."""
    if " ".join(typed.split()) != " ".join(row.name.split()):
        raise Invalid({"typed": ["is not the name of this organization; type it as it stands above"]})


def _due(now: datetime) -> Select[UUID]:
    return select(Organization.id).where(Organization.erase_at <= now).order_by(Organization.erase_at)


def _checked_name(name: str) -> str:
    try:
        return line(name, NAME_LIMIT, "what the organization is called")
    except ValueError as error:
        raise Invalid({"name": [str(error)]}) from None


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
