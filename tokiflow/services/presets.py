"""Saved views of the list of incidents: a person's own, or shared with everybody in the organization.

Its maker changes and deletes a view; what is shared, also an admin. Only what is shared is written down: the rest is
nobody else's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import func, select, update

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.monitor_draft import line
from tokiflow.core.roles import Right, Role, allows
from tokiflow.db import changed, db, transaction
from tokiflow.models import Membership, Preset
from tokiflow.queries import memberships
from tokiflow.services import audit, organizations

LONGEST_NAME = 100
MOST = 50
"""So many one person may have in an organization, and so many may be shared in it."""


def create(organization_id: UUID, name: str, query: str, shared: bool, by: Actor, now: datetime) -> UUID:
    """Save `query`, filters as an address has them, under a name; its id. Raises Invalid for a bad name, one that is
    taken, or one too many, Forbidden for sharing it as somebody who may only look."""
    assert by.id is not None
    name = _checked(name)
    with transaction():
        # One after another: so none is one too many, and no two have one name.
        organizations.locked(organization_id)
        _may_share(organization_id, shared, by)
        _has_room(organization_id, shared, by.id)
        _is_free(organization_id, name, shared, by.id)
        row = Preset(
            id=ids.new(), organization_id=organization_id, user_id=by.id, name=name, query=query, shared=shared,
            version=0, created_at=now,
        )  # fmt: skip
        db.session.add(row)
        if shared:
            _audit("preset.created", row, by, now, after={"name": name, "query": query})
    return row.id


def edit(
    preset_id: UUID, name: str, shared: bool, by: Actor, now: datetime, *, version: int | None = None,
    query: str | None = None,
) -> None:  # fmt: skip
    """Rename it, share it or keep it to oneself, and give it other filters. Raises as `create`, NotFound, and Conflict
    if it is not at `version` any more. What is not shared any more is nobody else's default; if its maker has left, it
    is `by`'s own from then on."""
    assert by.id is not None
    name = _checked(name)
    with transaction():
        row = _locked(preset_id, by)
        if version is not None and row.version != version:
            raise errors.Conflict("Somebody else changed this preset while you were editing it.")
        _may_share(row.organization_id, shared, by)
        if shared != row.shared:
            if not shared and memberships.role_of(row.organization_id, row.user_id) is None:
                # Whoever made it has left, and would keep it where nobody finds it.
                row.user_id = by.id
            _has_room(row.organization_id, shared, row.user_id)
        _is_free(row.organization_id, name, shared, row.user_id, but=row.id)
        before = {"name": row.name, "query": row.query, "shared": row.shared}
        row.name, row.shared, row.version = name, shared, row.version + 1
        row.query = row.query if query is None else query
        if before["shared"] and not shared:
            others = Membership.preset_id == row.id, Membership.user_id != row.user_id
            changed(update(Membership).where(*others).values(preset_id=None))
        was, is_now = audit.difference(before, {"name": row.name, "query": row.query, "shared": shared})
        if is_now and (shared or before["shared"]):
            _audit("preset.edited", row, by, now, was, is_now)


def delete(preset_id: UUID, by: Actor, now: datetime) -> None:
    """Forget it; whose default it was, has none. Raises NotFound, Forbidden."""
    with transaction():
        row = _locked(preset_id, by)
        if row.shared:
            _audit("preset.deleted", row, by, now, before={"name": row.name, "query": row.query})
        db.session.execute(delete_rows(Preset).where(Preset.id == row.id))


def set_default(organization_id: UUID, user_id: UUID, preset_id: UUID | None) -> None:
    """This is what the person sees first of the organization's incidents; None for the usual."""
    mine = Membership.organization_id == organization_id, Membership.user_id == user_id
    with transaction():
        changed(update(Membership).where(*mine).values(preset_id=preset_id))


def forget(organization_id: UUID, user_id: UUID) -> None:
    """Somebody leaves the organization: what they kept to themselves goes, what they shared stays."""
    own = Preset.organization_id == organization_id, Preset.user_id == user_id, Preset.shared.is_(False)
    changed(delete_rows(Preset).where(*own))


def hand_on(user_id: UUID) -> None:
    """Whoever made them is erased: what they shared anywhere goes on, as that of an owner there. In the caller's
    transaction."""
    owner = (
        select(Membership.user_id)
        .where(Membership.organization_id == Preset.organization_id, Membership.role == str(Role.OWNER))
        .order_by(Membership.created_at, Membership.user_id)
        .limit(1)
        .correlate(Preset)
        .scalar_subquery()
    )
    theirs = Preset.user_id == user_id, Preset.shared, owner.is_not(None)
    changed(update(Preset).where(*theirs).values(user_id=owner))


def may_change(row: Preset, user_id: UUID, role: Role) -> bool:
    """Whether this person, of this role there, may change and delete it."""
    return row.user_id == user_id or (row.shared and allows(role, Right.EDIT_MEMBERS))


def _locked(preset_id: UUID, by: Actor) -> Preset:
    assert by.id is not None
    found = db.session.get(Preset, preset_id)
    if found is None:
        raise errors.NotFound("This preset was deleted meanwhile.")
    organizations.locked(found.organization_id)
    row = db.session.get(Preset, preset_id, with_for_update=True, populate_existing=True)
    role = memberships.role_of(found.organization_id, by.id)
    if row is None or role is None or (row.user_id != by.id and not row.shared):
        raise errors.NotFound("This preset was deleted meanwhile.")
    if not may_change(row, by.id, role):
        raise errors.Forbidden("Only whoever made this preset, or an admin, changes it. Save it under a name of yours.")
    return row


def _checked(name: str) -> str:
    try:
        return line(name, LONGEST_NAME, "what you will know it by")
    except ValueError as error:
        raise errors.Invalid({"name": [str(error)]}) from None


def _may_share(organization_id: UUID, shared: bool, by: Actor) -> None:
    assert by.id is not None
    role = memberships.role_of(organization_id, by.id)
    if role is None or (shared and not allows(role, Right.WORK_INCIDENTS)):
        raise errors.Forbidden("Who may only look can save presets, but not share them.")


def _theirs(organization_id: UUID, shared: bool, user_id: UUID) -> tuple[Any, ...]:
    among = (Preset.shared,) if shared else (Preset.shared.is_(False), Preset.user_id == user_id)
    return (Preset.organization_id == organization_id, *among)


def _has_room(organization_id: UUID, shared: bool, user_id: UUID) -> None:
    there = select(func.count()).select_from(Preset).where(*_theirs(organization_id, shared, user_id))
    if db.session.execute(there).scalar_one() >= MOST:
        whose = f"an organization may share {MOST}" if shared else f"you may have {MOST}"
        raise errors.Invalid({"name": [f"is one preset too many; {whose}. Delete one that nobody needs"]})


def _is_free(organization_id: UUID, name: str, shared: bool, user_id: UUID, but: UUID | None = None) -> None:
    same = select(Preset.id).where(*_theirs(organization_id, shared, user_id), func.lower(Preset.name) == name.lower())
    if db.session.execute(same.where(Preset.id != but) if but else same).first():
        raise errors.Invalid({"name": ["is taken by another preset; choose another name, or delete that one first"]})


def _audit(
    what: str, row: Preset, by: Actor, now: datetime, before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    audit.record(what, by, row.organization_id, now, object_id=row.id, object_name=row.name, before=before, after=after)
