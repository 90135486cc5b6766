"""Why people are not told of a monitor's trouble just now: it is in maintenance, or what it depends on is down.

Silence is of the alert, never of the monitoring: incidents open, are shown and resolve as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update

from tokiflow.core import sentences
from tokiflow.db import changed
from tokiflow.models import FollowUp
from tokiflow.queries import dependencies, maintenance
from tokiflow.queries.routing import Audience
from tokiflow.services.monitor_rows import MonitorRow

JUDGED_AGAIN = timedelta(minutes=3)
"""So often it is asked whether a silence still holds: windows are shortened, and what a monitor depends on recovers."""

MAINTENANCE = "maintenance"
DEPENDENCY = "dependency"
QUIET_HOURS = "quiet_hours"


@dataclass(frozen=True)
class Silence:
    """reason: maintenance, dependency, quiet_hours or muted. words: a clause, like `maintenance “Upgrade” until 06:00`.

    until: when it ends, if that is known. blocked_by: the monitor that is down, if it is for that; the silence is over
    when that one recovers.
    """

    reason: str
    words: str
    until: datetime | None = None
    blocked_by: UUID | None = None


def of(rows: Sequence[MonitorRow], now: datetime) -> dict[UUID, Silence]:
    """By monitor of `rows`: what keeps its alerts back at `now`. Those that nothing keeps back are left out.

    Four statements at most, whatever the number. An outage that opened in this very transaction counts.
    """
    covers = maintenance.during(rows, now)
    found = {
        monitor_id: Silence(MAINTENANCE, cover.words(now), until=cover.until) for monitor_id, cover in covers.items()
    }
    blockers = dependencies.blockers([row.id for row in rows if row.id not in found])
    for monitor_id, (upstream_id, name) in blockers.items():
        found[monitor_id] = Silence(DEPENDENCY, f"{name} is down, and it depends on it", blocked_by=upstream_id)
    return found


def quiet(organization_id: UUID, severity: str, people: Audience, now: datetime) -> Silence | None:
    """The quiet hours of the organization, if trouble of `severity` waits for their end at `now`."""
    until = people.quiet_until(organization_id, severity, now)
    if until is None:
        return None
    hours = people.quiet_hours[organization_id]
    zone = hours.timezone if hours else "UTC"
    return Silence(QUIET_HOURS, f"quiet hours for warnings until {sentences.clock(until, now, zone)}", until)


def judged_again_at(silence: Silence, now: datetime) -> datetime:
    """When to ask whether `silence` still holds."""
    soon = now + JUDGED_AGAIN
    return min(silence.until, soon) if silence.until and silence.until > now else soon


def judge_again(organization_id: UUID, reason: str, now: datetime) -> int:
    """Have what is held back for `reason` judged anew at once; how many. A window or a dependency was changed."""
    held = update(FollowUp).where(
        FollowUp.organization_id == organization_id,
        FollowUp.kind == "held",
        FollowUp.reason == reason,
        FollowUp.done_at.is_(None),
        FollowUp.at > now,
    )
    return changed(held.values(at=now))
