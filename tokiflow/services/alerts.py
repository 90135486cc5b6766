"""Decide who is told, and promise it: alert and delivery rows in the transaction of the incident itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tokiflow.core import alerting, ids, schedule, sentences
from tokiflow.core.status import Kind
from tokiflow.db import db, on_commit
from tokiflow.models import Alert, Channel, Delivery, Incident, MonitorChannel, Organization, Run
from tokiflow.queue import Job, enqueue
from tokiflow.services import monitor_rows
from tokiflow.services.monitor_rows import MonitorRow

LINES = 12
STRIP = 24


@dataclass(frozen=True)
class Facts:
    """What the job itself said about the trouble."""

    output: str = ""
    exit_code: int | None = None
    duration_ms: int | None = None


def plan(incident: Incident, row: MonitorRow, kind: str, at: datetime, now: datetime, facts: Facts) -> None:
    """Promise to tell people that `incident` has `kind` (opened, reopened, flapping, resolved).

    A recovery goes to whoever was told of the trouble; anything else to the monitor's own channels, or else to
    every enabled channel of the organization. A muted incident only tells of its recovery.
    """
    if kind == "resolved":
        channel_ids = _told(incident.id)
    elif alerting.muted(incident.muted_until, now):
        return
    else:
        channel_ids = _listening(row)
    if channel_ids:
        alert = Alert(
            id=ids.new(),
            organization_id=incident.organization_id,
            incident_id=incident.id,
            kind=kind,
            at=at,
            content=_content(incident, row, facts),
        )
        promise(alert, channel_ids, now)


def promise(alert: Alert, channel_ids: Sequence[UUID], now: datetime) -> list[UUID]:
    """Write `alert` with a delivery for each channel, and ring for them after the commit. The deliveries' ids."""
    db.session.add(alert)
    deliveries = [
        Delivery(
            id=ids.new(),
            organization_id=alert.organization_id,
            alert_id=alert.id,
            channel_id=channel_id,
            incident_id=alert.incident_id,
            status="pending",
            attempts=0,
            next_attempt_at=now,
            rung_at=now,
        )
        for channel_id in channel_ids
    ]
    db.session.flush()
    db.session.add_all(deliveries)
    db.session.flush()
    promised = [delivery.id for delivery in deliveries]
    on_commit(partial(enqueue, Job.DELIVER, promised))
    return promised


def _told(incident_id: UUID) -> list[UUID]:
    """The channels that were told, or are still to be told, of this incident."""
    statement = select(Delivery.channel_id).where(Delivery.incident_id == incident_id, Delivery.status != "dead")
    return list(db.session.execute(statement.distinct()).scalars())


def _listening(row: MonitorRow) -> list[UUID]:
    statement = select(Channel.id).where(Channel.organization_id == row.organization_id, Channel.enabled)
    if row.own_channels:
        statement = statement.join(MonitorChannel, MonitorChannel.channel_id == Channel.id).where(
            MonitorChannel.monitor_id == row.id
        )
    return list(db.session.execute(statement.order_by(Channel.id)).scalars())


def _content(incident: Incident, row: MonitorRow, facts: Facts) -> dict[str, Any]:
    """What the message will say, as it is known now. Its form is `channels.message.Message`'s."""
    organization = db.session.get_one(Organization, incident.organization_id)
    return {
        "organization": organization.name,
        "monitor": ids.public("mon", row.id),
        "monitor_name": row.name,
        "tags": list(row.tags),
        "incident_kind": incident.kind,
        "severity": incident.severity,
        "summary": f"{row.name} {_predicate(incident)}",
        "reason": incident.reason,
        "advice": sentences.advice(Kind(incident.kind)),
        "opened_at": incident.last_opened_at.isoformat(),
        "resolved_at": incident.resolved_at.isoformat() if incident.resolved_at else None,
        "timezone": row.schedule_timezone or "UTC",
        "last_lines": [line for line in facts.output.splitlines() if line.strip()][-LINES:],
        "schedule_words": schedule.describe(monitor_rows.rules(row).schedule),
        "runs": _strip(row.id),
        "exit_code": facts.exit_code,
        "duration_seconds": facts.duration_ms / 1000 if facts.duration_ms is not None else None,
    }


def _predicate(incident: Incident) -> str:
    if incident.resolved_at:
        return sentences.recovered(incident.last_opened_at, incident.resolved_at)
    return incident.summary if incident.kind != "failed" else f"failed: {incident.summary}"


def _strip(monitor_id: UUID) -> list[list[Any]]:
    """The latest runs, oldest first: outcome, and duration as a share of the longest."""
    rows = db.session.execute(
        select(Run.outcome, Run.duration_ms)
        .where(Run.monitor_id == monitor_id)
        .order_by(Run.at.desc(), Run.id.desc())
        .limit(STRIP)
    ).all()
    longest = max((row.duration_ms or 0 for row in rows), default=0) or 1
    return [[row.outcome, (row.duration_ms or longest / 2) / longest] for row in reversed(rows)]
