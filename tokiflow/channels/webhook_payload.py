"""What a webhook tells: our JSON, and the names that templates use for the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tokiflow.channels import words
from tokiflow.channels.message import Listed, Message
from tokiflow.core.templating.shapes import NUMBER, TEXT, Shape


def payload(message: Message) -> dict[str, Any]:
    """The message as our JSON has it. Fields may be added, none is taken away or changes its meaning."""
    headline = words.headline(message)
    return {
        "id": message.dedup_key,
        "type": f"incident.{message.kind}" if message.about_incident else message.kind,
        "created_at": _time(message.sent_at),
        "organization": message.organization,
        "timezone": message.timezone,
        "monitor": _monitor(message) if message.about_incident else None,
        "incident": _incident(message) if message.about_incident else None,
        "run": {
            "exit_code": message.exit_code,
            "duration_seconds": message.duration_seconds,
            "environment": message.environment or None,
            "last_lines": list(message.last_lines),
        },
        "incidents": [_listed(one) for one in message.listed],
        "incidents_total": max(message.listed_total, len(message.listed)),
        "incidents_back": message.back,
        "status": words.tone(message).name,
        "headline": headline,
        "summary": message.summary,
        "reason": message.reason,
        "advice": message.advice,
        "because": message.because,
        "text": f"{headline}. {words.sentence(message.summary)}",
    }


def _monitor(message: Message) -> dict[str, Any]:
    return {
        "id": message.monitor_id,
        "name": message.monitor_name,
        "url": message.monitor_url,
        "tags": list(message.tags),
        "schedule": message.schedule_words,
    }


def _incident(message: Message) -> dict[str, Any]:
    return {
        "id": message.incident_id,
        "kind": message.incident_kind,
        "severity": message.severity,
        "url": message.incident_url,
        "opened_at": _time(message.opened_at),
        "resolved_at": _time(message.resolved_at) if message.resolved_at else None,
        "acknowledged_by": message.acknowledged_by or None,
    }


def _listed(one: Listed) -> dict[str, Any]:
    return {
        "monitor": one.monitor_name,
        "summary": one.summary,
        "status": one.status,
        "url": one.url,
        "at": _time(one.at),
    }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


SHAPE: Mapping[str, Shape] = {
    **dict.fromkeys(("id", "type", "created_at", "organization", "timezone"), TEXT),
    "monitor": {**dict.fromkeys(("name", "id", "url", "schedule"), TEXT), "tags": [TEXT]},
    "incident": dict.fromkeys(
        ("id", "kind", "severity", "url", "opened_at", "resolved_at", "acknowledged_by"), TEXT
    ),
    "run": {"exit_code": NUMBER, "duration_seconds": NUMBER, "environment": TEXT, "last_lines": [TEXT]},
    "incidents": [dict.fromkeys(("monitor", "summary", "status", "url", "at"), TEXT)],
    "incidents_total": NUMBER,
    "incidents_back": NUMBER,
    **dict.fromkeys(("status", "headline", "summary", "reason", "advice", "because", "text"), TEXT),
    # Short names, for what is written most.
    **dict.fromkeys(("kind", "severity", "opened_at", "resolved_at", "environment"), TEXT),
    "exit_code": NUMBER,
    "output": [TEXT],
    "last_lines": [TEXT],
}  # fmt: skip
"""What templates may name: all of the payload, and short names for what is written most."""


def values(message: Message) -> dict[str, Any]:
    """What stands behind the names of `SHAPE`. What is about no incident has none: those names are empty."""
    told = payload(message)
    run = told["run"]
    return {
        **told,
        "kind": message.kind,
        # A test and a summary have an address to go to, though they are about no single incident.
        "incident": told["incident"] or {"url": message.incident_url},
        "monitor": told["monitor"] or {"name": message.monitor_name, "url": message.monitor_url},
        "severity": message.severity,
        "opened_at": _time(message.opened_at),
        "resolved_at": _time(message.resolved_at) if message.resolved_at else None,
        "environment": run["environment"],
        "exit_code": run["exit_code"],
        "output": run["last_lines"],
        "last_lines": run["last_lines"],
    }
