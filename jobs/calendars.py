"""Read the calendars of maintenance windows."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

from flask import current_app

from tokiflow.services import calendars


def read_due(_: list[str]) -> int:
    """Read some of the calendars that are due; how many."""
    from tokiflow.adapters import http  # here: few workers ever read a calendar

    with closing(http.client_from(current_app.extensions["tokiflow.settings"])) as client:
        return calendars.read_due(client, datetime.now(UTC))
