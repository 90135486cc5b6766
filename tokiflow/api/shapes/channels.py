"""Channels as JSON. What a channel keeps secret is written and never read back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tokiflow import channels
from tokiflow.api import moments
from tokiflow.api.shapes import Schema, flag, identifier, maybe, moment, number, obj, ref, text, whole, word
from tokiflow.core import grouping, ids
from tokiflow.models import Attempt, Channel
from tokiflow.queries.recipients import Standing


def channel(row: Channel, now: datetime, addresses: Sequence[Standing] = ()) -> dict[str, Any]:
    """`row` for outsiders at `now`; `addresses` are those of an e-mail channel."""
    kind = channels.get(row.kind)
    return {
        "id": ids.public("chn", row.id),
        "kind": row.kind,
        "name": row.name,
        "config": kind.public(kind.current(row.config, now)),
        "enabled": row.enabled,
        "group_after": row.group_after,
        "group_window_seconds": row.group_window_seconds,
        "rate_per_hour": row.rate_per_hour,
        "disabled_reason": row.disabled_reason or None,
        "last_delivery_at": moments.say(row.last_delivery_at),
        "last_error": row.last_error or None,
        "recipients": [_recipient(one) for one in addresses],
        "created_at": moments.say(row.created_at),
        "updated_at": moments.say(row.updated_at),
    }


def _recipient(one: Standing) -> dict[str, Any]:
    return {"address": one.address, "status": one.status, "reason": one.reason or None}


def trial(attempt: Attempt) -> dict[str, Any]:
    """What came of a test message."""
    return {
        "ok": attempt.ok,
        "status_code": attempt.status_code,
        "response": attempt.response,
        "error": attempt.error or None,
        "duration_seconds": attempt.duration_ms / 1000,
    }


_KIND = word([kind.kind for kind in channels.KINDS])
_CONFIG: Schema = {
    "type": "object",
    "description": (
        "webhook: `url`, and if you like `secret`, `headers`, `method` (POST, PUT or PATCH), `template`. When `secret` "
        "is replaced, the former one signs, too, until `previous_secret_until`; null for `previous_secret` ends that. "
        "email: `to`, a list of addresses. slack, discord, teams: `url`. slack_app: `team`, the id of a workspace with "
        "Tokiflow’s app, and `channel`. telegram: `token`, `chat`, and if you like `topic`. "
        "ntfy: `topic`, and if you like `token`. "
        "pushover: `token`, `user`, and if you like `urgency` (high, emergency or normal), `sound`, `device`. "
        "These three also take `server`, where their API is. "
        'A secret reads as "set", and sent back as "set" it stays as it is.'
    ),
}
_NAME = text("What people call it, like #ops.", minLength=1, maxLength=200)
_ENABLED = flag("Whether it is told anything.")
_LIMITS: dict[str, Schema] = {
    "group_after": maybe(
        whole(
            "So many messages within the window go alone; from then on they become one that lists them. Null: each "
            "goes alone, as is usual for machines; for people it is 5.",
            minimum=1,
            maximum=grouping.MOST_AFTER,
        )
    ),
    "group_window_seconds": whole("Usually 60.", minimum=10, maximum=3600),
    "rate_per_hour": maybe(
        whole(
            "Beyond so many messages an hour they are told together. Null: no limit.",
            minimum=1,
            maximum=grouping.MOST_PER_HOUR,
        )
    ),
}
SCHEMAS: dict[str, Schema] = {
    "Channel": obj(
        {
            "id": identifier("chn"),
            "kind": _KIND,
            "name": _NAME,
            "config": _CONFIG,
            "enabled": _ENABLED,
            **_LIMITS,
            "disabled_reason": maybe(text("Why Tokiflow switched it off, if it did.")),
            "last_delivery_at": maybe(moment()),
            "last_error": maybe(text()),
            "recipients": {
                "type": "array",
                "description": "The addresses of an e-mail channel, and how each stands. Empty for other kinds.",
                "items": ref("Recipient"),
            },
            "created_at": moment(),
            "updated_at": moment(),
        }
    ),
    "NewChannel": obj(
        {"kind": _KIND, "name": _NAME, "config": _CONFIG, "enabled": _ENABLED, **_LIMITS},
        optional=("enabled", *_LIMITS),
    ),
    "ChannelChange": obj(
        {"name": _NAME, "config": _CONFIG, "enabled": _ENABLED, **_LIMITS},
        optional=("name", "config", "enabled", *_LIMITS),
    ),
    "Recipient": obj(
        {
            "address": text(),
            "status": word(
                ["confirmed", "waiting", "unsubscribed", "bounced"],
                "Only a confirmed address gets mail; a waiting one was asked and has not answered yet.",
            ),
            "reason": maybe(text("Why it takes no mail, in the words of its mail server.")),
        }
    ),
    "Trial": obj(
        {
            "ok": flag("Whether the message arrived, as far as the other side tells."),
            "status_code": maybe(whole("What was answered over HTTP.")),
            "response": text("The beginning of what was answered."),
            "error": maybe(text("What went wrong.")),
            "duration_seconds": number(minimum=0),
        }
    ),
}
WRITABLE = frozenset({"name", "config", "enabled", *_LIMITS})
KNOWN = frozenset(SCHEMAS["Channel"]["properties"]) - WRITABLE

EXAMPLE: dict[str, Any] = {
    "id": "chn_01jd6m3v9kf8r2t5w8x1y4z7a0",
    "kind": "webhook",
    "name": "On-call robot",
    "config": {
        "url": "https://robot.example.com/alerts", "secret": "set", "headers": {}, "method": "POST", "template": None,
    },
    "enabled": True,
    "group_after": None,
    "group_window_seconds": 60,
    "rate_per_hour": None,
    "disabled_reason": None,
    "last_delivery_at": "2026-11-21T01:05:01.200Z",
    "last_error": None,
    "recipients": [],
    "created_at": "2026-11-01T09:00:00.000Z",
    "updated_at": "2026-11-01T09:00:00.000Z",
}  # fmt: skip
NEW_EXAMPLE: dict[str, Any] = {
    "kind": "webhook",
    "name": "On-call robot",
    "config": {"url": "https://robot.example.com/alerts", "secret": "correct horse battery staple"},
}
TRIAL_EXAMPLE: dict[str, Any] = {
    "ok": False,
    "status_code": 404,
    "response": "no such robot",
    "error": "the receiver answered 404",
    "duration_seconds": 0.118,
}
