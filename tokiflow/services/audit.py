"""Who did what: written in the transaction of the change itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.db import db
from tokiflow.models import AuditEvent


def record(
    what: str,
    by: Actor,
    organization_id: UUID,
    now: datetime,
    *,
    object_id: UUID | None = None,
    object_name: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note that `by` did `what` (`monitor.paused`). `before` and `after` hold what changed, never a secret."""
    db.session.add(
        AuditEvent(
            id=ids.new(),
            organization_id=organization_id,
            at=now,
            what=what,
            by=by.name,
            by_kind=by.kind,
            by_id=by.id,
            object_id=object_id,
            object_name=object_name,
            before=dict(before or {}),
            after=dict(after or {}),
        )
    )


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Only what differs: the two halves that `record` takes."""
    changed = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in changed}, {name: after[name] for name in changed}
