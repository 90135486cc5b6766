"""How the monitors of an organization stand, lately and in the time before: all of them summed up, and the few to name.

The sums and the choosing are the database's, from roll-ups. What is not rolled up yet is read from finer roll-ups, and
at last from the runs themselves (see queries.rollups). Of more than MANY monitors only whole days are told: a day's
hours would be ten times as many rows as two weeks of days.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text

from tokiflow.core import health, histogram, worsening
from tokiflow.core.health import Health, Times
from tokiflow.core.status import Status
from tokiflow.db import db

MANY = 1_000
TOLD = 8
"""So many that are late, and so many that fail more, are named."""
GREW = 60
"""So many monitors' run times are looked at closely: all, or those whose times grew most by rough sums."""
UNUSUAL = 32
LOWEST = 10


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some time of a monitor: runs that were expected, those that succeeded, those that were unlike the usual, and
    successful ones that told how long they took."""

    expected: int = 0
    succeeded: int = 0
    anomalies: int = 0
    timed: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A monitor that may be named. `fails_more`: its success rate fell. uptime: 0–1 lately, None where not known."""

    id: UUID
    name: str
    status: Status
    due_at: datetime | None
    deadline_at: datetime | None
    misses: int
    fails_more: bool
    uptime: float | None
    before: Stretch
    lately: Stretch

    @property
    def health(self) -> Health | None:
        """Lately; None where nothing has run."""
        success = self.lately.succeeded / self.lately.expected if self.lately.expected else None
        return health.score(self.uptime, success, health.performance(self.lately.timed, self.lately.anomalies))


@dataclass(frozen=True)
class Sums:
    """All monitors: whether any has ever pinged, how many have each score of health, and the mean of each part over
    those that have a score (0–1; None where nothing is known)."""

    pinged: bool
    scores: Mapping[int, int]
    uptime: float | None
    success: float | None
    performance: float | None


@dataclass(frozen=True)
class Standings:
    """The sums, and whom to name, each list the worst first; some may be in several.

    `late` and `failing` are the first TOLD of `late_count` and `failing_count`. `slower` are those whose run times may
    have grown, by rough sums; `unusual` those with the most runs unlike the usual; `lowest` those with the lowest
    scores, and at last those without any.
    """

    sums: Sums
    late: Sequence[Standing]
    late_count: int
    failing: Sequence[Standing]
    failing_count: int
    slower: Sequence[Standing]
    unusual: Sequence[Standing]
    lowest: Sequence[Standing]


def of_organization(
    organization_id: UUID,
    before: datetime,
    since: datetime,
    now: datetime,
    *,
    uptimes: Mapping[UUID, float | None],
    known: Collection[UUID] = (),
) -> Standings:
    """`lately` is from `since` up to now, and `before` from `before` up to `since`; both are midnights (UTC).

    uptimes: of the monitors that were down lately; all others were up. `known` are told anyway: they are only counted,
    and named by their scores. Two statements.
    """
    # Apart, since with these moments at hand the database plans well for as many days as there are.
    days, hours = db.session.execute(_MADE, {"before": before, "now": now}).one()
    given = {
        "organization": organization_id, "before": before, "since": since, "now": now, "days": days, "hours": hours,
        "known": list(known), "down": list(uptimes), "uptimes": list(uptimes.values()),
    }  # fmt: skip
    rows = db.session.execute(_STANDINGS, given).all()
    lists: dict[str, list[Standing]] = {name: [] for name in _LISTS}
    for row in rows:
        if row.list:
            lists[row.list].append(_standing(row))
    sums = rows[0]
    scores = {int(score): count for score, count in sums.scores.items()}
    return Standings(
        Sums(bool(sums.pinged), scores, sums.mean_uptime, sums.mean_success, sums.mean_performance),
        late_count=sums.late_count,
        failing_count=sums.failing_count,
        **lists,
    )


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
        row.id, row.name, Status(row.shown), row.due_at, row.deadline_at, row.misses, row.fails_more, row.uptime,
        Stretch(row.expected_before, row.succeeded_before, row.anomalies_before, row.timed_before),
        Stretch(row.expected, row.succeeded, row.anomalies, row.timed),
    )  # fmt: skip


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


def _list(name: str, rank: str, among: str, most: int) -> str:
    """The first `most` monitors by `rank`, then by name."""
    first = f"select '{name}' as list, {rank} as rank, each.* from each where {among}"
    return f"({first} order by rank nulls last, name, id limit {most})"


_LISTS = {
    "late": _list("late", "extract(epoch from coalesce(due_at, :now))::float8", "shown = 'late' and not known", TOLD),
    "failing": _list("failing", "-fell", "fails_more", TOLD),
    "slower": _list(
        "slower",
        "-sqrt(squares / timed) / greatest(sqrt(squares_before / timed_before), 1)",
        f"shown = 'up' and not known and least(timed, timed_before) >= {worsening.LEAST_RUNS}",
        GREW,
    ),
    "unusual": _list(
        "unusual", "-anomalies::float8", "anomalies > 0 and shown not in ('late', 'paused') and not known", UNUSUAL
    ),
    "lowest": _list("lowest", "score::float8", "true", LOWEST),
}

# The rules are those of core.worsening (fails_more) and core.health (score): tests/queries/test_standing.py compares.
_MADE: TextClause = text(f"with {_MARKS} select days, hours from made")

_STANDINGS: TextClause = text(f"""
with mine as materialized (
    select id, name, due_at, deadline_at, misses, last_ping_at is not null as pinged, id = any(:known) as known,
           case when status = 'up' and (due_at <= :now or misses > 0) then 'late' else status end as shown
    from monitors where organization_id = :organization
),
today as (select count(*) <= {MANY} or :days <= :before as told from mine),
told as (
    select r.monitor_id, r.at >= :since as lately, r.succeeded + r.failed + r.overran + r.missed as expected,
           r.succeeded, r.anomalies, r.timed, r.squares
    from mine join rollups r on r.monitor_id = mine.id
    where r.grain = 'day' and r.at >= :before and r.at < :days
    union all
    select r.monitor_id, r.at >= :since, r.succeeded + r.failed + r.overran + r.missed,
           r.succeeded, r.anomalies, r.timed, r.squares
    from mine join rollups r on r.monitor_id = mine.id
    where (select told from today) and r.grain = 'hour' and r.at >= :days and r.at < :hours
    union all
    select r.monitor_id, r.at >= :since, (r.outcome in ('success', 'failed', 'overran', 'missed'))::int,
           (r.outcome = 'success')::int, (r.findings is not null)::int,
           (r.outcome = 'success' and r.duration_ms is not null)::int,
           case when r.outcome = 'success' then r.duration_ms::float8 ^ 2 end
    from mine join runs r on r.monitor_id = mine.id
    where (select told from today) and r.at >= :hours and r.at < :now
),
summed as (
    select monitor_id, lately, sum(expected)::int as expected, sum(succeeded)::int as succeeded,
           sum(anomalies)::int as anomalies, sum(timed)::int as timed, coalesce(sum(squares), 0) as squares
    from told group by monitor_id, lately
),
both_times as (
    select mine.*, coalesce(was.expected, 0) as expected_before, coalesce(was.succeeded, 0) as succeeded_before,
           coalesce(was.anomalies, 0) as anomalies_before, coalesce(was.timed, 0) as timed_before,
           was.squares as squares_before, coalesce(late.expected, 0) as expected,
           coalesce(late.succeeded, 0) as succeeded, coalesce(late.anomalies, 0) as anomalies,
           coalesce(late.timed, 0) as timed, late.squares,
           case when down.id is null then 1 else down.uptime end as uptime,
           was.succeeded / nullif(was.expected, 0)::float8 as success_before,
           late.succeeded / nullif(late.expected, 0)::float8 as success,
           1 - least(late.anomalies, late.timed) / nullif(late.timed, 0)::float8 as performance
    from mine left join summed was on was.monitor_id = mine.id and not was.lately
              left join summed late on late.monitor_id = mine.id and late.lately
              left join unnest(cast(:down as uuid[]), cast(:uptimes as float8[])) as down (id, uptime)
                        on down.id = mine.id
),
each as materialized (
    select both_times.*, 5 * (success_before - success) as fell,
           shown = 'up' and not known and coalesce(
               least(expected_before, expected) >= {worsening.LEAST_RUNS}
               and success_before - success >= {worsening.LEAST_FALL}
               and expected * success_before - succeeded >= {worsening.LEAST_BAD}, false) as fails_more,
           case when coalesce(success, performance) is not null then floor(round((100 * (
               coalesce({health.UPTIME_WEIGHT} * uptime, 0) + coalesce({health.SUCCESS_WEIGHT} * success, 0)
               + coalesce({health.PERFORMANCE_WEIGHT} * performance, 0)
           ) / (
               case when uptime is null then 0 else {health.UPTIME_WEIGHT} end
               + case when success is null then 0 else {health.SUCCESS_WEIGHT} end
               + case when performance is null then 0 else {health.PERFORMANCE_WEIGHT} end
           ))::numeric, {health.DIGITS}) + 0.5)::int end as score
    from both_times
),
sums as (
    select bool_or(pinged) as pinged, count(*) filter (where shown = 'late' and not known) as late_count,
           count(*) filter (where fails_more) as failing_count,
           avg(uptime) filter (where score is not null) as mean_uptime, avg(success) as mean_success,
           avg(performance) as mean_performance,
           (select coalesce(jsonb_object_agg(score, n), '{{}}')
            from (select score, count(*) as n from each where score is not null group by score) counted) as scores
    from each
)
select * from sums left join ({" union all ".join(_LISTS.values())}) chosen on true
order by list, rank nulls last, name, id
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
