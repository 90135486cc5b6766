"""Letters to people about what became of them in an organization, or is to become of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from tokiflow.core import links
from tokiflow.core.actors import Actor
from tokiflow.core.roles import IN_SHORT, Role
from tokiflow.models import Organization, User
from tokiflow.services import letters


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


def deletion_planned(user: User, organization: Organization, by: Actor, at_moment: datetime, now: datetime) -> None:
    """Tell an owner that all of it is to go, and when."""
    zone = user.timezone or "UTC"
    local = at_moment.astimezone(ZoneInfo(zone))
    when = f"{local:%A} {local.day} {local:%B} {local.year}, {local:%H:%M} ({zone})"
    _post(
        user, organization, now,
        title=f"{organization.name} will be deleted",
        sentences=[
            f"{by.name} wants to delete {organization.name}. All that is in it will be gone for good on {when}.",
            "Until then everything works as before, and any owner can keep it.",
        ],
        label="Open it, and keep it if you like",
        path=links.within(organization.id, "/app/settings/organization"),
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
