"""The pages: one noun a file."""

from __future__ import annotations

from importlib import import_module

from flask import Blueprint, Flask

from tokiflow.settings import Settings

FRAME = ("filters", "security", "frame", "failures")
"""What every page stands in."""

NOUNS = (
    # The ways in; they share one blueprint.
    "front", "auth", "passkeys", "second_step", "second_factor_proofs", "sign_in_links", "google_sign_in", "prove",
    # What is watched, and who is told.
    "organizations", "overview", "monitors", "runs", "incidents", "maintenance",
    "channels", "undelivered", "slack", "slack_hooks", "rules",
    # Settings of a person and of an organization.
    "profile", "second_factors", "organization", "api_keys", "invitations", "ownership", "members", "exports", "audit",
    "sessions", "google_accounts", "security_txt", "privacy",
    # What a mail leads to.
    "recipients", "resend", "joining",
)  # fmt: skip

WORKSHOP = ("outbox", "gallery", "message_gallery")
"""Where mail goes when no mail server is set, and what every component and every message looks like."""


def init_app(app: Flask) -> None:
    """Open the doors for people."""
    settings: Settings = app.extensions["tokiflow.settings"]
    for name in FRAME:
        import_module(f"{__name__}.{name}").init_app(app)
    for blueprint in _blueprints(NOUNS if settings.production else NOUNS + WORKSHOP):
        app.register_blueprint(blueprint)


def _blueprints(nouns: tuple[str, ...]) -> dict[Blueprint, None]:
    """Theirs, each once, with all their views: every module is loaded before the first is registered."""
    return dict.fromkeys(import_module(f"{__name__}.{noun}").blueprint for noun in nouns)
