"""Who was told of an incident, when and how; and why somebody was not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tokiflow.models import Channel, Incident
from tokiflow.queries.alerts import AlertRecord
from tokiflow.web import trials
from tokiflow.web.trials import Trial

NAMED = 5

_HEADS = {
    "opened": "That it began",
    "reopened": "That it came back",
    "flapping": "That it comes and goes",
    "resolved": "That it is over",
}


@dataclass(frozen=True, slots=True)
class Telling:
    """One alert and where it went."""

    id: str
    head: str
    at: datetime
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Untold:
    """Channels that heard nothing for one reason: the first few by name, and how many more."""

    names: tuple[str, ...]
    more: int
    why: str


def tellings(alerts: Sequence[AlertRecord], now: datetime) -> list[Telling]:
    """Every alert with its deliveries, newest first."""
    return [
        Telling(
            id=f"alert-{record.alert.id}",
            head=_HEADS.get(record.alert.kind, record.alert.kind.capitalize()),
            at=record.alert.created_at,
            trials=tuple(
                trials.trial(one.delivery, one.delivery.channel, one.attempts, now) for one in record.deliveries
            ),
        )
        for record in reversed(alerts)
    ]


def untold(
    incident: Incident, channels: Iterable[Channel], named: Collection[UUID], alerts: Sequence[AlertRecord]
) -> list[Untold]:
    """The organization's channels that this incident was not sent to, by reason. `named` are the monitor's own."""
    heard = {one.delivery.channel_id for record in alerts for one in record.deliveries}
    reasons: dict[str, list[str]] = {}
    for channel in channels:
        if channel.id not in heard:
            reasons.setdefault(_why(channel, incident, named, alerts), []).append(channel.name)
    return [Untold(tuple(names[:NAMED]), max(len(names) - NAMED, 0), why) for why, names in reasons.items()]


def _why(channel: Channel, incident: Incident, named: Collection[UUID], alerts: Sequence[AlertRecord]) -> str:
    if incident.monitor.own_channels and channel.id not in named:
        return "This monitor has channels of its own, and this is none of them."
    if not channel.enabled:
        return f"Disabled: {channel.disabled_reason}" if channel.disabled_reason else "Disabled."
    asked_at = max((record.alert.created_at for record in alerts), default=incident.created_at)
    if channel.created_at > asked_at:
        return "Added after the last message about this incident."
    if incident.muted_until:
        return "The incident was muted."
    return "Disabled, or not among the monitor’s channels, when the message was written."
