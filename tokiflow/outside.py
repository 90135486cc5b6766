"""What channels may touch of the world, made once for an app from its settings."""

from __future__ import annotations

from flask import Flask

from tokiflow.channels import Outside
from tokiflow.settings import Settings

_KEY = "tokiflow.outside"


def of(app: Flask) -> Outside:
    """The app's outside: guarded HTTP client and mailer. Tests put their own in with `use`."""
    if _KEY not in app.extensions:
        # Here, only in a process that sends something.
        from tokiflow.adapters import http, mail

        settings: Settings = app.extensions["tokiflow.settings"]
        client = http.client_from(settings)
        use(app, Outside(client, mail.mailer_from(settings, client), settings.email_from, settings.public_url))
    made: Outside = app.extensions[_KEY]
    return made


def use(app: Flask, outside: Outside) -> None:
    """Let `app` speak to `outside`."""
    app.extensions[_KEY] = outside
