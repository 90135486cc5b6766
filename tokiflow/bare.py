"""The app without doors: settings, logs and the database.

It is all that a process needs that nobody visits (worker, clock, intake), and a command. Pages, the API and what they
bring along would cost each of them 25 MB and half a second.
"""

from __future__ import annotations

from flask import Flask

import tokiflow.models  # noqa: F401 - makes every table known
from tokiflow import settings
from tokiflow.db import db, engine_options
from tokiflow.observability import logs
from tokiflow.settings import Settings

CONNECTIONS = 3
"""One for the work, one for the sender of alerts, one for the heartbeat."""


def create_bare_app(config: Settings | None = None) -> Flask:
    """The bare app for `config`, or for the environment. Raises settings.SettingsError naming every mistake."""
    app = Flask("tokiflow", static_folder=None)
    equip(app, config or settings.load(), CONNECTIONS)
    return app


def equip(app: Flask, config: Settings, connections: int) -> None:
    """Give `app` what every app of ours has. It keeps up to `connections` to the database open."""
    app.extensions["tokiflow.settings"] = config
    app.config["SQLALCHEMY_DATABASE_URI"] = config.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(connections)
    logs.configure(config.environment, config.log_level)
    db.init_app(app)
