"""Flask's extensions, made here and bound to the app in `app.create_app`."""

from __future__ import annotations

import math
from urllib.parse import urlsplit

from flask import current_app, request
from flask_limiter import Limiter, RequestLimit
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_wtf import CSRFProtect

from tokiflow.settings import Settings


class Forgery(CSRFProtect):  # type: ignore[misc]  # flask-wtf ships no types
    """The token of the form, and what the browser itself says of where it was sent from."""

    def protect(self, apply_exemptions: bool = False) -> None:
        """Refuse with 400 what changes something and was not sent by a page of ours."""
        looks = request.method not in current_app.config["WTF_CSRF_METHODS"]
        exempt = apply_exemptions and (not request.endpoint or self._is_exempt())
        if not looks and not exempt and _from_elsewhere():
            self._error_response("It was sent from another site.")
        super().protect(apply_exemptions)

    def _get_csrf_token(self) -> str | None:
        # Theirs looks through the names of all fields for a prefix, which we have none of, and breaks on one without.
        names = (request.headers.get(name) for name in current_app.config["WTF_CSRF_HEADERS"])
        return request.form.get(current_app.config["WTF_CSRF_FIELD_NAME"]) or next(filter(None, names), None)


def _from_elsewhere() -> bool:
    """Whether the browser says that another site sent this. Old ones say nothing; then the token alone decides."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return origin != settings.origin and urlsplit(origin).netloc != request.host


csrf = Forgery()
login = LoginManager()
limiter = Limiter(key_func=get_remote_address, headers_enabled=False)


def wait_for(limit: RequestLimit, now: float) -> int:
    """In how many seconds `limit` allows again what it refused `now` (Unix time); at least 1.

    Flask-Limiter rounds the moment up to the next second, so the difference may exceed the limit's own period.
    """
    return max(1, min(math.floor(limit.reset_at - now), limit.limit.get_expiry()))
