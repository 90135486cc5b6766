"""The last step of every way in."""

from __future__ import annotations

from flask import Response

from tokiflow.models import User
from tokiflow.services import security_letters
from tokiflow.web import frame, htmx, known, signed_in

SILENT = ("google", "passkey")
"""Ways in that by themselves put no mail into the person's mailbox."""


def admit(user: User, how: str, target: str) -> Response:
    """Begin a session for `user`, who has shown all they have to, and go to `target`. how: link · google · passkey ·
    local."""
    if how in SILENT and not known.whose(user.email) and user.created_at != frame.now():
        more = "It is a browser in which nobody had signed in to your account before."
        security_letters.tell(user, "You signed in with a new browser", more, signed_in.place(), frame.now())
    signed_in.begin(user, how)
    return known.note(htmx.see_other(target), user.email)
