"""What there is to tell of an incident."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tokiflow.db import among, db
from tokiflow.models import Alert, Incident
from tokiflow.services.monitor_rows import MonitorRow

TROUBLE = frozenset({"opened", "reopened", "flapping"})
DONE_BY_PEOPLE = frozenset({"acknowledged", "muted", "unmuted"})
LINES = 12


@dataclass(frozen=True)
class Facts:
    """What the job itself said about the trouble."""

    output: str = ""
    exit_code: int | None = None
    duration_ms: int | None = None
    environment: str = ""

    @property
    def last_lines(self) -> list[str]:
        return [line for line in self.output.splitlines() if line.strip()][-LINES:]


@dataclass(frozen=True)
class News:
    """`incident` of the monitor in `row` has `kind` since `at`: opened, reopened, flapping, resolved; or a person
    (`by`) has acknowledged, muted or unmuted it; or it goes on, and others are told (escalated) or the same again
    (reminder). `facts` are those of the trouble."""

    incident: Incident
    row: MonitorRow
    kind: str
    at: datetime
    facts: Facts = field(default_factory=Facts)
    by: str = ""


def kept(one: News) -> dict[str, Any]:
    """What is kept of `one` to be told later. `again` makes news of it."""
    facts = asdict(one.facts) | {"output": "\n".join(one.facts.last_lines)}
    return {"kind": one.kind, "at": one.at.isoformat(), "facts": facts}


def again(said: Mapping[str, Any], incident: Incident, row: MonitorRow) -> News:
    """The news that `kept` put away."""
    return News(incident, row, said["kind"], datetime.fromisoformat(said["at"]), Facts(**said["facts"]))


def told(incident_ids: Collection[UUID]) -> dict[UUID, Facts]:
    """By incident: what the job had said when people were told of its latest trouble."""
    if not incident_ids:
        return {}
    statement = select(Alert.incident_id, Alert.content).where(among(Alert.incident_id, incident_ids))
    statement = statement.where(Alert.kind.in_(TROUBLE)).order_by(Alert.id)
    # Of one that came back, the later content takes the place of the earlier.
    return {id: facts_of(content) for id, content in db.session.execute(statement) if id is not None}


def facts_of(content: Mapping[str, Any]) -> Facts:
    """What the job had said when a message with `content` was written."""
    seconds = content.get("duration_seconds")
    return Facts(
        output="\n".join(content.get("last_lines", ())),
        exit_code=content.get("exit_code"),
        duration_ms=round(seconds * 1000) if seconds is not None else None,
        environment=content.get("environment", ""),
    )
