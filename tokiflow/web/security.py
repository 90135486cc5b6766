"""Headers that every answer carries, so that what a stranger wrote can never run."""

from __future__ import annotations

from flask import Flask, Response, request

from tokiflow.settings import Settings

POLICY = "; ".join(
    (
        "default-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "img-src 'self' data:",
    )
)


def init_app(app: Flask) -> None:
    """Set the headers on each answer of `app`; what a view has set already stays."""
    settings: Settings = app.extensions["tokiflow.settings"]
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if settings.production and settings.public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        if not request.path.startswith("/static/"):
            # Pages hold what only one person may see.
            response.headers.setdefault("Cache-Control", "no-store")
        return response
