"""What the intake process serves: the letterbox alone, for the ping host of a large installation. Optional."""

from __future__ import annotations

from tokiflow.bare import create_bare_app
from tokiflow.observability import metrics, sentry
from tokiflow.ping import asgi
from tokiflow.ping.door import open_letterbox
from tokiflow.services import heartbeats
from tokiflow.settings import Settings

app = create_bare_app()
settings: Settings = app.extensions["tokiflow.settings"]
sentry.configure(settings, "intake")
letterbox = open_letterbox(app)
application = asgi.in_front_of(
    asgi.nothing_behind(letterbox), letterbox, settings.trusted_proxies, seen=metrics.count_ping
)
heartbeats.keep_beating("intake", app.app_context, when=lambda: letterbox.settled)
