"""What the intake process serves: the letterbox alone. Optional; `wsgi.py` takes pings too."""

from __future__ import annotations

from tokiflow.bare import create_bare_app
from tokiflow.observability import metrics, sentry
from tokiflow.ping import asgi
from tokiflow.ping.door import open_letterbox
from tokiflow.services import heartbeats

app = create_bare_app()
sentry.configure(app.extensions["tokiflow.settings"], "intake")
letterbox = open_letterbox(app)
application = asgi.intake(letterbox, app.extensions["tokiflow.settings"].trusted_proxies, seen=metrics.count_ping)
heartbeats.keep_beating("intake", app.app_context, when=lambda: letterbox.settled)
