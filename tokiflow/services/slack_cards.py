"""The cards about an incident in Slack, brought up to date at once when somebody acts there.

The outbox tells of acknowledgements and recoveries in its own time, surely; this is for whoever just pressed a button
and looks at it. It is tried once, for a moment, and whatever fails is only logged: the next message makes it right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select

from tokiflow.channels import Message, slack_app, slack_blocks
from tokiflow.channels.outside import Outside
from tokiflow.channels.slack_app import Room
from tokiflow.channels.slack_blocks import Block
from tokiflow.core import alerting, ids, sentences
from tokiflow.db import db
from tokiflow.errors import DeliveryError
from tokiflow.models import Alert, Channel, Delivery, Incident, SlackInstallation
from tokiflow.queries import slack_installations as installed
from tokiflow.services import slack_installations

log = structlog.get_logger()

TIME_LIMIT = 0.9
"""Seconds for each call: Slack waits three for all of it."""
MOST = 2
"""So many cards are changed while somebody waits."""
_TROUBLE = ("opened", "reopened", "flapping")


@dataclass(frozen=True)
class Place:
    """A message of ours: where it stands, in which workspace."""

    team_id: str
    channel: str
    ts: str


def places(incident_id: UUID) -> list[Place]:
    """Where the cards about the incident stand, oldest first."""
    statement = (
        select(Channel.config["team"].astext, Delivery.memory)
        .join(Channel, Channel.id == Delivery.channel_id)
        .where(Delivery.incident_id == incident_id, Channel.kind == installed.KIND, Delivery.memory.has_key("ts"))
        .order_by(Delivery.id)
    )
    found = [Place(team, memory["channel"], memory["ts"]) for team, memory in db.session.execute(statement)]
    return list(dict.fromkeys(found))


def show(incident: Incident, places: Sequence[Place], outside: Outside, now: datetime, said: str = "") -> bool:
    """Change the cards at `places` to how `incident` stands; with `said`, markup, write that below them.

    The incident's monitor is loaded. False if not all could be changed. Call it outside of any transaction.
    """
    changed = card(incident, outside.public_url, now)
    if changed is None:
        return False
    rooms = [(_room(incident.organization_id, place.team_id, outside), place) for place in places[:MOST]]
    # Nothing may be held while we wait for Slack.
    db.session.rollback()
    shown = [_shown(room, place, changed, said) for room, place in rooms]
    return all(shown)


def muted(incident: Incident, by: str, now: datetime) -> str:
    """What the thread hears of a mute, or of its end, as markup. The incident's monitor is loaded."""
    who = slack_blocks.mrkdwn(by)
    if not alerting.muted(incident.muted_until, now):
        return f"Unmuted by {who}"
    assert incident.muted_until is not None
    until = sentences.clock(incident.muted_until, now, incident.monitor.schedule_timezone or "UTC")
    return f"Muted until {slack_blocks.mrkdwn(until)} by {who}"


def card(incident: Incident, public_url: str, now: datetime) -> Block | None:
    """The card as it would be written now; None if nobody was told of the trouble. The incident's monitor is loaded."""
    message = _message(incident, public_url, now)
    if message is None:
        return None
    return slack_app.card(message, incident.muted_until if alerting.muted(incident.muted_until, now) else None)


def _message(incident: Incident, public_url: str, now: datetime) -> Message | None:
    """What was last told about the trouble, with how it stands now."""
    alert = db.session.execute(
        select(Alert)
        .where(Alert.incident_id == incident.id, Alert.kind.in_(_TROUBLE))
        .order_by(Alert.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    if alert is None:
        return None
    return Message(**(_content(alert, public_url) | _standing(incident, alert.kind)), sent_at=now)


def _content(alert: Alert, public_url: str) -> dict[str, Any]:
    assert alert.incident_id is not None
    content = {name: value for name, value in alert.content.items() if name in _TOLD}
    incident, monitor = ids.public("inc", alert.incident_id), alert.content.get("monitor", "")
    return content | {
        "dedup_key": ids.public("alr", alert.id),
        "thread_key": incident,
        "monitor_id": monitor,
        "monitor_url": f"{public_url}/app/monitors/{monitor}",
        "incident_id": incident,
        "incident_url": f"{public_url}/app/incidents/{incident}",
        "opened_at": datetime.fromisoformat(content["opened_at"]),
        "tags": tuple(content.get("tags", ())),
        "last_lines": tuple(content.get("last_lines", ())),
        "runs": tuple((outcome, height) for outcome, height in content.get("runs", ())),
    }


_TOLD = {
    *("organization", "monitor_name", "incident_kind", "severity", "summary", "reason", "advice", "opened_at"),
    *("tags", "timezone", "last_lines", "schedule_words", "runs", "environment", "exit_code", "duration_seconds"),
}


def _standing(incident: Incident, kind: str) -> dict[str, Any]:
    if incident.resolved_at is None:
        acknowledged = incident.status == "acknowledged"
        return {"kind": "acknowledged" if acknowledged else kind, "acknowledged_by": incident.acknowledged_by}
    words = sentences.recovered(incident.last_opened_at, incident.resolved_at)
    summary = f"{incident.monitor.name} {words}"
    return {"kind": "resolved", "resolved_at": incident.resolved_at, "summary": summary, "advice": ""}


def _room(organization_id: UUID, team_id: str, outside: Outside) -> Room | None:
    row = db.session.execute(
        select(SlackInstallation).where(
            SlackInstallation.organization_id == organization_id, SlackInstallation.team_id == team_id
        )
    ).scalar_one_or_none()
    token = slack_installations.token(row) if row else ""
    return Room(slack_installations.api(outside), token, TIME_LIMIT) if token else None


def _shown(room: Room | None, place: Place, card: Block, said: str) -> bool:
    if room is None:
        return False
    try:
        changed = room.change(place.channel, place.ts, card)
        if said:
            room.write(place.channel, slack_app.line(said), thread=place.ts)
    except DeliveryError as error:
        log.warning("slack_card_not_changed", error=error.message)
        return False
    return changed
