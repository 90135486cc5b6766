"""What can be done, in words: every `what` of the audit log as a sentence after the name of who did it.

`{it}` stands for the thing's own name, as it was then. A house test fails for an event that has no words here. Words of
events that nobody writes any more stay: logs hold them for years.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NOUNS = {
    "monitor": "Monitors",
    "incident": "Incidents",
    "preset": "Presets",
    "channel": "Channels",
    "delivery": "Deliveries",
    "recipient": "Addresses",
    "slack": "Slack",
    "rule": "Rules",
    "quiet_hours": "Quiet hours",
    "maintenance_window": "Maintenance",
    "organization": "Organization",
    "member": "Members",
    "invitation": "Invitations",
    "api_key": "API keys",
    "export": "Exports",
    "report": "Reports by mail",
    "audit_log": "The log itself",
    "audit": "Words taken out",
}
"""By the noun before the dot: what lists call all events of that kind."""

DEEDS = {
    "monitor.created": "created the monitor {it}",
    "monitor.edited": "changed the monitor {it}",
    "monitor.paused": "paused the monitor {it}",
    "monitor.resumed": "resumed the monitor {it}",
    "monitor.tested": "sent a test ping to the monitor {it}",
    "monitor.token_rotated": "gave the monitor {it} a new ping URL",
    "monitor.deleted": "deleted the monitor {it}",
    "monitor.new_usual": "noticed that the monitor {it} has a new usual",
    "incident.acknowledged": "acknowledged the incident {it}",
    "incident.muted": "muted the incident {it}",
    "incident.unmuted": "ended the mute of the incident {it}",
    "incident.snoozed": "snoozed the incident {it}",
    "incident.assigned": "assigned the incident {it}",
    "incident.unassigned": "took the incident {it} off whoever had it",
    "incident.commented": "commented on the incident {it}",
    "incident.comment_edited": "changed a comment on the incident {it}",
    "incident.comment_deleted": "deleted a comment on the incident {it}",
    "incident.resolved": "resolved the incident {it}",
    "incident.not_a_problem": "said that the incident {it} is not a problem",
    "monitor.not_a_problem": "said that an unusual run of the monitor {it} is not a problem",
    "preset.created": "shared the preset {it}",
    "preset.edited": "changed the shared preset {it}",
    "preset.deleted": "deleted the shared preset {it}",
    "channel.created": "added the channel {it}",
    "channel.edited": "changed the channel {it}",
    "channel.enabled": "enabled the channel {it}",
    "channel.disabled": "disabled the channel {it}",
    "channel.tested": "sent a test to the channel {it}",
    "channel.deleted": "deleted the channel {it}",
    "delivery.sent_again": "sent an alert again",
    "recipient.asked": "asked {it} whether it wants alerts",
    "recipient.confirmed": "confirmed the address {it}",
    "recipient.unsubscribed": "unsubscribed the address {it}",
    "recipient.resubscribed": "subscribed the address {it} again",
    "recipient.bounced": "noted that mail to {it} bounces",
    "recipient.complained": "noted that {it} took our mail for spam",
    "slack.installed": "added Tokiflow’s app to the Slack workspace {it}",
    "slack.removed": "removed Tokiflow’s app from the Slack workspace {it}",
    "rule.created": "added the rule {it}",
    "rule.edited": "changed the rule {it}",
    "rule.enabled": "enabled the rule {it}",
    "rule.disabled": "disabled the rule {it}",
    "rule.moved": "moved the rule {it}",
    "rule.deleted": "deleted the rule {it}",
    "quiet_hours.edited": "changed the quiet hours",
    "maintenance_window.created": "planned the maintenance {it}",
    "maintenance_window.edited": "changed the maintenance {it}",
    "maintenance_window.ended": "ended the maintenance {it} early",
    "maintenance_window.deleted": "deleted the maintenance {it}",
    "organization.created": "created the organization {it}",
    "organization.edited": "changed the organization {it}",
    "organization.renamed": "renamed the organization {it}",
    "organization.ping_key_created": "created the ping key of {it}",
    "organization.ping_key_rotated": "replaced the ping key of {it}",
    "organization.redaction_edited": "changed what is hidden in output in {it}",
    "organization.handed_over": "handed the organization over to {it}",
    "organization.imported": "imported the organization {it}",
    "organization.deletion_planned": "had the organization {it} deleted, after a time to undo it",
    "organization.deletion_called_off": "called off the deletion of the organization {it}",
    "member.joined": "brought {it} into the organization",
    "member.role_changed": "changed the role of {it}",
    "member.removed": "removed {it} from the organization",
    "member.left": "left the organization",
    "member.erased": "let a former member go, whose account was deleted",
    "invitation.created": "invited {it}",
    "invitation.sent_again": "invited {it} again",
    "invitation.withdrawn": "withdrew the invitation sent to {it}",
    "invitation.accepted": "accepted the invitation sent to {it}",
    "invitation.declined": "declined the invitation sent to {it}",
    "api_key.created": "created the API key {it}",
    "api_key.rotated": "replaced the API key {it}",
    "api_key.revoked": "revoked the API key {it}",
    "report.subscribed": "asked for the monthly report of {it} by mail",
    "report.unsubscribed": "stopped the monthly report of {it} by mail",
    "export.asked_for": "asked for an export of {it}",
    "audit_log.found_broken": "found that this log does not hold",
    "audit.redacted": "took words out of this log",
}
"""By `what`: what was done."""

IT = "{it}"


def halves(what: str) -> tuple[str, str | None]:
    """The sentence before the thing's name, and after it (None if it has no place for a name)."""
    words = DEEDS.get(what) or f"{_guessed(what)} {IT}"
    before, found, after = words.partition(IT)
    return (before, after) if found else (before, None)


def said(what: str, by: str, name: str) -> str:
    """All of it in one line: `Alice paused the monitor Nightly backup`."""
    before, after = halves(what)
    return " ".join(f"{by} {before}{name}{after}".split()) if after is not None else f"{by} {before}"


def general(what: str) -> str:
    """What was done, to nothing in particular, as a choice in a list: `Paused the monitor`."""
    words = " ".join((DEEDS.get(what) or _guessed(what)).replace(f" of {IT}", "").replace(IT, "…").split())
    return (words[:1].upper() + words[1:]).removesuffix(" …")


def of_noun(noun: str) -> Sequence[str]:
    """All that can be done to this kind of thing."""
    return [what for what in DEEDS if what.partition(".")[0] == noun]


def renamed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, str] | None:
    """The old and the new name, if nothing but the name (and what is made of it) changed."""
    if "name" in after and set(after) <= {"name", "slug"} and isinstance(before.get("name"), str):
        return str(before["name"]), str(after["name"])
    return None


def _guessed(what: str) -> str:
    noun, _, done = what.partition(".")
    return f"{done.replace('_', ' ') or 'did'}: {noun.replace('_', ' ')}"
