"""A button on a card in Slack, pressed: do what it says, and change the card. The outbox tells the thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from tokiflow import errors
from tokiflow.channels import Outside, slack_api, slack_app, text
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.models import Incident
from tokiflow.queries import incidents
from tokiflow.queries import slack_installations as installed
from tokiflow.services import incidents as service
from tokiflow.services import slack_cards, slack_installations
from tokiflow.services.slack_cards import Place

log = structlog.get_logger()

MUTE_FOR = timedelta(hours=1)
UNKNOWN = "Tokiflow knows no such incident."


@dataclass(frozen=True)
class Press:
    """Who pressed what, on which message."""

    action: str
    incident: str
    place: Place
    user: str
    by: Actor
    response_url: str


def person(name: str) -> Actor:
    """Somebody in Slack, as the timeline names them. They choose their names themselves, so it says where."""
    return Actor("slack", f"{text.line(name, 80) or 'Somebody'} (Slack)")


def read(payload: dict[str, Any]) -> Press:
    """What a `block_actions` payload says; what it doesn't say is empty."""
    user, container, message = (_part(payload, name) for name in ("user", "container", "message"))
    pressed = payload.get("actions")
    button = pressed[0] if isinstance(pressed, list) and pressed and isinstance(pressed[0], dict) else {}
    team = _word(_part(payload, "team"), "id") or _word(user, "team_id")
    channel = _word(_part(payload, "channel"), "id") or _word(container, "channel_id")
    return Press(
        action=_word(button, "action_id"),
        incident=_word(button, "value"),
        place=Place(team, channel, _word(container, "message_ts") or _word(message, "ts")),
        user=_word(user, "id"),
        by=person(_word(user, "name") or _word(user, "username") or _word(user, "id")),
        response_url=_word(payload, "response_url"),
    )


def answer(press: Press, outside: Outside, now: datetime) -> None:
    """Do it, and show it. Whoever pressed hears of it if it could not be done."""
    teams = installed.of_team(press.place.team_id)
    try:
        incident = _incident(press.incident, [one.organization_id for one in teams])
        _do(press, incident.id, now)
    except errors.NotFound:
        _whisper(press, UNKNOWN, outside)
    except errors.Conflict as conflict:
        _show(press, incidents.get(incident.id), outside, now)
        _whisper(press, conflict.message, outside)
    else:
        _show(press, incidents.get(incident.id), outside, now)


def _incident(public_id: str, organization_ids: Sequence[UUID]) -> Incident:
    found = incidents.get(ids.parse("inc", public_id))
    if found.organization_id not in organization_ids:
        raise errors.NotFound
    return found


def _do(press: Press, incident_id: UUID, now: datetime) -> None:
    """Act. Raises NotFound, Conflict."""
    match press.action:
        case slack_app.ACKNOWLEDGE:
            service.acknowledge(incident_id, press.by, now)
        case slack_app.RESOLVE:
            _resolve(incident_id, press.by, now)
        case slack_app.MUTE | slack_app.UNMUTE:
            until = now + MUTE_FOR if press.action == slack_app.MUTE else None
            service.mute(incident_id, until, press.by, now)
        case _:
            raise errors.NotFound


def _resolve(incident_id: UUID, by: Actor, now: datetime) -> None:
    if incidents.get(incident_id).resolved_at:
        raise errors.Conflict("This incident is resolved already.")
    service.resolve(incident_id, by, now)


def _show(press: Press, incident: Incident, outside: Outside, now: datetime) -> None:
    """Change the card; through the address that came with the press, if our token no longer does."""
    if slack_cards.show(incident, press.place, outside, now):
        return
    card = slack_cards.card(incidents.get(incident.id), press.place, outside.public_url, now)
    if card is not None:
        _respond(press, {"replace_original": True, **card}, outside)


def _whisper(press: Press, words: str, outside: Outside) -> None:
    """Tell whoever pressed, and nobody else. Nothing depends on it."""
    _respond(press, {"response_type": "ephemeral", "replace_original": False, "text": words}, outside)


def _respond(press: Press, body: dict[str, Any], outside: Outside) -> None:
    if not slack_api.is_slacks(press.response_url, slack_installations.api(outside).base):
        log.warning("slack_response_url_refused")
        return
    try:
        outside.http.send("POST", press.response_url, json=body, timeout=slack_cards.TIME_LIMIT)
    except errors.DeliveryError as error:
        log.warning("slack_response_failed", error=error.message)


def _part(payload: dict[str, Any], name: str) -> dict[str, Any]:
    found = payload.get(name)
    return found if isinstance(found, dict) else {}


def _word(part: dict[str, Any], name: str) -> str:
    found = part.get(name)
    return found.replace("\x00", "")[:2_000] if isinstance(found, str) else ""
