"""Alerts and their deliveries as rows: promised in the transaction of the incident itself, in sets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tokiflow.core import ids
from tokiflow.db import among, db, on_commit
from tokiflow.models import Alert, Channel, Delivery
from tokiflow.queries.people import called
from tokiflow.queries.routing import Audience
from tokiflow.queue import Job, enqueue
from tokiflow.services import contents, sets
from tokiflow.services.contents import PastRun
from tokiflow.services.news import DONE_BY_PEOPLE, News

RING_FOR = 200
"""So many deliveries one ring of the doorbell is for: it wakes the sender of one worker (services.sender)."""


@dataclass(frozen=True)
class Telling:
    """`news` goes to the channels in `by`, each with what chose it, in words. `decision` is why, for those who ask."""

    news: News
    by: Mapping[UUID, str]
    decision: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0


def promise(tellings: Sequence[Telling], people: Audience, runs: Mapping[UUID, list[PastRun]], now: datetime) -> None:
    """Write an alert for each of `tellings`, with a delivery for each of its channels, and ring for them after the
    commit."""
    have = called({one.news.incident.assigned_to for one in tellings if one.news.incident.assigned_to})
    alerts = [_alert(one, people, runs.get(one.news.row.id, []), have) for one in tellings]
    deliveries = [
        {
            "id": ids.new(),
            "organization_id": alert["organization_id"],
            "alert_id": alert["id"],
            "channel_id": channel_id,
            "incident_id": alert["incident_id"],
            "next_attempt_at": now,
            "rung_at": now,
            "because": because,
            "created_at": now,
        }
        for alert, telling in zip(alerts, tellings, strict=True)
        for channel_id, because in telling.by.items()
    ]
    sets.insert(Alert, alerts)
    # Whoever deletes a channel just now is waited for, and then it hears nothing; the others do.
    promised = sets.insert(Delivery, deliveries, while_there={"channel_id": Channel})
    for start in range(0, len(promised), RING_FOR):
        on_commit(partial(enqueue, Job.DELIVER, promised[start : start + RING_FOR]))


def told(incident_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """By incident: the channels that were told, or are still to be told, of it."""
    found: dict[UUID, list[UUID]] = {}
    if incident_ids:
        statement = select(Delivery.incident_id, Delivery.channel_id).distinct().order_by(Delivery.channel_id)
        statement = statement.where(among(Delivery.incident_id, incident_ids), Delivery.status != "dead")
        for incident_id, channel_id in db.session.execute(statement):
            assert incident_id is not None
            found.setdefault(incident_id, []).append(channel_id)
    return found


def _alert(telling: Telling, people: Audience, runs: Sequence[PastRun], have: Mapping[UUID, str]) -> dict[str, Any]:
    one, organization = telling.news, people.names[telling.news.row.organization_id]
    has_it = have.get(one.incident.assigned_to, "") if one.incident.assigned_to else ""
    return {
        "id": ids.new(),
        "organization_id": one.row.organization_id,
        "incident_id": one.incident.id,
        # The table has one word for what people do; the content says which it was.
        "kind": "acknowledged" if one.kind in DONE_BY_PEOPLE else one.kind,
        "at": one.at,
        "content": contents.of(one, organization, runs, telling.step, has_it),
        "decision": dict(telling.decision),
    }
