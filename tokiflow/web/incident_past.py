"""What else there is to know of an incident: what may have to do with it, how it went before, and who may have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

from markupsafe import Markup

from tokiflow.core import durations, ids
from tokiflow.core.roles import Right, Role, allows
from tokiflow.models import Incident
from tokiflow.queries.incident_relatives import Other
from tokiflow.web import filters, troubles
from tokiflow.web.markdown import markdown

LONGEST = 400
"""Characters of a comment that stands among others."""


@dataclass(frozen=True, slots=True)
class Related:
    """Another incident. `why` says what it has in common, in words."""

    id: str
    monitor_name: str
    sentence: str
    status: str
    severity: str
    why: str


@dataclass(frozen=True, slots=True)
class Ended:
    """One that is over: how long it took (in seconds), who resolved it, and what was written last."""

    id: str
    kind: str
    at: datetime
    summary: str
    lasted: float
    by: str
    comment: Markup
    comment_by: str


@dataclass(frozen=True, slots=True)
class Past:
    """Those like it before, the most alike first, and in a sentence how they went."""

    ended: Sequence[Ended]
    said: str


def related(found: Sequence[Other], incident: Incident) -> list[Related]:
    """What may have to do with `incident`, whose monitor is loaded."""
    return [_related(other.incident, incident) for other in found]


def _related(one: Incident, incident: Incident) -> Related:
    return Related(
        id=ids.public("inc", one.id),
        monitor_name=one.monitor.name,
        sentence=troubles.sentence(one, filters.viewer().now),
        status=one.status,
        severity=one.severity,
        why=_why(one, incident),
    )


def _why(one: Incident, incident: Incident) -> str:
    """`same monitor, 5 min before`; `both tagged db, at the same time`."""
    tags = [tag for tag in one.monitor.tags if tag in incident.monitor.tags]
    tagged = f"both tagged {', '.join(tags[:3])}" if tags else ""
    shared = "same monitor" if one.monitor_id == incident.monitor_id else tagged
    apart = round((one.opened_at - incident.opened_at).total_seconds())
    when = f"{durations.words(abs(apart))} {'after' if apart > 0 else 'before'}" if apart else "at the same time"
    return ", ".join(filter(None, (shared, when)))


def read(found: Sequence[Other]) -> Past:
    """How the monitor got over the like before."""
    ended = [_ended(one) for one in found]
    return Past(ended, _said(ended))


def _ended(other: Other) -> Ended:
    one = other.incident
    assert one.resolved_at is not None
    return Ended(
        id=ids.public("inc", one.id),
        kind=one.kind,
        at=one.opened_at,
        summary=one.summary,
        lasted=(one.resolved_at - one.opened_at).total_seconds(),
        by=one.resolved_by if one.resolved_by_person else "",
        comment=markdown(_short(other.comment)) if other.comment else Markup(""),
        comment_by=other.comment_by,
    )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()} …"


def _said(ended: Sequence[Ended]) -> str:
    """`Usually over after 12 min: 4 of the last 5 ended by themselves.`"""
    if len(ended) < 2:
        return ""
    alone = sum(not one.by for one in ended)
    usual = durations.words(timedelta(seconds=median(one.lasted for one in ended)).total_seconds())
    how = {0: f"people resolved the last {len(ended)}", len(ended): f"the last {len(ended)} ended by themselves"}
    some = f"{alone} of the last {len(ended)} ended by {'itself' if alone == 1 else 'themselves'}"
    return f"Usually over after {usual}: {how.get(alone, some)}."


def assignees(
    people: Sequence[tuple[UUID, str, Role]], incident: Incident, reader: UUID
) -> list[tuple[str, str, bool]]:
    """Who may have it: what stands in the form, the name, and whether it is theirs."""
    able = [(id, name) for id, name, role in people if allows(role, Right.WORK_INCIDENTS)]
    return [
        (ids.public("usr", id), f"{name} (you)" if id == reader else name, id == incident.assigned_to)
        for id, name in able
    ]
