"""What a kind of channel must know beyond its config, at the moment of sending; and what was learnt by sending."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from tokiflow.services import desertions, recipients, slack_installations


class Listener(NamedTuple):
    """A channel that is about to be sent something."""

    channel_id: UUID
    organization_id: UUID
    kind: str
    config: Mapping[str, Any]


Briefing = Callable[[Sequence[Listener], datetime], dict[UUID, dict[str, Any]]]
_BY_KIND: dict[str, Briefing] = {
    "email": recipients.briefing,
    "slack_app": slack_installations.briefing,
}
"""By kind of channel: what tells, by channel, what is to be merged into the config. Each takes a statement or two."""


def of(listeners: Sequence[Listener], now: datetime) -> dict[UUID, dict[str, Any]]:
    """By channel: what its kind must know beyond its config. Called inside the claiming transaction."""
    found: dict[UUID, dict[str, Any]] = {}
    for kind, briefing in _BY_KIND.items():
        asked = [one for one in listeners if one.kind == kind]
        if asked:
            found |= briefing(asked, now)
    return found


def learn(organization_id: UUID, refused: Mapping[str, str], now: datetime) -> None:
    """Remember which addresses will never take mail, and why. Called last in the recording transaction."""
    desertions.learn(organization_id, refused, now)
