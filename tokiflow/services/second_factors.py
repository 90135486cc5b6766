"""The code that somebody types to show who they are: of their app, or a recovery code."""

from __future__ import annotations

from datetime import datetime

from tokiflow.core import totp
from tokiflow.models import User
from tokiflow.services import authenticators, recovery_codes
from tokiflow.services.security_letters import NOWHERE, Place


def verify_code(user: User, code: str, now: datetime, place: Place = NOWHERE) -> str:
    """Take a code, once: six digits are one of the app, all else is a recovery code. Which it was: app · recovery.

    Raises Invalid (field `code`) for one that does not count, RateLimited while wrong ones slow the app's codes down.
    """
    if totp.looks_like_code(code):
        authenticators.verify(user, code, place, now)
        return "app"
    recovery_codes.use(user, code, place, now)
    return "recovery"
