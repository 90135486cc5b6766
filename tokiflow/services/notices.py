"""Mails that tell a person what happened to the way they sign in, so that they hear of what somebody else did."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from tokiflow.models import User
from tokiflow.queries import people
from tokiflow.services import letters


def tell(user: User, what: str, now: datetime, device: str, address: str) -> None:
    """Promise, in the caller's transaction, a mail that says `what` happened ("Google was linked to your account").

    device, address: what it was done with, and from where.
    """
    if not people.has_mailbox(user):
        return
    at = now.astimezone(ZoneInfo(user.timezone or "UTC"))
    context = {
        "what": what,
        "account": user.email,
        "at": f"{at:%H:%M} {at.tzname()} on {at.day} {at:%B}",
        "done_from": ", ".join(part for part in (device, address) if part),
        "path": "/app/settings/sessions",
    }
    letters.post("account_notice", user.email, f"{what} at Tokiflow", context, None, now)
