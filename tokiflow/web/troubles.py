"""An incident as lists and headlines say it: one sentence, how long, who knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tokiflow.core import alerting, durations, ids, sentences
from tokiflow.core.status import Kind
from tokiflow.models import Delivery, Incident
from tokiflow.web import filters

NAMED = 2
"""How many channels a sentence names before it counts the rest."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a row or a headline about one incident needs.

    `since` is when this stretch of it began: later than `opened_at` if it came back. `lasted` is in seconds, up to now
    while it lasts, and in whole minutes from one on.
    """

    id: str
    monitor_id: str
    monitor_name: str
    kind: str
    status: str
    severity: str
    sentence: str
    opened_at: datetime
    since: datetime
    lasted: float
    acknowledged_by: str
    acknowledged_at: datetime | None
    resolved_by: str
    resolved_at: datetime | None
    muted_until: datetime | None
    reopened: int
    told: str
    assigned_to: str = ""

    @property
    def resolved(self) -> bool:
        return self.status == "resolved"


def of(incident: Incident, now: datetime, told: Sequence[Delivery] = (), has_it: str = "") -> Trouble:
    """The trouble of `incident`, whose monitor is loaded; `told` are its deliveries that were sent, `has_it` is whom it
    is assigned to."""
    muted = not incident.resolved_at and alerting.muted(incident.muted_until, now)
    return Trouble(
        id=ids.public("inc", incident.id),
        monitor_id=ids.public("mon", incident.monitor_id),
        monitor_name=incident.monitor.name,
        kind=incident.kind,
        status=incident.status,
        severity=incident.severity,
        sentence=sentence(incident, now),
        opened_at=incident.opened_at,
        since=incident.last_opened_at,
        lasted=_lasted(incident, now),
        acknowledged_by=incident.acknowledged_by,
        acknowledged_at=incident.acknowledged_at,
        resolved_by=incident.resolved_by if incident.resolved_by_person else "",
        resolved_at=incident.resolved_at,
        muted_until=incident.muted_until if muted else None,
        reopened=incident.reopened,
        told=listed(delivery.channel.name for delivery in told),
        assigned_to=has_it,
    )


def _lasted(incident: Incident, now: datetime) -> float:
    seconds = max(((incident.resolved_at or now) - incident.last_opened_at).total_seconds(), 0)
    return seconds if seconds < durations.MINUTE else seconds // durations.MINUTE * durations.MINUTE


_NOBODY = UUID(int=0)


def rows(
    incidents: Iterable[Incident],
    now: datetime,
    told: Mapping[UUID, Sequence[Delivery]],
    names: Mapping[UUID, str] | None = None,
) -> list[Trouble]:
    """The troubles of `incidents`, in their order; `names` of people, by their ids."""
    known = names or {}
    return [of(one, now, told.get(one.id, ()), known.get(one.assigned_to or _NOBODY, "")) for one in incidents]


def sentence(incident: Incident, now: datetime) -> str:
    """What goes on behind the monitor's name: "should have pinged by 02:05 and has been silent for 9 h 12 min"."""
    if incident.kind == "missed":
        return _missed(incident, now)
    if incident.kind == "failed":
        return failed(incident.summary)
    if incident.kind == "degraded":
        return sentences.lead(Kind.DEGRADED, incident.summary)
    if incident.resolved_at:
        return incident.summary.replace("has been running", "was running", 1)
    return incident.summary


def failed(summary: str) -> str:
    """`exit code 3: “…”` → `failed with exit code 3: “…”`."""
    if summary.startswith("the job said it failed"):
        return summary.removeprefix("the job ")
    return f"failed with {summary}"


def _missed(incident: Incident, now: datetime) -> str:
    spoke_at = incident.monitor.last_ping_at
    if incident.resolved_at or (spoke_at and spoke_at > incident.last_opened_at):
        return incident.summary
    silent = durations.words(_lasted(incident, now))
    return f"should have pinged by {filters.clock(incident.last_opened_at)} and has been silent for {silent}"


def listed(names: Iterable[str], most: int = NAMED) -> str:
    """`#ops`, `#ops and Alice`, `#ops, Alice and 3 others`: each name once, in the order given; empty for none."""
    each = list(dict.fromkeys(names))
    rest = len(each) - most
    if rest > 1:
        return f"{', '.join(each[:most])} and {rest} others"
    return f"{', '.join(each[:-1])} and {each[-1]}" if len(each) > 1 else "".join(each)
