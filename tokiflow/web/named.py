"""The things that addresses name, each found where the person belongs and may see it, and nowhere else (web.access)."""

from __future__ import annotations

from flask import g

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.roles import Right
from tokiflow.models import (
    ApiKey,
    Channel,
    Export,
    Incident,
    IncidentEvent,
    Invitation,
    MaintenanceWindow,
    Membership,
    Monitor,
    Preset,
    RoutingRule,
    Run,
    SlackInstallation,
    UserSession,
)
from tokiflow.queries import (
    api_keys,
    channels,
    exports,
    incidents,
    invitations,
    maintenance,
    memberships,
    monitors,
    presets,
    routing,
    runs,
    sessions,
    slack_installations,
    timelines,
)
from tokiflow.web import access

EXPORTED = {
    "audit": Right.SEE_AUDIT,
    "incidents": Right.SEE,
    "monitors": Right.SEE,
    "organization": Right.EXPORT_ORGANIZATION,
    "report": Right.SEE,
    "runs": Right.SEE,
}
"""By kind of export: what somebody must be allowed to, to fetch it."""


def monitor(public_id: str) -> Monitor:
    """The monitor called `public_id` in the address."""
    return access.admitted(monitors.get(ids.parse("mon", public_id)))


def incident(public_id: str) -> Incident:
    """The incident called `public_id` in the address, with its monitor."""
    return access.admitted(incidents.get(ids.parse("inc", public_id)))


def channel(public_id: str) -> Channel:
    """The channel called `public_id` in the address."""
    return access.admitted(channels.get(ids.parse("chn", public_id)))


def slack_installation(public_id: str) -> SlackInstallation:
    """Our app in the workspace called `public_id` in the address."""
    return access.admitted(slack_installations.get(ids.parse("slk", public_id)))


def member(public_id: str) -> Membership:
    """The member of the current organization called `public_id` in the address, with the person."""
    access.check(g.right)
    found = memberships.get(access.organization().id, ids.parse("usr", public_id))
    if found is None:
        raise errors.NotFound
    return found


def window(public_id: str) -> MaintenanceWindow:
    """The maintenance window called `public_id` in the address."""
    return access.admitted(maintenance.get(ids.parse("mnt", public_id)))


def rule(public_id: str) -> RoutingRule:
    """The routing rule called `public_id` in the address."""
    return access.admitted(routing.get(ids.parse("rul", public_id)))


def api_key(public_id: str) -> ApiKey:
    """The API key called `public_id` in the address."""
    return access.admitted(api_keys.get(ids.parse("key", public_id)))


def invitation(public_id: str) -> Invitation:
    """The invitation called `public_id` in the address."""
    return access.admitted(invitations.get(ids.parse("inv", public_id)))


def export(public_id: str) -> Export:
    """The file called `public_id` that the person asked for; what is in it, they must still be allowed to see."""
    found = exports.get(ids.parse("exp", public_id), access.user().id)
    if found.organization_id is not None:
        access.go_to(found.organization_id, EXPORTED[found.kind])
    return found


def preset(public_id: str) -> Preset:
    """The saved view called `public_id` that is the person's own, or shared where they are."""
    found = presets.get(ids.parse("pre", public_id), access.user().id)
    return access.admitted(found, Right.SEE)


def comment(public_id: str) -> tuple[IncidentEvent, Incident]:
    """The words called `public_id` that the person wrote, where they may still write, and the incident."""
    event, of = timelines.comment(ids.parse("cmt", public_id))
    if event.user_id != access.user().id:
        raise errors.NotFound
    return event, access.admitted(of, Right.WORK_INCIDENTS)


def user_session(public_id: str) -> UserSession:
    """The session called `public_id` of whoever is signed in."""
    return sessions.get(ids.parse("ses", public_id), access.user().id, g.now)


def run(public_id: str, of: Monitor) -> Run:
    """The run called `public_id` of the monitor `of`."""
    return runs.get(of.id, ids.parse("run", public_id))
