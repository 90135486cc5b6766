"""Planned runs against actual ones, and the silences in which none came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from tokiflow.core import health
from tokiflow.core.health import Interval
from tokiflow.db import db
from tokiflow.models import Monitor
from tokiflow.queries import schedules
from tokiflow.queries.downtime import Downtime
from tokiflow.queries.rollups import Bucket, Counts
from tokiflow.queries.schedules import Schedules

SILENCES = 30
"""So many of the latest occurrences that passed in silence are looked at one by one."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A job was due at `due_at`, and said nothing before `until` (None: it is silent still): so many runs `missed`."""

    due_at: datetime
    until: datetime | None
    missed: int


@dataclass(frozen=True)
class Ledger:
    """What was planned from `since` up to `until`, and what came of it. `silences` are the latest, newest first."""

    since: datetime
    until: datetime
    expected: int
    ran: int
    missed: int
    silences: Sequence[Silence]


def of(
    monitor: Monitor, buckets: Sequence[Bucket], counts: Counts, spells: Downtime, since: datetime, until: datetime
) -> Ledger:
    """What `monitor` did from `since` up to `until`: its runs are counted in `counts` and, over that time or a longer
    one, in `buckets`."""
    recorded = _missed(monitor.id, buckets, since, until)
    plans = schedules.of(monitor, since)
    silences = _silences(monitor, plans, recorded, spells, until)
    return Ledger(
        since=since,
        until=until,
        expected=sum(plans.planned(*stretch) for stretch in spells.watched(since, until)),
        ran=counts.ran,
        missed=counts.missed - len(recorded) + sum(one.missed for one in silences),
        silences=silences,
    )


def _missed(monitor_id: UUID, buckets: Sequence[Bucket], since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """The latest occurrences that passed in silence, newest first: when they were due, and when it spoke again.

    They are looked for only where the roll-ups count some.
    """
    places: list[Interval] = []
    enough = SILENCES
    for one in sorted(buckets, key=lambda one: one.at, reverse=True):
        if one.counts.missed and enough > 0:
            places += health.within([(one.at, one.until)], since, until)
            enough -= one.counts.missed
    if not places:
        return []
    told = {
        "monitor": monitor_id,
        "begins": [begin for begin, _ in places],
        "ends": [end for _, end in places],
        "first": min(begin for begin, _ in places),
        "most": SILENCES,
    }
    return db.session.execute(_MISSED, told).all()


_MISSED = text(
    """
    select m.due_at, m.at, (
        select r.at from runs r
        where r.monitor_id = :monitor and r.at > m.at and r.at >= :first and r.outcome <> 'missed'
        order by r.at limit 1
    ) as spoke_at
    from unnest(cast(:begins as timestamptz[]), cast(:ends as timestamptz[])) s (begins, ends)
    cross join lateral (
        select coalesce(due_at, at) as due_at, at from runs
        where monitor_id = :monitor and outcome = 'missed' and at >= s.begins and at < s.ends and at >= :first
        order by at desc limit :most
    ) m
    order by m.at desc
    limit :most
    """
)


def _silences(
    monitor: Monitor, plans: Schedules, recorded: Sequence[Row[Any]], spells: Downtime, until: datetime
) -> Sequence[Silence]:
    """Occurrences that were missed one after the other are one silence. While a monitor is down nothing more is
    recorded, so those that fell into it are counted by the plan."""
    grace = timedelta(seconds=monitor.grace_seconds)
    found: dict[datetime | None, Silence] = {}
    for row in recorded:
        pauses = [start for start, _ in spells.paused if start > row.due_at]
        ended = min((one for one in (row.spoke_at, *pauses) if one and one < until), default=None)
        more = plans.planned(row.due_at, (ended or until) - grace)
        known = found.get(ended)
        found[ended] = Silence(row.due_at, ended, max(1 + more, 1 + known.missed if known else 0))
    return list(found.values())


def planned(monitor: Monitor, watched: Sequence[Interval]) -> int:
    """How many runs its schedules planned in these stretches of time, as in `Figures.watched`."""
    if not watched:
        return 0
    plans = schedules.of(monitor, watched[0][0])
    return sum(plans.planned(*stretch) for stretch in watched)
