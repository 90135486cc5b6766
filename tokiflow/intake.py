"""The app of an intake process: the database and nothing else, so that it stays small."""

from __future__ import annotations

from flask import Flask

import tokiflow.models  # noqa: F401 - makes every table known
from tokiflow import settings
from tokiflow.db import db, engine_options
from tokiflow.observability import logs
from tokiflow.settings import Settings

CONNECTIONS = 2
"""One for the writer, one for the heartbeat."""


def create_intake(config: Settings | None = None) -> Flask:
    """A Flask app without pages. Raises settings.SettingsError naming every mistake."""
    config = config or settings.load()
    app = Flask("tokiflow.intake")
    app.extensions["tokiflow.settings"] = config
    app.config["SQLALCHEMY_DATABASE_URI"] = config.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(CONNECTIONS)
    logs.configure(config.environment, config.log_level)
    db.init_app(app)
    return app
