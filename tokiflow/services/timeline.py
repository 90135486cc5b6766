"""Steps on the timeline of an incident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.models import IncidentEvent
from tokiflow.services import sets


@dataclass
class Step:
    """A step that is not written yet; as models.IncidentEvent, of which a storm would make thousands at some cost."""

    id: UUID
    incident_id: UUID
    at: datetime
    last_at: datetime
    times: int
    what: str
    by: str
    by_kind: str
    user_id: UUID | None
    text: str
    detail: dict[str, Any]


def step(
    incident_id: UUID, what: str, at: datetime, by: Actor, text: str = "", detail: Mapping[str, Any] | None = None
) -> Step:
    """A step that is to be written."""
    return Step(
        id=ids.new(),
        incident_id=incident_id,
        at=at,
        last_at=at,
        times=1,
        what=what,
        by=by.name,
        by_kind=by.kind,
        user_id=by.id if by.kind == "person" else None,
        text=text,
        detail=dict(detail or {}),
    )


def values(detail: Mapping[str, Any]) -> list[float]:
    """What was unusual in this step: its value, and of several the least and the most."""
    named = (detail.get(name) for name in ("value", "least", "most"))
    return sorted({one for one in named if one is not None})


def write(*steps: Step) -> None:
    """Write new steps, when what they speak of is there."""
    sets.insert(IncidentEvent, [vars(one) for one in steps])
