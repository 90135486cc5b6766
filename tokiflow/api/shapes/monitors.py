"""Monitors as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from tokiflow.api import moments
from tokiflow.api.shapes import Schema, flag, identifier, maybe, moment, obj, ref, text, whole, word
from tokiflow.core import ids, schedule
from tokiflow.core.monitor_draft import LONGEST, MOST_DEPENDENCIES, MOST_TAGS
from tokiflow.core.schedule.kinds import LONGEST_EVERY, SHORTEST_EVERY
from tokiflow.core.sensitivity import Sensitivity
from tokiflow.core.status import Status
from tokiflow.models import Monitor
from tokiflow.queries import monitors

UNIQUE_FIELDS = ("name", "slug")


def monitor(
    row: Monitor, own_channels: Sequence[UUID], depends_on: Sequence[UUID], now: datetime, public_url: str
) -> dict[str, Any]:
    """`row` for outsiders. `own_channels` are those it names for itself, if it does; `depends_on` are monitors."""
    kept = schedule.from_columns(
        row.schedule_kind, row.schedule_seconds, row.schedule_expression, row.schedule_timezone
    )
    return {
        "id": ids.public("mon", row.id),
        "name": row.name,
        "slug": row.slug,
        "tags": list(row.tags),
        "description": row.description,
        "schedule": schedule.to_dict(kept),
        "grace_seconds": row.grace_seconds,
        "max_runtime_seconds": row.max_runtime_seconds,
        "early_tolerance_seconds": row.early_tolerance_seconds,
        "failures_to_open": row.failures_to_open,
        "successes_to_resolve": row.successes_to_resolve,
        "overlaps_allowed": row.overlaps_allowed,
        "capture_output": row.capture_output,
        "sensitivity": row.sensitivity,
        "channels": [ids.public("chn", one) for one in own_channels] if row.own_channels else None,
        "depends_on": [ids.public("mon", one) for one in depends_on],
        "status": monitors.shown_status(row, now).value,
        "running": row.running > 0,
        "last_ping_at": moments.say(row.last_ping_at),
        "due_at": moments.say(row.due_at),
        "deadline_at": moments.say(row.deadline_at),
        "paused_until": moments.say(row.paused_until),
        "ping_url": f"{public_url}/ping/{row.token}",
        "created_at": moments.say(row.created_at),
        "updated_at": moments.say(row.updated_at),
    }


_CHOSEN: dict[str, Schema] = {
    "name": text("What the job is called.", minLength=1, maxLength=200),
    "slug": text("Its name in addresses, alone in the organization; made from the name if left out.", maxLength=100),
    "tags": {
        "type": "array",
        "items": text(maxLength=50),
        "maxItems": MOST_TAGS,
        "description": "Words to find it by. Commas are taken as spaces, and each counts once.",
    },
    "description": text("What the job does, and what to do when it fails.", maxLength=10_000),
    "schedule": ref("Schedule"),
    "grace_seconds": whole("How late is fine.", minimum=0, maximum=LONGEST),
    "max_runtime_seconds": whole("How long a run may take.", minimum=1, maximum=LONGEST),
    "early_tolerance_seconds": whole("How much too early a ping still counts for a run.", minimum=0, maximum=86_400),
    "failures_to_open": whole("Bad results in a row that open an incident.", minimum=1, maximum=100),
    "successes_to_resolve": whole("Good results in a row that resolve it.", minimum=1, maximum=100),
    "overlaps_allowed": flag("Whether a run may start while another is going; if not, that is an overrun."),
    "capture_output": flag("Whether what the job prints is kept."),
    "sensitivity": word(
        [one.value for one in Sensitivity],
        "How far from usual a run must be for somebody to be told. With `off` nobody is.",
    ),
    "channels": maybe(
        {
            "type": "array",
            "items": identifier("chn"),
            "maxItems": 100,
            "description": "The only channels that hear of it; null for every channel of the organization.",
        }
    ),
    "depends_on": {
        "type": "array",
        "items": identifier("mon"),
        "maxItems": MOST_DEPENDENCIES,
        "description": "Monitors it can't be well without: while one of them is down, nobody is told of this one.",
    },
}
_KNOWN: dict[str, Schema] = {
    "id": identifier("mon"),
    "status": word([one.value for one in Status], "`late` is due but within its grace."),
    "running": flag("Whether a run is under way."),
    "last_ping_at": maybe(moment()),
    "due_at": maybe(moment("When the next ping is expected.")),
    "deadline_at": maybe(moment("When silence becomes an incident.")),
    "paused_until": maybe(moment("When it resumes by itself; null if it isn't paused, or until somebody resumes it.")),
    "ping_url": text("Where the job pings. Keep it to yourself: whoever knows it can ping.", format="uri"),
    "created_at": moment(),
    "updated_at": moment(),
}
WRITABLE = frozenset(_CHOSEN)
KNOWN = frozenset(_KNOWN)

# To write, a slug or a list may be null, which stands for "none of my own".
_TO_WRITE = {
    name: maybe(schema) if name in ("slug", "tags", "description", "depends_on") else schema
    for name, schema in _CHOSEN.items()
}
_UNIQUE = {
    "type": "array",
    "items": {"type": "string", "enum": list(UNIQUE_FIELDS)},
    "description": "Change the monitor that agrees in these fields, if there is one, instead of creating another.",
}

_ZONE = text("An IANA time zone.", examples=["Europe/Berlin"])
SCHEMAS: dict[str, Schema] = {
    "Schedule": {
        "description": "When it runs.",
        "oneOf": [
            obj({"kind": {"const": "every"}, "seconds": whole(minimum=SHORTEST_EVERY, maximum=LONGEST_EVERY)}),
            obj(
                {
                    "kind": {"const": "cron"},
                    "expression": text("Five fields, or an alias like @daily."),
                    "timezone": _ZONE,
                }
            ),
            obj(
                {
                    "kind": {"const": "calendar"},
                    "expression": text("systemd OnCalendar, one or several lines."),
                    "timezone": _ZONE,
                }
            ),
        ],
    },
    "Monitor": obj({"id": _KNOWN["id"], **_CHOSEN, **_KNOWN}),
    "NewMonitor": obj({**_TO_WRITE, "unique": _UNIQUE}, optional=tuple({*_TO_WRITE, "unique"} - {"name", "schedule"})),
    "MonitorChange": obj(_TO_WRITE, optional=tuple(_TO_WRITE)),
}

EXAMPLE: dict[str, Any] = {
    "id": "mon_01jd6m3v9kf8r2t5w8x1y4z7a0",
    "name": "Nightly backup",
    "slug": "nightly-backup",
    "tags": ["db"],
    "description": "",
    "schedule": {"kind": "cron", "expression": "0 2 * * *", "timezone": "Europe/Berlin"},
    "grace_seconds": 300,
    "max_runtime_seconds": 3600,
    "early_tolerance_seconds": 0,
    "failures_to_open": 1,
    "successes_to_resolve": 1,
    "overlaps_allowed": True,
    "capture_output": True,
    "sensitivity": "normal",
    "channels": None,
    "depends_on": [],
    "status": "up",
    "running": False,
    "last_ping_at": "2026-11-20T01:00:03.120Z",
    "due_at": "2026-11-21T01:00:00.000Z",
    "deadline_at": "2026-11-21T01:05:00.000Z",
    "paused_until": None,
    "ping_url": "https://tokiflow.example.com/ping/1Zb3kQ8nV5xT2mW7cR4yLp",
    "created_at": "2026-11-01T09:00:00.000Z",
    "updated_at": "2026-11-01T09:00:00.000Z",
}
