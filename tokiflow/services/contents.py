"""What a message will say, as it is known when people are to be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, true

from tokiflow.core import ids, incidents, schedule, sentences
from tokiflow.core.status import Kind
from tokiflow.db import among, db
from tokiflow.models import Incident, Monitor, Run
from tokiflow.services import monitor_rows
from tokiflow.services.incident_rows import PERFORMANCE
from tokiflow.services.news import Facts, News, facts_of

STRIP = 24


class PastRun(NamedTuple):
    """One of the latest runs of a monitor."""

    outcome: str
    duration_ms: int | None
    environment: str


def of(one: News, organization: str, runs: Sequence[PastRun], step: int = 0, assigned_to: str = "") -> dict[str, Any]:
    """The message about `one`, without what only its sending tells. Its form is `channels.message.Message`'s."""
    incident, row, facts = one.incident, one.row, one.facts
    return {
        "kind": one.kind,
        "organization": organization,
        "monitor": ids.public("mon", row.id),
        "monitor_name": row.name,
        "tags": list(row.tags),
        "incident_kind": incident.kind,
        "severity": incident.severity,
        "summary": f"{row.name} {predicate(incident)}",
        "reason": incident.reason,
        "advice": "" if incident.resolved_at else sentences.advice(Kind(incident.kind)),
        "opened_at": incident.last_opened_at.isoformat(),
        "resolved_at": incident.resolved_at.isoformat() if incident.resolved_at else None,
        "timezone": row.schedule_timezone or "UTC",
        "schedule_words": schedule.describe(monitor_rows.rules(row).schedule),
        "runs": _strip(runs),
        "environment": environment(one, runs),
        "step": step,
        "acknowledged_by": incident.acknowledged_by,
        "assigned_to": assigned_to,
        "muted_until": incident.muted_until.isoformat() if incident.muted_until else None,
        "by": incident.resolved_by if incident.resolved_by_person and incident.resolved_at else one.by,
        **({"opened_as": incidents.again(incident.reopened).value} if one.kind in ("muted", "unmuted") else {}),
        **_said(facts, over=incident.resolved_at is not None),
    }


def over(content: Mapping[str, Any]) -> dict[str, Any]:
    """`content` about trouble, once that is over: what the job had said is no longer what it says."""
    return {**content, **_said(facts_of(content), over=True), "advice": ""}


def _said(facts: Facts, *, over: bool) -> dict[str, Any]:
    if over:
        return {"lines_before": facts.last_lines, "last_lines": [], "exit_code": None, "duration_seconds": None}
    seconds = facts.duration_ms / 1000 if facts.duration_ms is not None else None
    return {"last_lines": facts.last_lines, "exit_code": facts.exit_code, "duration_seconds": seconds}


def environment(one: News, runs: Sequence[PastRun]) -> str:
    """Where it happened. Of silence nobody says where it is: then where the monitor last said that it runs."""
    return one.facts.environment or last_environment(runs)


def last_environment(runs: Sequence[PastRun]) -> str:
    """Where a monitor with these `runs`, oldest first, last said that it runs; empty if it never did."""
    return next((run.environment for run in reversed(runs) if run.environment), "")


def latest_runs(monitor_ids: Collection[UUID]) -> dict[UUID, list[PastRun]]:
    """By monitor: its latest runs, oldest first. Each monitor reads its index from the end."""
    if not monitor_ids:
        return {}
    latest = (
        select(Run.outcome, Run.duration_ms, Run.environment, Run.at, Run.id)
        .where(Run.monitor_id == Monitor.id)
        .order_by(Run.at.desc(), Run.id.desc())
        .limit(STRIP)
        .lateral("latest")
    )
    statement = select(Monitor.id, latest.c.outcome, latest.c.duration_ms, latest.c.environment).join(latest, true())
    statement = statement.where(among(Monitor.id, monitor_ids)).order_by(latest.c.at, latest.c.id)
    found: dict[UUID, list[PastRun]] = {}
    for monitor_id, *said in db.session.execute(statement):
        found.setdefault(monitor_id, []).append(PastRun(*said))
    return found


def predicate(incident: Incident) -> str:
    """What goes on, behind the name of the monitor: “is well again after 3 m 12 s”."""
    if incident.resolved_at:
        by = incident.resolved_by if incident.resolved_by_person else ""
        unusual = incident.class_ == PERFORMANCE
        return sentences.recovered(incident.last_opened_at, incident.resolved_at, by, unusual=unusual)
    return sentences.lead(Kind(incident.kind), incident.summary)


def _strip(runs: Sequence[PastRun]) -> list[list[Any]]:
    """Each run as its outcome and its duration as a share of the longest."""
    longest = max((run.duration_ms or 0 for run in runs), default=0) or 1
    return [[run.outcome, (run.duration_ms or longest / 2) / longest] for run in runs]
