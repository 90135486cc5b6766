"""How many incidents there were, by monitor, kind and day: what an overview counts and draws. One statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from tokiflow.db import db

SHORT = timedelta(minutes=15)
"""What was over within this time might have been no incident, had somebody waited a little longer."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Incidents of one kind of one monitor that opened on one day of `zone`: how many, how many are resolved and how
    many seconds these took together, how many were over within SHORT, and how many alerts told of them."""

    monitor_id: UUID
    kind: str
    day: date
    opened: int
    resolved: int
    seconds: float
    short: int
    alerts: int

    @property
    def critical(self) -> bool:
        """Whether these were outages."""
        return self.kind in ("missed", "overrun", "failed")


def of_organization(organization_id: UUID, since: datetime, now: datetime, zone: str) -> Sequence[Tally]:
    """What opened from `since` up to `now`, by days of the time zone `zone`."""
    given = {"organization": organization_id, "since": since, "now": now, "zone": zone, "short": SHORT.total_seconds()}
    return [Tally(*row) for row in db.session.execute(_TALLIES, given)]


_TALLIES = text("""
with mine as (
    select id, monitor_id, kind, (opened_at at time zone :zone)::date as day,
           extract(epoch from resolved_at - last_opened_at)::float8 as seconds
    from incidents where organization_id = :organization and opened_at >= :since and opened_at < :now
),
told as (
    select alerts.incident_id, count(*) as n from alerts join mine on mine.id = alerts.incident_id
    group by alerts.incident_id
)
select monitor_id, kind, day, count(*)::int, count(seconds)::int, coalesce(sum(seconds), 0),
       (count(*) filter (where seconds < :short))::int, coalesce(sum(told.n), 0)::int
from mine left join told on told.incident_id = mine.id
group by monitor_id, kind, day order by day, monitor_id, kind
""")
