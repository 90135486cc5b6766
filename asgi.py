"""What gunicorn serves: the letterbox in front of the Flask app, pings in one event loop and pages in threads.

`wsgi.py` is the same for servers that speak WSGI only. docs/decisions/009 tells why this one is the default.
"""

from __future__ import annotations

from typing import Any, cast

from a2wsgi import WSGIMiddleware

from tokiflow.app import create_app
from tokiflow.observability import metrics, sentry
from tokiflow.ping import asgi
from tokiflow.ping.door import open_letterbox
from tokiflow.services import api_key_uses, heartbeats
from tokiflow.settings import Settings

app = create_app()
settings: Settings = app.extensions["tokiflow.settings"]
sentry.configure(settings, "web")
letterbox = open_letterbox(app)
pages: Any = WSGIMiddleware(cast("Any", app), workers=settings.web_threads)
application = asgi.in_front_of(pages, letterbox, settings.trusted_proxies, seen=metrics.count_ping)
heartbeats.keep_beating("web", app.app_context, when=lambda: letterbox.settled)
api_key_uses.keep_writing(app.app_context)
