"""The card about an incident in Slack, brought up to date at once when somebody presses a button on it.

The outbox tells of what they did in its own time, surely, and changes every card; this is for whoever just pressed and
looks at it. It is tried once, for a moment, and whatever fails is only logged: the outbox makes it right.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select

from tokiflow.channels import Message, slack_app
from tokiflow.channels.outside import Outside
from tokiflow.channels.slack_app import Room
from tokiflow.channels.slack_blocks import Block
from tokiflow.core import ids
from tokiflow.db import db
from tokiflow.errors import DeliveryError
from tokiflow.models import Alert, Delivery, Incident, SlackInstallation
from tokiflow.queries.people import called
from tokiflow.services import contents, messages, slack_installations
from tokiflow.services.news import TROUBLE

log = structlog.get_logger()

TIME_LIMIT = 0.9
"""Seconds for each call: Slack waits three for all of it."""


@dataclass(frozen=True)
class Place:
    """A message of ours: where it stands, in which workspace."""

    team_id: str
    channel: str
    ts: str


def show(incident: Incident, place: Place, outside: Outside, now: datetime) -> bool:
    """Change the card at `place` to how `incident` stands; whether that is done.

    The incident's monitor is loaded. Call it outside of any transaction.
    """
    changed = card(incident, place, outside.public_url, now)
    room = _room(incident.organization_id, place.team_id, outside)
    # Nothing may be held while we wait for Slack.
    db.session.rollback()
    if changed is None or room is None:
        return False
    try:
        return room.change(place.channel, place.ts, changed)
    except DeliveryError as error:
        log.warning("slack_card_not_changed", error=error.message)
        return False


def card(incident: Incident, place: Place, public_url: str, now: datetime) -> Block | None:
    """The card as it would be written now; None if nobody was told of the trouble. The incident's monitor is loaded."""
    message = _message(incident, place, public_url, now)
    return slack_app.card(message) if message else None


def _message(incident: Incident, place: Place, public_url: str, now: datetime) -> Message | None:
    """What was last told about the trouble, with how it stands now."""
    last = select(Alert).where(Alert.incident_id == incident.id, Alert.kind.in_(TROUBLE)).order_by(Alert.id.desc())
    alert = db.session.execute(last.limit(1)).scalar_one_or_none()
    if alert is None:
        return None
    content = {**alert.content, **_standing(incident, alert.kind)}
    if incident.resolved_at:
        content = contents.over(content)
    key, because = ids.public("alr", alert.id), _because(incident.id, place)
    whose = incident.id, incident.organization_id
    return messages.told(content, *whose, public_url, dedup_key=key, sent_at=now, because=because)


def _because(incident_id: UUID, place: Place) -> str:
    """Why this card was written."""
    written = select(Delivery.because).where(
        Delivery.incident_id == incident_id, Delivery.memory["ts"].astext == place.ts
    )
    return db.session.execute(written.order_by(Delivery.id).limit(1)).scalar_one_or_none() or ""


def _standing(incident: Incident, kind: str) -> dict[str, Any]:
    """What has changed since the trouble was told, as services.contents has it."""
    muted = incident.muted_until.isoformat() if incident.muted_until else None
    if incident.resolved_at is None:
        kind = "acknowledged" if incident.status == "acknowledged" else kind
        has_it = called([incident.assigned_to]).get(incident.assigned_to, "") if incident.assigned_to else ""
        known = {"acknowledged_by": incident.acknowledged_by, "assigned_to": has_it, "muted_until": muted}
        return {"kind": kind, **known}
    return {
        "kind": "resolved",
        "resolved_at": incident.resolved_at.isoformat(),
        "by": incident.resolved_by if incident.resolved_by_person else "",
        "summary": f"{incident.monitor.name} {contents.predicate(incident)}",
    }


def _room(organization_id: UUID, team_id: str, outside: Outside) -> Room | None:
    row = db.session.execute(
        select(SlackInstallation).where(
            SlackInstallation.organization_id == organization_id, SlackInstallation.team_id == team_id
        )
    ).scalar_one_or_none()
    token = slack_installations.token(row) if row else ""
    return Room(slack_installations.api(outside), token, TIME_LIMIT) if token else None
