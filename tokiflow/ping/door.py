"""Open the door: a letterbox with its writer, limits and spool, as the settings say."""

from __future__ import annotations

import gc
from datetime import UTC, datetime

from flask import Flask

from tokiflow.adapters.spool import SpoolFolder
from tokiflow.core import rates
from tokiflow.ping.answers import Answers
from tokiflow.ping.backlog import Backlog
from tokiflow.ping.letterbox import Letterbox
from tokiflow.ping.limits import Limits
from tokiflow.ping.writer import Writer
from tokiflow.settings import Settings


def open_letterbox(app: Flask) -> Letterbox:
    """The letterbox of this process, over the database of `app`. Called last, when all is loaded."""
    # What is loaded stays for good. Each look through it for garbage would hold up pings for 0.1 s.
    gc.collect()
    gc.freeze()
    settings: Settings = app.extensions["tokiflow.settings"]
    limit = settings.output_limit
    backlog = Backlog(SpoolFolder(settings.spool, settings.secret_keys))
    writer = Writer(app.app_context, Answers(limit), Limits(rates.parse(settings.ping_rate)), backlog)
    return Letterbox(writer, limit, clock=lambda: datetime.now(UTC))
