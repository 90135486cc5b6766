"""What gunicorn serves: the letterbox in front of the Flask app."""

from __future__ import annotations

from tokiflow.app import create_app
from tokiflow.observability import metrics, sentry
from tokiflow.ping import wsgi
from tokiflow.ping.door import open_letterbox
from tokiflow.services import api_key_uses, heartbeats

app = create_app()
sentry.configure(app.extensions["tokiflow.settings"], "web")
letterbox = open_letterbox(app)
application = wsgi.in_front_of(
    app, letterbox, source=wsgi.source(app.extensions["tokiflow.settings"].trusted_proxies), seen=metrics.count_ping
)
heartbeats.keep_beating("web", app.app_context, when=lambda: letterbox.settled)
api_key_uses.keep_writing(app.app_context)
