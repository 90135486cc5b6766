"""What every request must be and every answer carries, so that no other site can act here and nothing a stranger wrote
can run."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface, SessionMixin

from tokiflow import errors
from tokiflow.settings import LOOPBACK_HOSTS, Settings

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        # The outbox of development shows mails in a frame that may do nothing.
        "frame-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
)

_NOT_NEEDED = "accelerometer camera display-capture geolocation gyroscope magnetometer microphone midi payment usb"
FEATURES = ", ".join(
    (
        *(f"{feature}=()" for feature in _NOT_NEEDED.split()),
        # Passkeys.
        "publickey-credentials-create=(self)",
        "publickey-credentials-get=(self)",
    )
)

UNNAMED = ("/api/health", "/metrics")
"""Asked by load balancers and scrapers, which know a machine by its address alone."""


FILES = "/static/"


class Cookies(SecureCookieSessionInterface):
    """The cookie of the session, on all answers but files of ours: caches on the way may keep those, and would hand one
    person's cookie to everybody."""

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not request.path.startswith(FILES):
            super().save_session(app, session, response)


class OtherHost(errors.TokiflowError):
    """The request was for a name that is none of ours."""

    status = 421
    title = "Tokiflow has another address"

    def __init__(self, message: str, there: str) -> None:
        super().__init__(message)
        self.there = there


def init_app(app: Flask) -> None:
    """Refuse names that are not ours, and set the headers on each answer of `app`; what a view has set stays."""
    settings: Settings = app.extensions["tokiflow.settings"]
    headers = _headers(settings)
    app.session_interface = Cookies()

    @app.before_request
    def under_our_name() -> None:
        named = request.path not in UNNAMED and not request.path.startswith(FILES)
        if named and not is_ours(request.host, settings):
            raise OtherHost(
                f"It is at {settings.public_url}. If it shall answer under this name, too, whoever operates it can "
                "add the name to TOKIFLOW_HOSTS.",
                settings.public_url,
            )

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        if not request.path.startswith(FILES):
            # Pages hold what only one person may see.
            response.headers.setdefault("Cache-Control", "no-store")
        if request.path.startswith("/api/v1/"):
            # Whatever a browser takes an answer for, it saves it under a name that nobody chose.
            response.headers.setdefault("Content-Disposition", 'attachment; filename="api.json"')
        return response


def is_ours(host: str, settings: Settings) -> bool:
    """Whether a request for `host` (with or without a port) is for us: the public name, one that the operator has
    named, or this machine. In development any address of the network will do, but no name that others gave it."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name in LOOPBACK_HOSTS or name in settings.names:
        return True
    return not settings.production and _is_address(name)


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False


def _headers(settings: Settings) -> dict[str, str]:
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": FEATURES,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if settings.production and settings.public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return headers
