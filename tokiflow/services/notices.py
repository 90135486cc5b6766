"""Letters to people about what became of them in an organization, or is to become of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from tokiflow.core import ids, links
from tokiflow.core.actors import Actor
from tokiflow.core.roles import IN_SHORT, Role
from tokiflow.db import db
from tokiflow.models import Incident, Membership, Organization, User
from tokiflow.queries import people
from tokiflow.services import contents, letters


def role_changed(user: User, organization: Organization, role: Role, by: Actor, now: datetime) -> None:
    """Tell somebody of their new role."""
    article = "an" if role in (Role.OWNER, Role.ADMIN) else "a"
    _post(
        user, organization, now,
        title=f"You are {article} {role} of {organization.name} now",
        sentences=[f"{by.name} changed your role. What you may do there: {_lower(IN_SHORT[role])}."],
        label="See who is in it",
        path=links.within(organization.id, "/app/settings/team"),
    )  # fmt: skip


def removed(user: User, organization: Organization, by: Actor, now: datetime) -> None:
    """Tell somebody that they are in the organization no more."""
    _post(
        user, organization, now,
        title=f"You are no longer in {organization.name}",
        sentences=[
            f"{by.name} removed you from {organization.name}, and you were signed out everywhere.",
            "Your account stays. If this is a mistake, ask them to invite you again.",
        ],
    )  # fmt: skip


def inherited(user: User, organization: Organization, now: datetime) -> None:
    """Tell somebody that they own the organization, now that its last owner is gone."""
    _post(
        user, organization, now,
        title=f"You are an owner of {organization.name} now",
        sentences=[
            "Its last owner deleted their account, and of those who are still there you had the most to say, or were "
            "there first.",
            f"What you may do there: {_lower(IN_SHORT[Role.OWNER])}.",
        ],
        label="See who is in it",
        path=links.within(organization.id, "/app/settings/team"),
    )  # fmt: skip


def deletion_planned(
    member: Membership, organization: Organization, by: Actor, at_moment: datetime, now: datetime
) -> None:
    """Tell somebody who is in it that all of it is to go, and when. `member` is loaded with its person."""
    user, owns = member.user, member.rank is Role.OWNER
    zone = user.timezone or "UTC"
    local = at_moment.astimezone(ZoneInfo(zone))
    when = f"{local:%A} {local.day} {local:%B} {local.year}, {local:%H:%M} ({zone})"
    still = "any owner can keep it" if owns else "an owner can keep it: talk to them if you rely on it"
    _post(
        user, organization, now,
        title=f"{organization.name} will be deleted",
        sentences=[
            f"{by.name} wants to delete {organization.name}. All that is in it will be gone for good on {when}, and "
            "whoever is in it is signed out.",
            f"Until then everything works as before, and {still}.",
        ],
        label="Open it, and keep it if you like" if owns else "Open it",
        path=links.within(organization.id, "/app/settings/organization"),
    )  # fmt: skip


def assigned(member: Membership, incident: Incident, monitor_name: str, by: Actor, now: datetime) -> None:
    """Tell somebody that an incident is theirs now. `member` is loaded with its person."""
    organization = db.session.get_one(Organization, incident.organization_id)
    if not people.has_mailbox(member.user):
        return
    _post(
        member.user, organization, now,
        title=f"{monitor_name}: an incident is yours now",
        sentences=[
            f"{by.name} assigned it to you: {monitor_name} {contents.predicate(incident)}.",
            "Others see that you have it. Acknowledge it once you are on it, and nobody else is called.",
        ],
        label="Open the incident",
        path=f"/app/incidents/{ids.public('inc', incident.id)}",
    )  # fmt: skip


def _post(
    user: User, organization: Organization, now: datetime, *, title: str, sentences: Sequence[str], label: str = "",
    path: str = "",
) -> None:  # fmt: skip
    context = {
        "organization": organization.name, "title": title, "sentences": list(sentences), "label": label, "path": path,
    }  # fmt: skip
    letters.post("notice", user.email, title, context, organization.id, now)


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
