"""Decide who is told, and promise it: alert and delivery rows in the transaction of the incident itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select, true

from tokiflow.core import alerting, ids, schedule, sentences
from tokiflow.core.status import Kind
from tokiflow.db import db, on_commit
from tokiflow.models import Alert, Channel, Delivery, Incident, Monitor, MonitorChannel, Organization, Run
from tokiflow.queue import Job, enqueue
from tokiflow.services import monitor_rows
from tokiflow.services.monitor_rows import MonitorRow

LINES = 12
STRIP = 24
RING_FOR = 200
"""So many deliveries one ring of the doorbell is for: it wakes the sender of one worker (services.sender)."""


@dataclass(frozen=True)
class Facts:
    """What the job itself said about the trouble."""

    output: str = ""
    exit_code: int | None = None
    duration_ms: int | None = None


@dataclass(frozen=True)
class News:
    """`incident` of the monitor in `row` has `kind` (opened, reopened, flapping, resolved) since `at`."""

    incident: Incident
    row: MonitorRow
    kind: str
    at: datetime
    facts: Facts = field(default_factory=Facts)


def plan(news: Sequence[News], now: datetime) -> None:
    """Promise to tell people of `news`, in their order, with a handful of statements.

    A recovery goes to whoever was told of the trouble; anything else to the monitor's own channels, or else to
    every enabled channel of the organization. A muted incident only tells of its recovery.
    """
    heard = _heard(news, now)
    telling = [(one, channel_ids) for one, channel_ids in zip(news, heard, strict=True) if channel_ids]
    if not telling:
        return
    names = _names({one.row.organization_id for one, _ in telling})
    strips = _strips({one.row.id for one, _ in telling})
    alerts = [
        Alert(
            id=ids.new(),
            organization_id=one.row.organization_id,
            incident_id=one.incident.id,
            kind=one.kind,
            at=one.at,
            content=_content(one, names[one.row.organization_id], strips.get(one.row.id, [])),
        )
        for one, _ in telling
    ]
    _promise([(alert, channel_ids) for alert, (_, channel_ids) in zip(alerts, telling, strict=True)], now)


def _heard(news: Sequence[News], now: datetime) -> list[list[UUID]]:
    """For each of `news`: the channels that hear of it."""
    told = _told({one.incident.id for one in news if one.kind == "resolved"})
    listening = _listening([one.row for one in news if one.kind != "resolved"])
    heard: list[list[UUID]] = []
    for one in news:
        # What is told here of an incident's trouble counts for its recovery, when one batch brings both.
        channel_ids = told.setdefault(one.incident.id, [])
        if one.kind == "resolved":
            heard.append(list(channel_ids))
        elif alerting.muted(one.incident.muted_until, now):
            heard.append([])
        else:
            heard.append(listening[one.row.id])
            channel_ids += [channel_id for channel_id in listening[one.row.id] if channel_id not in channel_ids]
    return heard


def _promise(told: Sequence[tuple[Alert, Sequence[UUID]]], now: datetime) -> None:
    """Write each alert with a delivery for each of its channels, and ring for them after the commit."""
    db.session.add_all(alert for alert, _ in told)
    db.session.flush()
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
        for alert, channel_ids in told
        for channel_id in channel_ids
    ]
    db.session.add_all(deliveries)
    db.session.flush()
    promised = [delivery.id for delivery in deliveries]
    for start in range(0, len(promised), RING_FOR):
        on_commit(partial(enqueue, Job.DELIVER, promised[start : start + RING_FOR]))


def _told(incident_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """By incident: the channels that were told, or are still to be told, of it."""
    found: dict[UUID, list[UUID]] = {}
    if incident_ids:
        statement = select(Delivery.incident_id, Delivery.channel_id).distinct()
        statement = statement.where(Delivery.incident_id.in_(incident_ids), Delivery.status != "dead")
        for incident_id, channel_id in db.session.execute(statement):
            assert incident_id is not None
            found.setdefault(incident_id, []).append(channel_id)
    return found


def _listening(rows: Sequence[MonitorRow]) -> dict[UUID, list[UUID]]:
    """By monitor: the enabled channels that hear of its troubles."""
    if not rows:
        return {}
    enabled: dict[UUID, list[UUID]] = {row.organization_id: [] for row in rows}
    statement = select(Channel.organization_id, Channel.id).where(Channel.organization_id.in_(enabled), Channel.enabled)
    for organization_id, channel_id in db.session.execute(statement.order_by(Channel.id)):
        enabled[organization_id].append(channel_id)
    own = _own([row.id for row in rows if row.own_channels])
    # By sets: a thousand monitors, each with a channel of its own, must not look through all thousand channels.
    among = {organization_id: set(channel_ids) for organization_id, channel_ids in enabled.items()}
    return {
        row.id: sorted(own.get(row.id, set()) & among[row.organization_id])
        if row.own_channels
        else enabled[row.organization_id]
        for row in rows
    }


def _own(monitor_ids: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """By monitor: the channels it names for itself."""
    found: dict[UUID, set[UUID]] = {}
    if monitor_ids:
        statement = select(MonitorChannel.monitor_id, MonitorChannel.channel_id)
        for monitor_id, channel_id in db.session.execute(statement.where(MonitorChannel.monitor_id.in_(monitor_ids))):
            found.setdefault(monitor_id, set()).add(channel_id)
    return found


def _names(organization_ids: Collection[UUID]) -> dict[UUID, str]:
    statement = select(Organization.id, Organization.name).where(Organization.id.in_(organization_ids))
    return {row.id: row.name for row in db.session.execute(statement)}


def _content(one: News, organization: str, strip: list[list[Any]]) -> dict[str, Any]:
    """What the message will say, as it is known now. Its form is `channels.message.Message`'s."""
    incident, row, facts = one.incident, one.row, one.facts
    return {
        "organization": organization,
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
        "runs": strip,
        "exit_code": facts.exit_code,
        "duration_seconds": facts.duration_ms / 1000 if facts.duration_ms is not None else None,
    }


def _predicate(incident: Incident) -> str:
    if incident.resolved_at:
        return sentences.recovered(incident.last_opened_at, incident.resolved_at)
    return incident.summary if incident.kind != "failed" else f"failed: {incident.summary}"


def _strips(monitor_ids: Collection[UUID]) -> dict[UUID, list[list[Any]]]:
    """By monitor: its latest runs, oldest first, each as its outcome and its duration as a share of the longest.

    Each monitor reads its index from the end.
    """
    latest = (
        select(Run.outcome, Run.duration_ms, Run.at, Run.id)
        .where(Run.monitor_id == Monitor.id)
        .order_by(Run.at.desc(), Run.id.desc())
        .limit(STRIP)
        .lateral("latest")
    )
    statement = select(Monitor.id, latest.c.outcome, latest.c.duration_ms).join(latest, true())
    statement = statement.where(Monitor.id.in_(monitor_ids)).order_by(latest.c.at, latest.c.id)
    found: dict[UUID, list[tuple[str, int | None]]] = {}
    for monitor_id, outcome, duration_ms in db.session.execute(statement):
        found.setdefault(monitor_id, []).append((outcome, duration_ms))
    return {monitor_id: _as_strip(runs) for monitor_id, runs in found.items()}


def _as_strip(runs: Sequence[tuple[str, int | None]]) -> list[list[Any]]:
    longest = max(duration_ms or 0 for _, duration_ms in runs) or 1
    return [[outcome, (duration_ms or longest / 2) / longest] for outcome, duration_ms in runs]
