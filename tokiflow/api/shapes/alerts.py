"""Alerts as JSON: who was told, how often we tried, and what came back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tokiflow.api import moments
from tokiflow.api.shapes import Schema, flag, identifier, maybe, moment, number, obj, text, whole, word
from tokiflow.core import ids
from tokiflow.models import Attempt
from tokiflow.queries.alerts import AlertRecord, DeliveryRecord


def alert(record: AlertRecord) -> dict[str, Any]:
    """`record` for outsiders."""
    row = record.alert
    return {
        "id": ids.public("alr", row.id),
        "incident": ids.public("inc", row.incident_id) if row.incident_id else None,
        "kind": row.news,
        "at": moments.say(row.at),
        "summary": row.content.get("summary", ""),
        "deliveries": [_delivery(one) for one in record.deliveries],
    }


def promise(record: DeliveryRecord) -> dict[str, Any]:
    """A delivery by itself, whose alert is loaded: with what it tells of and when it was promised."""
    row = record.delivery
    return {
        **_delivery(record),
        "alert": ids.public("alr", row.alert_id),
        "incident": ids.public("inc", row.incident_id) if row.incident_id else None,
        "kind": row.alert.kind,
        "said": row.alert.content.get("summary", ""),
        "created_at": moments.say(row.created_at),
    }


def _delivery(record: DeliveryRecord) -> dict[str, Any]:
    row, channel = record.delivery, record.delivery.channel
    return {
        "id": ids.public("dlv", row.id),
        "channel": {"id": ids.public("chn", channel.id), "kind": channel.kind, "name": channel.name},
        "status": row.status,
        "because": row.because or None,
        "summary": _summary(row.memory) if row.status in ("merged", "dead") else None,
        "sent_at": moments.say(row.sent_at),
        "next_attempt_at": moments.say(row.next_attempt_at) if row.status == "pending" else None,
        "last_error": row.last_error or None,
        "attempts": [_attempt(one) for one in record.attempts],
    }


def _summary(memory: dict[str, Any]) -> dict[str, Any] | None:
    """The message about many that told it, if one did."""
    if "told_in" not in memory:
        return None
    return {"delivery": ids.public("dlv", UUID(memory["told_in"])), "of": memory["of"]}


def _attempt(row: Attempt) -> dict[str, Any]:
    return {
        "n": row.n,
        "at": moments.say(row.at),
        "ok": row.ok,
        "status_code": row.status_code,
        "response": row.response,
        "error": row.error or None,
        "duration_seconds": row.duration_ms / 1000,
    }


KINDS = [
    "opened", "reopened", "flapping", "escalated", "reminder", "acknowledged", "assigned", "muted", "unmuted",
    "resolved", "summary", "test",
]  # fmt: skip

STATUSES = ["pending", "sent", "merged", "dead"]

_DELIVERY: dict[str, Schema] = {
    "id": identifier("dlv"),
    "channel": obj({"id": identifier("chn"), "kind": text(), "name": text()}),
    "status": word(STATUSES, "`merged` was told in a summary; `dead` was given up."),
    "because": maybe(text("What chose the channel, in words.")),
    "summary": maybe(
        obj(
            {
                "delivery": identifier("dlv"),
                "of": whole("How many incidents that message was about.", minimum=1),
            }
        )
    ),
    "sent_at": maybe(moment()),
    "next_attempt_at": maybe(moment("Null unless it is pending.")),
    "last_error": maybe(text()),
    "attempts": {"type": "array", "items": {"$ref": "#/components/schemas/Attempt"}},
}

SCHEMAS: dict[str, Schema] = {
    "Alert": obj(
        {
            "id": identifier("alr"),
            "incident": maybe(identifier("inc")),
            "kind": word(KINDS),
            "at": moment("When what it tells of happened."),
            "summary": text(),
            "deliveries": {"type": "array", "items": {"$ref": "#/components/schemas/Delivery"}},
        }
    ),
    "Delivery": obj(_DELIVERY),
    "PromisedDelivery": obj(
        {
            **_DELIVERY,
            "alert": identifier("alr"),
            "incident": maybe(identifier("inc")),
            "kind": word(KINDS),
            "said": text("What it tells, in a sentence."),
            "created_at": moment("When it was promised."),
        }
    ),
    "Attempt": obj(
        {
            "n": whole(minimum=1),
            "at": moment(),
            "ok": flag(),
            "status_code": maybe(whole()),
            "response": text(),
            "error": maybe(text()),
            "duration_seconds": number(minimum=0),
        }
    ),
}

EXAMPLE: dict[str, Any] = {
    "id": "alr_01jd6m3v9kf8r2t5w8x1y4z7a0",
    "incident": "inc_01jd6m3v9kf8r2t5w8x1y4z7a0",
    "kind": "opened",
    "at": "2026-11-21T01:05:00.000Z",
    "summary": "Nightly backup should have pinged by 02:05 and was silent",
    "deliveries": [
        {
            "id": "dlv_01jd6m3v9kf8r2t5w8x1y4z7a0",
            "channel": {"id": "chn_01jd6m3v9kf8r2t5w8x1y4z7a0", "kind": "webhook", "name": "On-call robot"},
            "status": "sent",
            "because": "by the rule “Database”",
            "summary": None,
            "sent_at": "2026-11-21T01:05:01.200Z",
            "next_attempt_at": None,
            "last_error": None,
            "attempts": [
                {
                    "n": 1,
                    "at": "2026-11-21T01:05:01.050Z",
                    "ok": True,
                    "status_code": 200,
                    "response": "ok",
                    "error": None,
                    "duration_seconds": 0.15,
                }
            ],
        }
    ],
}

PROMISE_EXAMPLE: dict[str, Any] = {
    **EXAMPLE["deliveries"][0],
    "alert": EXAMPLE["id"],
    "incident": EXAMPLE["incident"],
    "kind": "opened",
    "said": EXAMPLE["summary"],
    "created_at": "2026-11-21T01:05:00.400Z",
}
