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
        comments,
        exports,
        failures,
        filters,
        frame,
        front,
        gallery,
        google_accounts,
        google_sign_in,
        incident_sets,
        incidents,
        invitations,
        joining,
        maintenance,
        members,
        message_gallery,
        monitors,
        organization,
        organizations,
        outbox,
        overview,
        ownership,
        passkeys,
        presets,
        privacy,
        profile,
        prove,
        recipients,
        resend,
        rules,
        runs,
        second_factor_proofs,
        second_factors,
        second_step,
        security,
        security_txt,
        sessions,
        sign_in_links,
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
        passkeys,
        second_step,
        second_factor_proofs,
        sign_in_links,
        google_sign_in,
        prove,
        organizations,
        overview,
        monitors,
        runs,
        incidents,
        incident_sets,
        comments,
        presets,
        maintenance,
        channels,
        undelivered,
        slack,
        slack_hooks,
        rules,
        profile,
        second_factors,
        organization,
        api_keys,
        invitations,
        ownership,
        members,
        exports,
        audit,
        sessions,
        google_accounts,
        security_txt,
        privacy,
    )
    # The ways in share one blueprint.
    for blueprint in dict.fromkeys(noun.blueprint for noun in nouns):
        app.register_blueprint(blueprint)
    for answers in (recipients, resend, joining):
        app.register_blueprint(answers.blueprint)
    if not settings.production:
        # Where mail goes when no mail server is set, and what every component and every message looks like.
        app.register_blueprint(outbox.blueprint)
        app.register_blueprint(gallery.blueprint)
        app.register_blueprint(message_gallery.blueprint)
