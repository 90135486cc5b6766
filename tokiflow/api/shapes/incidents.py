"""Incidents as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from tokiflow.api import moments
from tokiflow.api.shapes import Schema, identifier, maybe, moment, obj, text, word
from tokiflow.core import ids
from tokiflow.core.status import Kind
from tokiflow.models import Incident, IncidentEvent
from tokiflow.services.comments import LONGEST

STATUSES = ["open", "acknowledged", "resolved"]
SEVERITIES = ["critical", "warning"]


def incident(row: Incident, timeline: Sequence[IncidentEvent], names: Mapping[UUID, str]) -> dict[str, Any]:
    """`row`, with its monitor, for outsiders; `names` knows whom it is assigned to."""
    return {
        "id": ids.public("inc", row.id),
        "monitor": {"id": ids.public("mon", row.monitor_id), "name": row.monitor.name},
        "kind": row.kind,
        "severity": row.severity,
        "status": row.status,
        "assigned_to": _person(row.assigned_to, names),
        "muted_until": moments.say(row.muted_until),
        "opened_at": moments.say(row.opened_at),
        "acknowledged_at": moments.say(row.acknowledged_at),
        "acknowledged_by": row.acknowledged_by or None,
        "resolved_at": moments.say(row.resolved_at),
        "resolved_by": row.resolved_by or None,
        "summary": row.summary,
        "reason": row.reason,
        "timeline": [step(one) for one in timeline],
    }


def _person(user_id: UUID | None, names: Mapping[UUID, str]) -> dict[str, Any] | None:
    return {"id": ids.public("usr", user_id), "name": names.get(user_id, "")} if user_id else None


def step(event: IncidentEvent) -> dict[str, Any]:
    """One step on a timeline. What happened several times in a row is one step, with how often and when last."""
    detail = {"text": event.text, **event.detail}
    if event.times > 1:
        detail |= {"times": event.times, "last_at": moments.say(event.last_at)}
    return {"at": moments.say(event.at), "what": event.what, "by": event.by, "detail": detail}


_WHAT = (
    "opened, reopened, flapping, missed, overrun, failed, anomaly, degraded, acknowledged, assigned, unassigned, "
    "muted, snoozed, unmuted, held, commented, blind or resolved."
)
SCHEMAS: dict[str, Schema] = {
    "Incident": obj(
        {
            "id": identifier("inc"),
            "monitor": obj({"id": identifier("mon"), "name": text()}),
            "kind": word([one.value for one in Kind], "Why it opened."),
            "severity": word(SEVERITIES),
            "status": word(STATUSES),
            "assigned_to": maybe(obj({"id": identifier("usr"), "name": text()})),
            "muted_until": maybe(moment("Nobody is told of more trouble until then.")),
            "opened_at": moment("When it happened, not when it was noticed."),
            "acknowledged_at": maybe(moment()),
            "acknowledged_by": maybe(text()),
            "resolved_at": maybe(moment()),
            "resolved_by": maybe(text()),
            "summary": text("What happened, in words."),
            "reason": text("What was expected, in words."),
            "timeline": {"type": "array", "items": {"$ref": "#/components/schemas/Step"}},
        }
    ),
    "Step": obj(
        {
            "at": moment(),
            "what": text(_WHAT),
            "by": text("Who: a person, an API key, the job, or Tokiflow."),
            "detail": {
                "type": "object",
                "properties": {"text": text("In words, or what somebody wrote.")},
                "required": ["text"],
                "description": "`text`, and where it applies `run`, `exit_code`, `kind`, `until`, `to`, `from`, "
                "`user`, `edited_at`, `deleted_at`, `times`, `last_at`.",
            },
        }
    ),
    "Until": obj({"until": maybe(moment("A time in the future; null for none."))}, optional=("until",)),
    "Mute": obj({"until": maybe(moment("A time in the future; null ends the mute."))}),
    "Assignment": obj({"to": maybe(text("A member's id or address; null for nobody.", minLength=1))}),
    "Comment": obj({"text": text("What you found or did.", minLength=1, maxLength=LONGEST)}),
}

EXAMPLE: dict[str, Any] = {
    "id": "inc_01jd6m3v9kf8r2t5w8x1y4z7a0",
    "monitor": {"id": "mon_01jd6m3v9kf8r2t5w8x1y4z7a0", "name": "Nightly backup"},
    "kind": "missed",
    "severity": "critical",
    "status": "open",
    "assigned_to": None,
    "muted_until": None,
    "opened_at": "2026-11-21T01:05:00.000Z",
    "acknowledged_at": None,
    "acknowledged_by": None,
    "resolved_at": None,
    "resolved_by": None,
    "summary": "should have pinged by 02:05 and was silent",
    "reason": "It runs every day at 02:00; the ping due at 02:00 never came.",
    "timeline": [
        {
            "at": "2026-11-21T01:05:00.000Z",
            "what": "opened",
            "by": "Tokiflow",
            "detail": {"text": "should have pinged by 02:05 and was silent", "kind": "missed"},
        }
    ],
}
