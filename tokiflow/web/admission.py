"""The last step of every way in."""

from __future__ import annotations

from flask import Response

from tokiflow.models import User
from tokiflow.web import htmx, signed_in


def admit(user: User, how: str, target: str) -> Response:
    """Begin a session for `user`, who has shown all they have to, and go to `target`. how: link · google · passkey ·
    local."""
    signed_in.begin(user, how)
    return htmx.see_other(target)
