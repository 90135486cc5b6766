"""Steps on the timeline of an incident."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.models import IncidentEvent


def step(
    incident_id: UUID, what: str, at: datetime, by: Actor, text: str = "", detail: Mapping[str, Any] | None = None
) -> IncidentEvent:
    """A step that is to be added."""
    return IncidentEvent(
        id=ids.new(),
        incident_id=incident_id,
        at=at,
        last_at=at,
        times=1,
        what=what,
        by=by.name,
        by_kind=by.kind,
        text=text,
        detail=dict(detail or {}),
    )
