"""How many incidents there were, by day and kind, and whose were the most: what an overview counts and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from tokiflow.db import db

SHORT = timedelta(minutes=15)
"""What was over within this time might have been no incident, had somebody waited a little longer."""
NOISIEST = 5
LEAST = 3
"""Whoever had fewer incidents is not noisy."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Incidents of one kind that opened on one day: how many, how many are resolved, and how many seconds these took
    together."""

    day: date
    kind: str
    opened: int
    resolved: int
    seconds: float

    @property
    def critical(self) -> bool:
        """Whether these were outages."""
        return self.kind in ("missed", "overrun", "failed")


@dataclass(frozen=True, slots=True)
class Noise:
    """A monitor with what people chose for it (seconds), how many incidents and alerts it caused, and by kind how many
    of the incidents there were and how many were over within SHORT."""

    id: UUID
    name: str
    grace: int
    max_runtime: int
    failures_to_open: int
    incidents: int
    alerts: int
    kinds: Mapping[str, tuple[int, int]]


def of_organization(organization_id: UUID, since: datetime, now: datetime, zone: str) -> Sequence[Tally]:
    """What opened from `since` up to `now`, by days of the time zone `zone`. One statement."""
    given = {"organization": organization_id, "since": since, "now": now, "zone": zone}
    return [Tally(*row) for row in db.session.execute(_TALLIES, given)]


def noisiest(organization_id: UUID, since: datetime, now: datetime) -> Sequence[Noise]:
    """The NOISIEST monitors by incidents that opened from `since` up to `now` and their alerts, if there were LEAST.

    One statement.
    """
    given = {"organization": organization_id, "since": since, "now": now, "short": SHORT.total_seconds()}
    return [
        Noise(
            row.id, row.name, row.grace_seconds, row.max_runtime_seconds, row.failures_to_open, row.incidents,
            row.alerts, {kind: (opened, short) for kind, opened, short in row.kinds},
        )
        for row in db.session.execute(_NOISIEST, given)
    ]  # fmt: skip


_TALLIES = text("""
select (opened_at at time zone :zone)::date as day, kind, count(*)::int, count(resolved_at)::int,
       coalesce(sum(extract(epoch from resolved_at - last_opened_at)), 0)::float8
from incidents where organization_id = :organization and opened_at >= :since and opened_at < :now
group by 1, 2 order by 1, 2
""")

_NOISIEST = text(f"""
with mine as materialized (
    select id, monitor_id, kind, coalesce(resolved_at - last_opened_at < make_interval(secs => :short), false) as short
    from incidents where organization_id = :organization and opened_at >= :since and opened_at < :now
),
loud as (select monitor_id, count(*) as incidents from mine group by monitor_id having count(*) >= {LEAST}),
told as (
    select mine.monitor_id, count(*) as alerts
    from loud join mine on mine.monitor_id = loud.monitor_id join alerts on alerts.incident_id = mine.id
    group by mine.monitor_id
),
chosen as (
    select m.id, m.name, m.grace_seconds, m.max_runtime_seconds, m.failures_to_open, loud.incidents::int,
           coalesce(told.alerts, 0)::int as alerts
    from loud join monitors m on m.id = loud.monitor_id left join told on told.monitor_id = loud.monitor_id
    order by loud.incidents + coalesce(told.alerts, 0) desc, m.name, m.id limit {NOISIEST}
)
select chosen.*, (
    select jsonb_agg(jsonb_build_array(kind, opened, short) order by opened desc, kind)
    from (
        select kind, count(*) as opened, count(*) filter (where short) as short
        from mine where mine.monitor_id = chosen.id group by kind
    ) each
) as kinds
from chosen order by incidents + alerts desc, name, id
""")
