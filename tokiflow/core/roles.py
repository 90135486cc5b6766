"""Who may do what: one table that pages, API and docs read (docs/roles.md is made of it)."""

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
    PING = "ping"
    WORK_INCIDENTS = "work_incidents"
    EDIT_CHANNELS = "edit_channels"
    EDIT_RULES = "edit_rules"
    EDIT_KEYS = "edit_keys"
    EDIT_REDACTION = "edit_redaction"
    EDIT_MEMBERS = "edit_members"
    SEE_AUDIT = "see_audit"
    EXPORT_ORGANIZATION = "export_organization"
    EDIT_ORGANIZATION = "edit_organization"


SENTENCES: dict[Right, str] = {
    Right.SEE: "See monitors, runs, output, incidents, channels, rules and who the members are",
    Right.EDIT_MONITORS: "Create, edit, pause and delete monitors, and plan maintenance",
    Right.PING: "Send pings by hand, as the job would",
    Right.WORK_INCIDENTS: "Acknowledge, comment, mute and resolve incidents",
    Right.EDIT_CHANNELS: "Add, test, edit and delete channels, and connect Slack",
    Right.EDIT_RULES: "Decide who is told of what, and when",
    Right.EDIT_KEYS: "Make and revoke API keys, and replace the ping key",
    Right.EDIT_REDACTION: "Choose what is hidden in output",
    Right.EDIT_MEMBERS: "Invite people, change their roles and remove them, except owners",
    Right.SEE_AUDIT: "Read and export the audit log",
    Right.EXPORT_ORGANIZATION: "Export all data of the organization",
    Right.EDIT_ORGANIZATION: "Rename, hand over and delete the organization, and say who else owns it",
}
"""What each right lets people do, as pages and docs say it."""

IN_SHORT: dict[Role, str] = {
    Role.OWNER: "Everything, also the organization itself",
    Role.ADMIN: "Sets up monitors, channels, keys and people",
    Role.MEMBER: "Works with monitors and incidents",
    Role.VIEWER: "Looks, and changes nothing",
}
"""Each role in a few words."""

_MEMBER = frozenset({Right.SEE, Right.EDIT_MONITORS, Right.PING, Right.WORK_INCIDENTS})
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

SCOPES: dict[str, frozenset[Right]] = {
    "read": frozenset({Right.SEE}),
    "write": frozenset({Right.EDIT_MONITORS, Right.WORK_INCIDENTS, Right.EDIT_CHANNELS}),
    "ping": frozenset({Right.PING}),
}
"""What an API key with each scope may do. A key never touches members, keys or the organization itself."""


def allows(role: Role, right: Right) -> bool:
    """Whether somebody with `role` has `right`."""
    return right in RIGHTS[role]


def manages(role: Role) -> frozenset[Role]:
    """The roles that somebody with `role` may give to people, and take from them. Only owners make owners."""
    if allows(role, Right.EDIT_ORGANIZATION):
        return frozenset(Role)
    return frozenset(Role) - {Role.OWNER} if allows(role, Right.EDIT_MEMBERS) else frozenset()


def loses(before: Role, after: Role) -> bool:
    """Whether whoever had the role `before` may do less with `after`."""
    return not RIGHTS[before] <= RIGHTS[after]
