"""The pages: one noun a file."""

from __future__ import annotations

from flask import Flask

from tokiflow.settings import Settings


def init_app(app: Flask) -> None:
    """Open the doors for people."""
    from tokiflow.web import (
        api_keys,
        audit,
        auth,
        channels,
        exports,
        failures,
        filters,
        frame,
        front,
        gallery,
        incidents,
        maintenance,
        message_gallery,
        monitors,
        organization,
        organizations,
        outbox,
        overview,
        profile,
        recipients,
        resend,
        rules,
        runs,
        security,
        slack,
        slack_hooks,
        undelivered,
    )

    settings: Settings = app.extensions["tokiflow.settings"]
    filters.init_app(app)
    security.init_app(app)
    frame.init_app(app)
    failures.init_app(app)
    nouns = (
        front,
        auth,
        organizations,
        overview,
        monitors,
        runs,
        incidents,
        maintenance,
        channels,
        undelivered,
        slack,
        slack_hooks,
        rules,
        profile,
        organization,
        api_keys,
        exports,
        audit,
    )
    for noun in nouns:
        app.register_blueprint(noun.blueprint)
    for answers in (recipients, resend):
        app.register_blueprint(answers.blueprint)
    if not settings.production:
        # Where mail goes when no mail server is set, and what every component and every message looks like.
        app.register_blueprint(outbox.blueprint)
        app.register_blueprint(gallery.blueprint)
        app.register_blueprint(message_gallery.blueprint)
