"""Who is in an organization and as what: change it, and never leave an organization without an owner.

Whoever changes it locks the organization's row first. So two owners who leave at the same moment do so one after the
other, and the second is told that nobody would own it then.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import delete

from tokiflow import errors
from tokiflow.core import roles
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Right, Role
from tokiflow.db import db, transaction
from tokiflow.models import Membership, Organization
from tokiflow.queries import memberships
from tokiflow.services import (
    api_keys,
    assignments,
    audit,
    invitations,
    notices,
    organizations,
    presets,
    report_schedules,
    sessions,
)

log = structlog.get_logger()


class LastOwner(errors.Conflict):
    """Nobody would own the organization then."""

    title = "An organization needs an owner"


def set_role(
    organization_id: UUID, user_id: UUID, role: Role, by: Actor, now: datetime, *, session_id: UUID | None = None
) -> None:
    """Give somebody another role. Who may do less from now on is signed out everywhere but in `session_id`.

    Raises NotFound for an outsider, Forbidden where `by` may not give or take that role, LastOwner.
    """
    with transaction():
        organization = organizations.locked_for(organization_id, by, Right.EDIT_MEMBERS)
        row = _member(organization, user_id)
        before = row.rank
        if before is role:
            return
        _may_manage(organization, by, before, role)
        _leaves_an_owner(organization, row, role)
        row.role = str(role)
        audit.record(
            "member.role_changed", by, organization_id, now, object_id=user_id, object_name=called(row),
            before={"role": str(before)}, after={"role": str(role)},
        )  # fmt: skip
        _take_back_invitations(organization, row, role, "role", by, now)
        if not roles.allows(role, Right.WORK_INCIDENTS):
            assignments.let_look(organization_id, user_id, called(row), by, now)
        if roles.loses(before, role):
            sessions.end_all(user_id, now, but=session_id)
        if user_id != by.id:
            notices.role_changed(row.user, organization, role, by, now)
    log.info("member_role_changed", organization=str(organization_id), user=str(user_id), role=str(role))


def remove(organization_id: UUID, user_id: UUID, by: Actor, now: datetime, *, revoke_keys: bool = False) -> None:
    """Take somebody out. They are signed out everywhere. API keys they made belong to the organization and go on,
    unless `revoke_keys`.

    Raises NotFound for an outsider, Forbidden where `by` may not take that role, LastOwner.
    """
    with transaction():
        organization = organizations.locked_for(organization_id, by, Right.EDIT_MEMBERS)
        row = _member(organization, user_id)
        _may_manage(organization, by, row.rank)
        _leaves_an_owner(organization, row)
        if revoke_keys:
            for key in memberships.keys_made(organization_id, user_id, now):
                api_keys.revoke(key.id, by, now)
        _take_back_invitations(organization, row, None, "removed", by, now)
        _take_out(row, "member.removed", by, now)
        notices.removed(row.user, organization, by, now)
    log.info("member_removed", organization=str(organization_id), user=str(user_id))


def leave(organization_id: UUID, by: Actor, now: datetime, *, session_id: UUID | None = None) -> None:
    """Take oneself out; one stays signed in only in `session_id`. Raises NotFound for an outsider, LastOwner."""
    assert by.id is not None
    with transaction():
        organization = organizations.locked(organization_id)
        row = _member(organization, by.id)
        _leaves_an_owner(organization, row)
        _take_back_invitations(organization, row, None, "left", by, now)
        _take_out(row, "member.left", by, now, session_id)
    log.info("member_left", organization=str(organization_id), user=str(by.id))


def hand_over(
    organization_id: UUID, to: UUID, typed: str, by: Actor, now: datetime, *, session_id: UUID | None = None
) -> None:
    """Make somebody the owner in one's own place; one is an admin then, signed in only in `session_id`.

    typed: the organization's name, as somebody wrote it who means it. Raises Invalid for another one, or where `to`
    is no member, or oneself.
    """
    assert by.id is not None
    with transaction():
        organization = organizations.locked_for(organization_id, by, Right.EDIT_ORGANIZATION)
        mistakes = _not_to(organization_id, to, by)
        if mistakes:
            raise errors.Invalid({"to": mistakes})
        organizations.confirm(organization, typed)
        theirs, mine = _member(organization, to), _member(organization, by.id)
        before = theirs.rank
        theirs.role, mine.role = str(Role.OWNER), str(Role.ADMIN)
        audit.record(
            "organization.handed_over", by, organization_id, now, object_id=to, object_name=called(theirs),
            before={"owner": by.name, "role": str(before)}, after={"owner": called(theirs), "role": str(Role.OWNER)},
        )  # fmt: skip
        _take_back_invitations(organization, mine, Role.ADMIN, "role", by, now)
        sessions.end_all(by.id, now, but=session_id)
        notices.role_changed(theirs.user, organization, Role.OWNER, by, now)
    log.info("organization_handed_over", organization=str(organization_id), user=str(to))


def called(row: Membership) -> str:
    """The person as others know them. The membership is loaded with its person."""
    return row.user.name or row.user.email


def _not_to(organization_id: UUID, to: UUID, by: Actor) -> list[str]:
    if to == by.id:
        return ["is yourself; choose somebody else"]
    return [] if memberships.role_of(organization_id, to) else ["is no member here; invite them first"]


def _member(organization: Organization, user_id: UUID) -> Membership:
    """Their membership as it is now, with its person. Raises NotFound."""
    mine = {"organization_id": organization.id, "user_id": user_id}
    row = db.session.get(Membership, mine, with_for_update=True, populate_existing=True)
    if row is None:
        raise errors.NotFound("They are no member of this organization any more.")
    found = memberships.get(organization.id, user_id)
    assert found is not None
    return found


def _may_manage(organization: Organization, by: Actor, *concerned: Role) -> None:
    if by.kind != "person" or by.id is None:
        return
    mine = memberships.role_of(organization.id, by.id)
    if mine is None or not roles.manages(mine) >= set(concerned):
        raise errors.Forbidden(f"Only owners of {organization.name} decide who owns it.")


def _leaves_an_owner(organization: Organization, row: Membership, role: Role | None = None) -> None:
    """Raises LastOwner if nobody owned the organization once `row` is gone, or has `role`."""
    if row.rank is not Role.OWNER or role is Role.OWNER or memberships.count_owners(organization.id) > 1:
        return
    raise LastOwner(
        f"{called(row)} is the only owner of {organization.name}. Make somebody else an owner first, "
        "or delete the organization."
    )


def _take_back_invitations(
    organization: Organization, row: Membership, role: Role | None, because: str, by: Actor, now: datetime
) -> None:
    may_give = roles.manages(role) if role else frozenset()
    invitations.withdraw_of(organization, row.user_id, may_give, because, by, now)


def _take_out(row: Membership, what: str, by: Actor, now: datetime, session_id: UUID | None = None) -> None:
    audit.record(
        what, by, row.organization_id, now, object_id=row.user_id, object_name=called(row), before={"role": row.role}
    )
    assignments.let_go(row.organization_id, row.user_id, called(row), by, now)
    presets.forget(row.organization_id, row.user_id)
    mine = Membership.organization_id == row.organization_id, Membership.user_id == row.user_id
    db.session.execute(delete(Membership).where(*mine).execution_options(synchronize_session=False))
    report_schedules.stop(row.organization_id, row.user)
    sessions.end_all(row.user_id, now, but=session_id)
