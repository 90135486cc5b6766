"""How all monitors of an organization stand: lately, and in the time before. Set-wise, from roll-ups.

What is not rolled up yet is read from finer roll-ups, and at last from the runs themselves (see queries.rollups). Of
more than MANY monitors only whole days are told: a day's hours would be ten times as many rows as two weeks of days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text

from tokiflow.core import health, histogram
from tokiflow.core.health import Times
from tokiflow.core.status import Status
from tokiflow.db import db
from tokiflow.queries.rollups import Counts

MANY = 1_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some time of a monitor. `timed` successful runs told how long they took; `rms_ms` is the root of the mean of the
    squares of these times, which feels a slow run in twenty."""

    counts: Counts
    timed: int
    rms_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """A monitor, as much of it as an overview needs: how it is, what people chose, and what it did."""

    id: UUID
    organization_id: UUID
    name: str
    tags: Sequence[str]
    status: Status
    created_at: datetime
    last_ping_at: datetime | None
    paused_at: datetime | None
    due_at: datetime | None
    deadline_at: datetime | None
    misses: int
    grace_seconds: int
    max_runtime_seconds: int
    failures_to_open: int
    before: Stretch
    lately: Stretch


def of_organization(organization_id: UUID, before: datetime, since: datetime, now: datetime) -> list[Standing]:
    """All monitors by name; `lately` is from `since` up to now, and `before` from `before` up to `since`.

    Both are midnights (UTC). One statement.
    """
    given = {"organization": organization_id, "before": before, "since": since, "now": now}
    return [_standing(row) for row in db.session.execute(_STANDING, given)]


def times(
    monitor_ids: Sequence[UUID], before: datetime, since: datetime, now: datetime
) -> Mapping[UUID, tuple[Times, Times]]:
    """By monitor: the run times before and lately. One statement, which reads histograms: not for too many at once."""
    given = {"monitors": list(monitor_ids), "before": before, "since": since, "now": now}
    pieces: dict[UUID, tuple[list[Times], list[Times]]] = {one: ([], []) for one in monitor_ids}
    for row in db.session.execute(_TIMES, given) if monitor_ids else ():
        counted = histogram.merged([row.histogram])
        piece = Times(count=sum(counted.values()), min_ms=row.min_ms, max_ms=row.max_ms, histogram=counted)
        pieces[row.monitor_id][row.lately].append(piece)
    return {one: (health.added(was), health.added(now)) for one, (was, now) in pieces.items()}


def _standing(row: Row[Any]) -> Standing:
    return Standing(
        row.id, row.organization_id, row.name, row.tags, Status(row.shown), row.created_at, row.last_ping_at,
        row.paused_at, row.due_at, row.deadline_at, row.misses, row.grace_seconds, row.max_runtime_seconds,
        row.failures_to_open, _stretch(row[14:22]), _stretch(row[22:30]),
    )  # fmt: skip


def _stretch(cells: Sequence[Any]) -> Stretch:
    if cells[0] is None:
        return _NOTHING
    succeeded, failed, overran, missed, running, anomalies, timed, squares = cells
    counts = Counts(succeeded, failed, overran, missed, running, anomalies)
    return Stretch(counts, timed, (squares / timed) ** 0.5 if timed else 0.0)


_NOTHING = Stretch(Counts(), 0, 0.0)

# Up to when days are rolled up, and from there on hours; :before where nothing is.
_MARKS = """
    marks as (
        select coalesce(date_trunc('day', min(until) filter (where grain = 'day'), 'UTC'), :before) as days,
               coalesce(date_trunc('hour', min(until) filter (where grain = 'hour'), 'UTC'), :before) as hours
        from rollup_marks
    ),
    made as (
        select least(greatest(days, :before), :now) as days, least(greatest(hours, days, :before), :now) as hours
        from marks
    )
"""

_STANDING: TextClause = text(f"""
with {_MARKS}, mine as materialized (select * from monitors where organization_id = :organization),
today as (select count(*) <= {MANY} or (select days <= :before from made) as told from mine),
told as (
    select r.monitor_id, r.at >= :since as lately, r.succeeded, r.failed, r.overran, r.missed, r.unfinished,
           r.anomalies, r.timed, r.squares
    from mine join rollups r on r.monitor_id = mine.id, made
    where r.grain = 'day' and r.at >= :before and r.at < made.days
    union all
    select r.monitor_id, r.at >= :since, r.succeeded, r.failed, r.overran, r.missed, r.unfinished,
           r.anomalies, r.timed, r.squares
    from mine join rollups r on r.monitor_id = mine.id, made
    where (select told from today) and r.grain = 'hour' and r.at >= made.days and r.at < made.hours
    union all
    select r.monitor_id, r.at >= :since, (r.outcome = 'success')::int, (r.outcome = 'failed')::int,
           (r.outcome = 'overran')::int, (r.outcome = 'missed')::int, (r.outcome = 'running')::int,
           (r.findings is not null)::int, (r.outcome = 'success' and r.duration_ms is not null)::int,
           case when r.outcome = 'success' then r.duration_ms::float8 ^ 2 end
    from mine join runs r on r.monitor_id = mine.id
    where (select told from today) and r.at >= (select hours from made) and r.at < :now
),
summed as (
    select monitor_id, lately, sum(succeeded)::int as succeeded, sum(failed)::int as failed,
           sum(overran)::int as overran, sum(missed)::int as missed, sum(unfinished)::int as unfinished,
           sum(anomalies)::int as anomalies, sum(timed)::int as timed, coalesce(sum(squares), 0) as squares
    from told group by monitor_id, lately
)
select mine.id, organization_id, mine.name, tags,
       case when status = 'up' and (due_at <= :now or misses > 0) then 'late' else status end as shown,
       created_at, last_ping_at, paused_at, due_at, deadline_at, misses, grace_seconds, max_runtime_seconds,
       failures_to_open,
       was.succeeded, was.failed, was.overran, was.missed, was.unfinished, was.anomalies, was.timed, was.squares,
       late.succeeded, late.failed, late.overran, late.missed, late.unfinished, late.anomalies, late.timed, late.squares
from mine left join summed was on was.monitor_id = mine.id and not was.lately
          left join summed late on late.monitor_id = mine.id and late.lately
order by mine.name, mine.id
""")

_TIMES: TextClause = text(f"""
with {_MARKS}
select r.monitor_id, r.at >= :since as lately, r.histogram, r.min_ms, r.max_ms from rollups r, made
where r.monitor_id = any(:monitors) and r.timed > 0
  and (r.grain = 'day' and r.at >= :before and r.at < made.days
       or r.grain = 'hour' and r.at >= made.days and r.at < made.hours)
union all
select monitor_id, lately, jsonb_object_agg(bucket, n), min(low), max(high)
from (
    select monitor_id, at >= :since as lately, {histogram.BUCKET_SQL} as bucket, count(*) as n,
           min(duration_ms) as low, max(duration_ms) as high
    from runs where monitor_id = any(:monitors) and at >= (select hours from made) and at < :now
         and outcome = 'success' and duration_ms is not null
    group by 1, 2, 3
) counted group by monitor_id, lately
""")
