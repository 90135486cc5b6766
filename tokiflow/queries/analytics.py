"""Figures of monitors over a stretch of time, and what their charts draw. Durations are seconds, days are UTC's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from tokiflow.core import health, histogram
from tokiflow.core.health import Health, Interval, Times, Uptime
from tokiflow.core.histogram import Bar
from tokiflow.db import among, db
from tokiflow.models import Monitor, Run
from tokiflow.queries import downtime, ledgers, rollups
from tokiflow.queries.downtime import Downtime
from tokiflow.queries.ledgers import Ledger, Silence
from tokiflow.queries.rollups import DAY, HOUR, Bucket, Counts

__all__ = [
    "DAY", "HOUR", "PERIODS", "Counts", "DayFigures", "Figures", "Ledger", "Period", "Picture", "Point", "Silence",
    "Trend", "bars", "days", "figures", "latest", "ledger", "of_run", "picture", "trend",
]  # fmt: skip

FEW = 500
"""Up to so many runs are drawn one by one, and their percentiles are exact."""

LONGEST = timedelta(days=364)
"""So many days, and today, are a year."""

NO_TIME = Uptime(0.0, 0.0, 0)


@dataclass(frozen=True)
class Period:
    """A stretch of time that ends now. `step`: what a point of its trend stands for where there are many runs."""

    name: str
    words: str
    length: timedelta
    step: timedelta

    def since(self, now: datetime) -> datetime:
        """When it begins. Those of many days begin at a midnight (UTC), so that today is the last of them."""
        return _day(now) - (self.length - DAY) if self.step >= DAY else now - self.length


PERIODS = {
    one.name: one
    for one in (
        Period("24h", "24 hours", timedelta(hours=24), HOUR),
        Period("7d", "7 days", timedelta(days=7), HOUR),
        Period("30d", "30 days", timedelta(days=30), 6 * HOUR),
        Period("90d", "90 days", timedelta(days=90), DAY),
        Period("1y", "a year", timedelta(days=365), DAY),
    )
}
"""By name: what a page or a program may ask for."""


@dataclass(frozen=True)
class Figures:
    """What a monitor did from `since` up to `until`. `watched`: when something was expected of it. `times` are those of
    its successful runs, `health` is None where nothing is known."""

    since: datetime
    until: datetime
    watched: Sequence[Interval]
    counts: Counts
    times: Times
    uptime: Uptime
    health: Health | None

    @property
    def p50(self) -> float | None:
        return self.times.quantile(0.5)

    @property
    def p95(self) -> float | None:
        return self.times.quantile(0.95)

    @property
    def p99(self) -> float | None:
        return self.times.quantile(0.99)


@dataclass(frozen=True, slots=True)
class Point:
    """One run, with its `run_id` and `findings`, or all that began from `at` up to `until` together.

    `seconds` is the run time; of several the median of the successful ones, `low` and `high` the shortest and longest.
    """

    at: datetime
    until: datetime
    counts: Counts
    seconds: float | None
    low: float | None
    high: float | None
    run_id: UUID | None = None
    findings: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Trend:
    """What a chart of run times draws, oldest first. `step` is what a point stands for; None where it is one run.

    `counts` and `times` are those of all of them together.
    """

    period: Period
    since: datetime
    until: datetime
    step: timedelta | None
    points: Sequence[Point]
    counts: Counts
    times: Times


@dataclass(frozen=True, slots=True)
class DayFigures:
    """A day (UTC), which begins at `at`: its runs, and how much of it the monitor was watched and down."""

    at: datetime
    counts: Counts
    times: Times
    uptime: Uptime


@dataclass(frozen=True)
class Picture:
    """All that a monitor's page draws of `period`; `days` are those of a year, whatever the period."""

    period: Period
    figures: Figures
    trend: Trend
    days: Sequence[DayFigures]
    bars: Sequence[Bar]
    ledger: Ledger


def picture(monitor: Monitor, period: Period, now: datetime) -> Picture:
    """All of it at once, which takes fewer statements than one after the other."""
    since, year = period.since(now), _day(now) - LONGEST
    marks = rollups.marks()
    by_day, mine, fine = rollups.read(
        [monitor.id],
        rollups.sources(year, now, marks),
        rollups.sources(since, now, marks),
        rollups.sources(since, now, marks, by_day=period.step >= DAY),
    )
    spells = _spells([monitor], by_day, year, now)[monitor.id]
    drawn = _few_runs(monitor.id, mine, since, now)
    times = _summed(mine)
    if drawn is None:
        times = _exact_where_few({monitor.id: times}, since, now)[monitor.id]
    else:
        times = _exactly(times, [run.duration_ms for run in drawn if run.outcome == "success"])
    found = _figures(rollups.counted(one.counts for one in mine), times, spells, since, now)
    return Picture(
        period=period,
        figures=found,
        trend=_trend(period, since, now, fine, drawn),
        days=_days(by_day, spells, year, now),
        bars=histogram.bars(times.histogram),
        ledger=ledgers.of(monitor, by_day, found.counts, spells, since, now),
    )


def trend(monitor_id: UUID, period: Period, now: datetime) -> Trend:
    """The run times of `period`: each run where they are few, and what is rolled up where they are many."""
    since = period.since(now)
    fine = _read([monitor_id], since, now, by_day=period.step >= DAY)
    return _trend(period, since, now, fine, _few_runs(monitor_id, fine, since, now))


def figures(monitor_ids: Sequence[UUID], since: datetime, until: datetime) -> Mapping[UUID, Figures]:
    """By monitor: its figures from `since` up to `until`. Ten statements at most, whatever the number of monitors.

    Before the last five weeks it is exact to the day (UTC) only where the runs themselves are kept.
    """
    return {one: found for one, (found, _) in figures_and_uptimes(_monitors(monitor_ids), [since, until]).items()}


def figures_and_uptimes(
    monitors: Sequence[Monitor], edges: Sequence[datetime]
) -> Mapping[UUID, tuple[Figures, Sequence[Uptime]]]:
    """By monitor: its figures from the first of `edges` up to the last, and its up time between each and the next."""
    since, until = edges[0], edges[-1]
    sources = rollups.sources(since, until, rollups.marks())
    totals = rollups.totals([monitor.id for monitor in monitors], sources)
    times = _exact_where_few({one: total.times for one, total in totals.items()}, since, until)
    spells = {
        one: spell.heard_of([totals[one].first] if one in totals else [])
        for one, spell in downtime.of(monitors, since, until).items()
    }
    return {
        one: (
            _figures(totals[one].counts if one in totals else Counts(), times.get(one, Times()), spell, since, until),
            spell.uptimes(edges),
        )
        for one, spell in spells.items()
    }


def latest(monitor_id: UUID, since: datetime, until: datetime) -> float | None:
    """How long the last run took, in seconds, that succeeded and told so; None if there was none."""
    statement = (
        select(Run.duration_ms)
        .where(Run.monitor_id == monitor_id, Run.at >= since, Run.at < until)
        .where(Run.outcome == "success", Run.duration_ms.is_not(None))
        .order_by(Run.at.desc(), Run.id.desc())
        .limit(1)
    )
    found = db.session.execute(statement).scalar_one_or_none()
    return None if found is None else found / 1000


def days(monitor_id: UUID, since: datetime, now: datetime) -> Sequence[DayFigures]:
    """Every day from that of `since` to that of `now`, oldest first, the days on which nothing ran too."""
    first, monitors = _day(since), _monitors([monitor_id])
    if not monitors:
        return []
    buckets = _read([monitor_id], first, now)
    return _days(buckets, _spells(monitors, buckets, first, now)[monitor_id], first, now)


def bars(monitor_id: UUID, since: datetime, until: datetime, most: int = 40) -> Sequence[Bar]:
    """How the times of successful runs are distributed, at most `most` bars, the shortest times first."""
    return histogram.bars(_summed(_read([monitor_id], since, until)).histogram, most)


def ledger(monitor: Monitor, since: datetime, until: datetime) -> Ledger:
    """The runs that the schedule planned from `since` up to `until` against those there were. Time before the monitor
    was made or first heard of, and in which it was paused, plans nothing."""
    buckets = _read([monitor.id], since, until)
    spells = _spells([monitor], buckets, since, until)[monitor.id]
    counts = rollups.counted(one.counts for one in buckets)
    return ledgers.of(monitor, buckets, counts, spells, since, until)


def _monitors(monitor_ids: Sequence[UUID]) -> Sequence[Monitor]:
    return db.session.execute(select(Monitor).where(Monitor.id.in_(monitor_ids))).scalars().all()


def _read(monitor_ids: Sequence[UUID], since: datetime, until: datetime, *, by_day: bool = True) -> list[Bucket]:
    (found,) = rollups.read(monitor_ids, rollups.sources(since, until, rollups.marks(), by_day=by_day))
    return found


def _spells(
    monitors: Sequence[Monitor], buckets: Sequence[Bucket], since: datetime, until: datetime
) -> Mapping[UUID, Downtime]:
    ran: dict[UUID, list[Interval]] = {}
    for one in buckets:
        ran.setdefault(one.monitor_id, []).append((one.at, one.until))
    found = downtime.of(monitors, since, until)
    return {monitor_id: spells.heard_of(ran.get(monitor_id, ())) for monitor_id, spells in found.items()}


def _summed(buckets: Sequence[Bucket]) -> Times:
    return health.added(one.times for one in buckets)


def _few_runs(monitor_id: UUID, buckets: Sequence[Bucket], since: datetime, until: datetime) -> Sequence[Run] | None:
    """The runs that were counted in `buckets`, oldest first; None if they are many, or not all of them are kept."""
    number = sum(one.counts.all for one in buckets)
    if number > FEW:
        return None
    statement = select(Run).where(Run.monitor_id == monitor_id, Run.at >= since, Run.at < until)
    found = db.session.execute(statement.order_by(Run.at, Run.id).limit(FEW + 1)).scalars().all()
    return found if number <= len(found) <= FEW else None


def _exact_where_few(times: Mapping[UUID, Times], since: datetime, until: datetime) -> Mapping[UUID, Times]:
    """The same, with the times one by one where they are few."""
    few = [one for one, some in times.items() if 0 < some.count <= FEW]
    if not few:
        return times
    statement = (
        select(Run.monitor_id, func.array_agg(Run.duration_ms))
        .where(among(Run.monitor_id, few), Run.at >= since, Run.at < until)
        .where(Run.outcome == "success", Run.duration_ms.is_not(None))
        .group_by(Run.monitor_id)
    )
    exact = {one: _exactly(times[one], found) for one, found in db.session.execute(statement)}
    return {**times, **exact}


def _exactly(times: Times, found: Sequence[int | None]) -> Times:
    """`times` with those `found`, if these are all of them."""
    known = tuple(sorted(one for one in found if one is not None))
    return replace(times, known=known) if len(known) == times.count else times


def _trend(
    period: Period, since: datetime, until: datetime, buckets: Sequence[Bucket], drawn: Sequence[Run] | None
) -> Trend:
    counts, times = rollups.counted(one.counts for one in buckets), _summed(buckets)
    if drawn is not None:
        exact = _exactly(times, [run.duration_ms for run in drawn if run.outcome == "success"])
        return Trend(period, since, until, None, [of_run(run) for run in drawn], counts, exact)
    groups: dict[datetime, list[Bucket]] = {}
    for one in buckets:
        midnight = _day(one.at)
        groups.setdefault(midnight + (one.at - midnight) // period.step * period.step, []).append(one)
    points = [_joined(at, min(at + period.step, until), some) for at, some in sorted(groups.items())]
    return Trend(period, since, until, period.step, points, counts, times)


_COUNTED_AS = {
    "success": Counts(succeeded=1), "failed": Counts(failed=1), "overran": Counts(overran=1),
    "missed": Counts(missed=1), "running": Counts(running=1),
}  # fmt: skip


def of_run(run: Run) -> Point:
    """What a chart draws of one run."""
    seconds = None if run.duration_ms is None else run.duration_ms / 1000
    counts = replace(_COUNTED_AS[run.outcome], anomalies=int(run.findings is not None))
    return Point(run.at, run.at, counts, seconds, seconds, seconds, run.id, run.findings or ())


def _joined(at: datetime, until: datetime, buckets: Sequence[Bucket]) -> Point:
    times = _summed(buckets)
    counts = rollups.counted(one.counts for one in buckets)
    return Point(at, until, counts, times.quantile(0.5), times.shortest, times.longest)


def _days(buckets: Sequence[Bucket], spells: Downtime, first: datetime, now: datetime) -> Sequence[DayFigures]:
    groups: dict[datetime, list[Bucket]] = {}
    for one in buckets:
        groups.setdefault(_day(one.at), []).append(one)
    starts = [first + n * DAY for n in range((_day(now) - first) // DAY + 1)]
    uptimes = spells.uptimes([*starts, now]) if now > starts[-1] else [*spells.uptimes(starts), NO_TIME]
    return [
        DayFigures(at, rollups.counted(one.counts for one in some), _summed(some), uptime)
        for at, uptime in zip(starts, uptimes, strict=True)
        for some in [groups.get(at, [])]
    ]


def _figures(counts: Counts, times: Times, spells: Downtime, since: datetime, until: datetime) -> Figures:
    uptime = spells.uptime(since, until)
    performance = health.performance(times.count, counts.anomalies)
    score = health.score(uptime.share, counts.success_rate, performance)
    return Figures(since, until, spells.watched(since, until), counts, times, uptime, score)


def _day(at: datetime) -> datetime:
    return rollups.day_of(at)
