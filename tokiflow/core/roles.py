"""Who may do what: one table that pages and API read."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class Right(StrEnum):
    SEE = "see"
    EDIT_MONITORS = "edit_monitors"
    WORK_INCIDENTS = "work_incidents"
    EDIT_CHANNELS = "edit_channels"
    EDIT_RULES = "edit_rules"
    EDIT_KEYS = "edit_keys"
    EDIT_REDACTION = "edit_redaction"
    EDIT_MEMBERS = "edit_members"
    SEE_AUDIT = "see_audit"
    EXPORT_ORGANIZATION = "export_organization"
    EDIT_ORGANIZATION = "edit_organization"


_MEMBER = frozenset({Right.SEE, Right.EDIT_MONITORS, Right.WORK_INCIDENTS})
_ADMIN = _MEMBER | {
    Right.EDIT_CHANNELS,
    Right.EDIT_RULES,
    Right.EDIT_KEYS,
    Right.EDIT_REDACTION,
    Right.EDIT_MEMBERS,
    Right.SEE_AUDIT,
}

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.OWNER: frozenset(Right),
    Role.ADMIN: _ADMIN,
    Role.MEMBER: _MEMBER,
    Role.VIEWER: frozenset({Right.SEE}),
}


def allows(role: Role, right: Right) -> bool:
    """Whether somebody with `role` has `right`."""
    return right in RIGHTS[role]
