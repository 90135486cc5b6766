"""Maintenance windows as JSON. The address of a calendar is often its password: written, and never read back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tokiflow.api import moments
from tokiflow.api.shapes import Schema, flag, identifier, maybe, moment, obj, ref, text, whole, word
from tokiflow.core import ids, maintenance
from tokiflow.core.maintenance import Span
from tokiflow.core.window_draft import KINDS, LONGEST, MOST_MONITORS, SHORTEST
from tokiflow.queries.maintenance import Window

SET = "set"
AHEAD = timedelta(days=60)
"""So far ahead the events of calendars are known."""


def window(one: Window, now: datetime) -> dict[str, Any]:
    """`one` for outsiders, as it stands at `now`."""
    row = one.row
    return {
        "id": ids.public("mnt", row.id),
        "name": row.name,
        "kind": row.kind,
        "timezone": row.timezone,
        "starts_at": moments.say(row.starts_at),
        "ends_at": moments.say(row.ends_at),
        "expression": row.expression or None,
        "duration_seconds": row.duration_seconds,
        "ical_url": SET if row.ical_url else None,
        "everything": row.everything,
        "tags": list(row.tags),
        "monitors": [ids.public("mon", one_id) for one_id in sorted(one.monitor_ids)],
        "current": _span(maintenance.covering(one.plan, now)),
        "next": _span(next(iter(maintenance.following(one.plan, now)), None)),
        "calendar_read_at": moments.say(row.fetched_at),
        "calendar_error": row.fetch_error or None,
        "created_at": moments.say(row.created_at),
        "updated_at": moments.say(row.updated_at),
    }


def _span(span: Span | None) -> dict[str, Any] | None:
    return {"starts_at": moments.say(span.starts_at), "ends_at": moments.say(span.ends_at)} if span else None


_FIELDS: dict[str, Schema] = {
    "name": text("What is done then.", minLength=1, maxLength=200),
    "kind": word(list(KINDS), "`once`, `repeating` (by a cron expression) or `calendar` (an iCal address)."),
    "timezone": text("The zone of the expression, and of a calendar's whole days.", examples=["Europe/Berlin"]),
    "starts_at": maybe(moment("`once`: when it begins. The others: nothing before it counts.")),
    "ends_at": maybe(moment("`once`: when it ends. `repeating`: nothing after it counts.")),
    "expression": maybe(text("`repeating`: when each begins, as five cron fields.", examples=["0 2 * * 0"])),
    "duration_seconds": maybe(whole("`repeating`: how long each is.", minimum=SHORTEST, maximum=LONGEST)),
    "ical_url": maybe(text("`calendar`: its https or webcal address. Read back as `set`.")),
    "everything": flag("Whether it covers every monitor, also those added later."),
    "tags": {"type": "array", "description": "It covers monitors with one of these.", "items": text(maxLength=50)},
    "monitors": {
        "type": "array",
        "description": "It covers these, too.",
        "items": identifier("mon"),
        "maxItems": MOST_MONITORS,
    },
}
SCHEMAS: dict[str, Schema] = {
    "MaintenanceWindow": obj(
        {
            "id": identifier("mnt"),
            **_FIELDS,
            "current": maybe(ref("MaintenanceSpan")),
            "next": maybe(ref("MaintenanceSpan")),
            "calendar_read_at": maybe(moment()),
            "calendar_error": maybe(text("Why its calendar can't be read, or what of it was left out.")),
            "created_at": moment(),
            "updated_at": moment(),
        }
    ),
    "NewMaintenanceWindow": obj(_FIELDS, optional=tuple(name for name in _FIELDS if name not in ("name", "kind"))),
    "MaintenanceWindowChange": obj(_FIELDS, optional=tuple(_FIELDS)),
    "MaintenanceSpan": obj({"starts_at": moment(), "ends_at": moment()}, description="One stretch of it."),
}
WRITABLE = frozenset(_FIELDS)
KNOWN = frozenset(SCHEMAS["MaintenanceWindow"]["properties"]) - WRITABLE

EXAMPLE: dict[str, Any] = {
    "id": "mnt_01jd6m3v9kf8r2t5w8x1y4z7a0",
    "name": "Weekly reindex",
    "kind": "repeating",
    "timezone": "Europe/Berlin",
    "starts_at": None,
    "ends_at": None,
    "expression": "0 2 * * 0",
    "duration_seconds": 14_400,
    "ical_url": None,
    "everything": False,
    "tags": ["db"],
    "monitors": [],
    "current": None,
    "next": {"starts_at": "2026-11-22T01:00:00.000Z", "ends_at": "2026-11-22T05:00:00.000Z"},
    "calendar_read_at": None,
    "calendar_error": None,
    "created_at": "2026-11-01T09:00:00.000Z",
    "updated_at": "2026-11-01T09:00:00.000Z",
}
NEW_EXAMPLE: dict[str, Any] = {
    "name": "Weekly reindex",
    "kind": "repeating",
    "expression": "0 2 * * 0",
    "duration_seconds": 14_400,
    "timezone": "Europe/Berlin",
    "tags": ["db"],
}
