"""Tell people by mail what was changed about how they sign in: if it was not them, they must hear of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from tokiflow.models import User
from tokiflow.services import letters, people


@dataclass(frozen=True)
class Place:
    """Where somebody sits, as far as it is known: "Firefox on Linux", and the network address."""

    device: str = ""
    address: str = ""


NOWHERE = Place()


def tell(user: User, what: str, more: str, place: Place, now: datetime) -> None:
    """Promise the mail in the caller's transaction. what: the headline, and the subject; more: what follows from it.

    To the person at this machine none is sent: it would lead nowhere.
    """
    if user.email == people.LOCAL_ADDRESS:
        return
    at = now.astimezone(ZoneInfo(user.timezone or "UTC"))
    context = {
        "what": what,
        "more": more,
        "at": f"{at:%H:%M} {at.tzname()} on {at.day} {at:%B}",
        "device": place.device,
        "address": place.address,
        "account": user.email,
        "path": "/app/settings/security",
    }
    letters.post("security_changed", user.email, what, context, None, now)
