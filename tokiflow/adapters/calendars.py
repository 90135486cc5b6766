"""Calendars of other people: fetched through the guarded client, read in a process that may come to grief."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from tokiflow.core.calendars import NoCalendar, Reading
from tokiflow.core.maintenance import Span
from tokiflow.errors import DeliveryError

if TYPE_CHECKING:
    from tokiflow.adapters.http import Client

SIZE_LIMIT = 10 * 1024 * 1024
FETCH_SECONDS = READ_SECONDS = 8.0
"""A worker has alerts to send: no calendar may keep it for long."""

_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""All that the process for reading is told of ours: no secret of this one is in the reach of what it reads."""


def fetch(client: Client, url: str) -> bytes:
    """The calendar at `url`, in bytes. Raises NoCalendar saying what to do."""
    try:
        answer = client.get(
            url,
            timeout=FETCH_SECONDS,
            size_limit=SIZE_LIMIT,
            follow_redirects=True,
            headers={"Accept": "text/calendar, */*;q=0.5"},
        )
    except DeliveryError as error:
        raise NoCalendar(f"can’t be fetched: {error.message}.") from None
    if answer.status_code in (401, 403, 404, 410):
        raise NoCalendar(
            f"is not shared with us: its server answers {answer.status_code}. Look whether the address still holds."
        )
    if answer.status_code != 200:
        raise NoCalendar(f"can’t be fetched: its server answers {answer.status_code}.")
    if answer.truncated:
        raise NoCalendar(
            f"is larger than {SIZE_LIMIT // 1024**2} MB. Share one that holds nothing but maintenance, or fewer years."
        )
    return answer.content


def read(text: bytes, start: datetime, end: datetime, timezone: str) -> Reading:
    """As core.calendars.read, but nothing that `text` holds can harm this process. Raises NoCalendar."""
    command = [sys.executable, "-P", "-m", "tokiflow.adapters.calendar_reader"]
    try:
        done = subprocess.run(
            [*command, start.isoformat(), end.isoformat(), timezone],
            input=text,
            capture_output=True,
            timeout=READ_SECONDS,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            check=False,
        )
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise NoCalendar(
            "takes too long to read: it has a rule that never fires, or far too many events. Simplify it."
        ) from None
    if "refused" in answer:
        raise NoCalendar(answer["refused"])
    return Reading(tuple(_span(*one) for one in answer["spans"]), answer["note"])


def _span(start: str, end: str, words: str) -> Span:
    return Span(datetime.fromisoformat(start), datetime.fromisoformat(end), words)
