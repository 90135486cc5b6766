"""What is hard to carry: many incidents in one, texts as large and as odd as strangers make them, a silent receiver."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from tests.channels.conftest import OPENED, message
from tokiflow.channels.message import Listed

TEXTS = ("monitor_name", "summary", "reason", "advice", "organization", "environment", "schedule_words")
HOSTILE = {
    "long": "x" * 10_000,
    "emoji": "👩‍🚀" * 5_000,
    "ampersands": "&" * 10_000,
    "marks": "*_~`|[]()<>@#\\" * 1_000,
    "right to left": "גיבוי \u202eלילי " * 1_000,
    "html": "<b>&amp;</b><script>alert('x')</script>" * 300,
    "markdown": "**bold** [click](https://evil.example) @everyone <@1> <!channel> ```\n# head " * 200,
}


def summary(total: int = 54, back: int = 3, **changes):
    """A message about `total` incidents, of which the last `back` are over."""
    listed = tuple(
        Listed(
            monitor_name=f"Backup {number}",
            summary="missed its 02:05 ping",
            url=f"https://tokiflow.example/app/incidents/inc_{number}",
            status="up" if number >= total - back else "late" if number % 2 else "down",
            at=OPENED + timedelta(seconds=number),
        )
        for number in range(total)
    )
    empty = dict.fromkeys(("monitor_name", "reason", "advice", "schedule_words", "incident_id", "monitor_id"), "")
    told = message(
        "summary",
        **{**empty, "summary": f"{total} monitors of Harbour Freight went down within 2 min"},
        listed=listed,
        listed_total=total,
        incident_url="https://tokiflow.example/app/incidents",
        runs=(),
        tags=(),
    )
    return replace(told, **changes)


def hostile(name: str, kind: str = "opened"):
    """A failure whose every text is `HOSTILE[name]`; or a summary of 200 such."""
    evil = HOSTILE[name]
    if kind == "summary":
        told = summary(200)
        listed = tuple(replace(one, monitor_name=evil, summary=evil) for one in told.listed)
        return replace(told, listed=listed, organization=evil, summary=evil)
    return message(kind, "failed", **dict.fromkeys(TEXTS, evil), last_lines=(evil,) * 30, tags=(evil,) * 30)


@contextmanager
def silent_receiver() -> Iterator[str]:
    """The address of a receiver that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
