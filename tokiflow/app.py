"""The app, wired in reading order."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from tokiflow import api, bare, extensions, settings, web
from tokiflow.adapters.spool import SpoolFolder
from tokiflow.observability import metrics, requests
from tokiflow.queries import system
from tokiflow.services import delivery_counts
from tokiflow.settings import Settings
from tokiflow.web import bodies

ROOT = Path(__file__).parent
LARGEST_BODY = 1_000_000
"""Bytes; pings have a limit of their own."""


def create_app(config: Settings | None = None) -> Flask:
    """The Flask app for `config`, or for the environment. Raises settings.SettingsError naming every mistake."""
    config = config or settings.load()
    app = Flask("tokiflow", root_path=str(ROOT), static_url_path="/static")
    app.config.from_mapping(_flask_config(config))
    bare.equip(app, config, connections=config.web_threads)
    app.wsgi_app = bodies.measured(app.wsgi_app, LARGEST_BODY)  # type: ignore[method-assign, assignment]
    if config.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, *(4 * [config.trusted_proxies]))  # type: ignore[method-assign]
    _observe(app)
    _extend(app)
    _open_doors(app)
    return app


def _flask_config(config: Settings) -> dict[str, object]:
    secure = config.public_url.startswith("https://")
    return {
        "SECRET_KEY": config.secret_key,
        "SECRET_KEY_FALLBACKS": list(config.secret_keys[1:]),
        # The last one signs, all of them are taken.
        "WTF_CSRF_SECRET_KEY": list(reversed(config.secret_keys)),
        "TESTING": config.environment == "test",
        "MAX_CONTENT_LENGTH": LARGEST_BODY,
        "MAX_FORM_MEMORY_SIZE": LARGEST_BODY,
        "MAX_FORM_PARTS": 1_000,
        # With this prefix browsers take it over TLS only, and from no other host of the domain.
        "SESSION_COOKIE_NAME": "__Host-tokiflow" if secure else "tokiflow",
        "SESSION_COOKIE_PATH": "/",
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "REMEMBER_COOKIE_SECURE": secure,
        "REMEMBER_COOKIE_HTTPONLY": True,
        "REMEMBER_COOKIE_SAMESITE": "Lax",
        "PERMANENT_SESSION_LIFETIME": timedelta(days=30),
        "WTF_CSRF_TIME_LIMIT": None,
        "SEND_FILE_MAX_AGE_DEFAULT": timedelta(hours=1),
        # `limits` has a name of its own for Redis on a unix socket.
        "RATELIMIT_STORAGE_URI": re.sub(r"^unix:", "redis+unix:", config.redis_url),
        # A Redis that hangs must not hang the requests it only counts.
        "RATELIMIT_STORAGE_OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": True,
        "RATELIMIT_KEY_PREFIX": "tokiflow-limit",
    }


def _observe(app: Flask) -> None:
    requests.init_app(app)
    config: Settings = app.extensions["tokiflow.settings"]
    spool = SpoolFolder(config.spool, config.secret_keys)
    sources = metrics.Sources(
        lambda: system.figures(datetime.now(UTC)), delivery_counts.read, delivery_counts.BOUNDS, spool.waiting
    )
    metrics.init_app(app, sources)


def _extend(app: Flask) -> None:
    extensions.csrf.init_app(app)
    extensions.login.init_app(app)
    extensions.limiter.init_app(app)


def _open_doors(app: Flask) -> None:
    web.init_app(app)
    api.init_app(app)
