"""The pages: one noun a file."""

from __future__ import annotations

from flask import Flask

from tokiflow.settings import Settings


def init_app(app: Flask) -> None:
    """Open the doors for people."""
    from tokiflow.web import (
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
        monitors,
        organization,
        organizations,
        outbox,
        overview,
        privacy,
        profile,
        recipients,
        resend,
        rules,
        runs,
        security,
        slack,
        slack_hooks,
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
        slack,
        slack_hooks,
        rules,
        profile,
        organization,
        exports,
        privacy,
    )
    for noun in nouns:
        app.register_blueprint(noun.blueprint)
    for answers in (recipients, resend):
        app.register_blueprint(answers.blueprint)
    if not settings.production:
        # Where mail goes when no mail server is set, and what every component looks like.
        app.register_blueprint(outbox.blueprint)
        app.register_blueprint(gallery.blueprint)
