"""Figures of monitors over a stretch of time, and what their charts draw. Durations are seconds, days are UTC's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tokiflow.core import health, histogram, schedule
from tokiflow.core.health import Health, Times, Uptime
from tokiflow.core.histogram import Bar
from tokiflow.db import db
from tokiflow.models import Monitor, Run
from tokiflow.queries import downtime
from tokiflow.queries.downtime import Downtime

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FEW = 500
"""Up to so many runs are drawn one by one."""


@dataclass(frozen=True)
class Period:
    """A stretch of time that ends now. `step`: what a point of its trend stands for where there are many runs."""

    name: str
    words: str
    length: timedelta
    step: timedelta

    def since(self, now: datetime) -> datetime:
        """When it begins; those of many days begin at a midnight (UTC)."""
        begins = now.astimezone(UTC) - self.length
        return _day(begins) if self.step >= DAY else begins


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


@dataclass(frozen=True, slots=True)
class Counts:
    """Runs by how they ended. `anomalies` of them were unlike the usual, whatever their outcome."""

    succeeded: int = 0
    failed: int = 0
    overran: int = 0
    missed: int = 0
    running: int = 0
    anomalies: int = 0

    @property
    def expected(self) -> int:
        """Those that ended or should have been."""
        return self.succeeded + self.failed + self.overran + self.missed

    @property
    def success_rate(self) -> float | None:
        """0–1 of those expected; None without any."""
        return health.success_rate(self.succeeded, self.failed, self.overran, self.missed)

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in Counts.__slots__))


@dataclass(frozen=True)
class Figures:
    """What a monitor did from `since` up to `until`. `times` are those of its successful runs, `health` is None where
    nothing is known."""

    since: datetime
    until: datetime
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
    """What a chart of run times draws, oldest first. `step` is what a point stands for; None where it is one run."""

    period: Period
    since: datetime
    until: datetime
    step: timedelta | None
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class DayFigures:
    """A day (UTC), which begins at `at`: its runs, and how much of it the monitor was watched and down."""

    at: datetime
    counts: Counts
    times: Times
    uptime: Uptime


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
    since = period.since(now)
    return Picture(
        period,
        figures([monitor.id], since, now)[monitor.id],
        trend(monitor.id, period, now),
        days(monitor.id, now - timedelta(days=364), now),
        bars(monitor.id, since, now),
        ledger(monitor, since, now),
    )


def trend(monitor_id: UUID, period: Period, now: datetime) -> Trend:
    """The run times of `period`: each run where they are few, and what is rolled up where they are many."""
    since = period.since(now)
    rows = _runs([monitor_id], since, now)
    if len(rows) <= FEW:
        return Trend(period, since, now, None, [_point(row) for row in rows])
    groups: dict[datetime, list[Run]] = {}
    for row in rows:
        at = _day(row.at) if period.step >= DAY else _day(row.at) + (row.at - _day(row.at)) // period.step * period.step
        groups.setdefault(at, []).append(row)
    points = [_joined(at, at + period.step, some) for at, some in sorted(groups.items())]
    return Trend(period, since, now, period.step, points)


def figures(monitor_ids: Sequence[UUID], since: datetime, until: datetime) -> Mapping[UUID, Figures]:
    """By monitor: its figures from `since` up to `until`. A handful of statements, whatever the number of monitors."""
    monitors = _monitors(monitor_ids)
    spells = downtime.of(monitors, since, until)
    by_monitor: dict[UUID, list[Run]] = {monitor.id: [] for monitor in monitors}
    for row in _runs(monitor_ids, since, until):
        by_monitor[row.monitor_id].append(row)
    return {
        monitor.id: _figures(_counts(rows), _times(rows), spells[monitor.id], since, until)
        for monitor in monitors
        for rows in [by_monitor[monitor.id]]
    }


def days(monitor_id: UUID, since: datetime, now: datetime) -> Sequence[DayFigures]:
    """Every day from that of `since` to that of `now`, oldest first, the days on which nothing ran too."""
    first = _day(since)
    monitors = _monitors([monitor_id])
    if not monitors:
        return []
    spells = downtime.of(monitors, first, now)[monitor_id]
    groups: dict[datetime, list[Run]] = {}
    for row in _runs([monitor_id], first, now):
        groups.setdefault(_day(row.at), []).append(row)
    starts = [first + n * DAY for n in range((_day(now) - first) // DAY + 1)]
    return [
        DayFigures(at, _counts(rows), _times(rows), spells.uptime(at, min(at + DAY, now)))
        for at in starts
        for rows in [groups.get(at, [])]
    ]


def bars(monitor_id: UUID, since: datetime, until: datetime, most: int = 40) -> Sequence[Bar]:
    """How the times of successful runs are distributed, at most `most` bars, the shortest times first."""
    return histogram.bars(_times(_runs([monitor_id], since, until)).histogram, most)


def ledger(monitor: Monitor, since: datetime, until: datetime) -> Ledger:
    """The runs that the schedule planned from `since` up to `until` against those there were. Time before the monitor
    was made or first heard of, and in which it was paused, plans nothing."""
    plan = schedule.from_columns(
        monitor.schedule_kind, monitor.schedule_seconds, monitor.schedule_expression, monitor.schedule_timezone
    )
    rows = _runs([monitor.id], since, until)
    counts = _counts(rows)
    spells = downtime.of([monitor], since, until)[monitor.id]
    watched = health.without([(max(since, spells.watched_since), until)], spells.paused)
    expected = sum(len(schedule.expected_between(plan, *stretch)) for stretch in watched)
    silences = [Silence(row.due_at or row.at, None, 1) for row in reversed(rows) if row.outcome == "missed"]
    ran = counts.expected - counts.missed + counts.running
    return Ledger(since, until, expected, ran, len(silences), silences)


def _monitors(monitor_ids: Sequence[UUID]) -> Sequence[Monitor]:
    return db.session.execute(select(Monitor).where(Monitor.id.in_(monitor_ids))).scalars().all()


def _runs(monitor_ids: Sequence[UUID], since: datetime, until: datetime) -> Sequence[Run]:
    statement = select(Run).where(Run.monitor_id.in_(monitor_ids), Run.at >= since, Run.at < until)
    return db.session.execute(statement.order_by(Run.at, Run.id)).scalars().all()


def _point(row: Run) -> Point:
    seconds = None if row.duration_ms is None else row.duration_ms / 1000
    return Point(row.at, row.at, _counts([row]), seconds, seconds, seconds, row.id, row.findings or ())


def _joined(at: datetime, until: datetime, rows: Sequence[Run]) -> Point:
    times = _times(rows)
    return Point(at, until, _counts(rows), times.quantile(0.5), times.shortest, times.longest)


def _counts(rows: Sequence[Run]) -> Counts:
    outcomes = [row.outcome for row in rows]
    named = ("success", "failed", "overran", "missed", "running")
    return Counts(*(outcomes.count(name) for name in named), sum(row.findings is not None for row in rows))


def _times(rows: Sequence[Run]) -> Times:
    return health.of([row.duration_ms for row in rows if row.outcome == "success" and row.duration_ms is not None])


def _figures(counts: Counts, times: Times, spells: Downtime, since: datetime, until: datetime) -> Figures:
    uptime = spells.uptime(since, until)
    performance = health.performance(times.count, counts.anomalies)
    return Figures(since, until, counts, times, uptime, health.score(uptime.share, counts.success_rate, performance))


def _day(at: datetime) -> datetime:
    """The midnight (UTC) before `at`."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
