"""Runs counted together, by the hour or the day: read from roll-ups as far as they are made, and from the runs beyond.

    since ──┬─────────┬────────────────────────┬──────────┬──────── until
            │  hours  │          days          │  hours   │  runs
          hour     midnight               day mark    hour mark

An hour or a day is rolled up once it is over. Up to the first full hour, and after the hour in which hours were last
made, the runs themselves are counted, by the very same rule. Hours are kept for five weeks: before that, the runs are
counted up to the first midnight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, text

from tokiflow.core import health, histogram
from tokiflow.core.health import Times
from tokiflow.core.runs import Outcome
from tokiflow.db import db
from tokiflow.models import RollupMark

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

HOURS_KEPT = timedelta(days=35)
_SURELY_KEPT = HOURS_KEPT - DAY

COUNTED = ("succeeded", "failed", "overran", "missed", "unfinished", "awaited", "anomalies", "timed")
COLUMNS = (*COUNTED, "total_ms", "squares", "min_ms", "max_ms", "histogram", "output_bytes")
"""What is told of an hour or a day."""

_TIMED = f"r.outcome = '{Outcome.SUCCESS}' and r.duration_ms is not null"


def _with(outcome: Outcome) -> str:
    return f"count(*) filter (where r.outcome = '{outcome}')"


def summed(source: str, monitor: str, hour: str) -> str:
    """SQL that counts the runs `r` of `source` (FROM … WHERE …) by `monitor` and `hour`: these two as monitor_id and
    at, then `COLUMNS`. `:awaited_since` is a parameter: runs that overran after it may still finish."""
    return f"""
        select monitor_id, at, {", ".join(f"sum({name})::int as {name}" for name in COUNTED)},
            sum(total_ms)::bigint as total_ms, sum(squares) as squares, min(min_ms) as min_ms, max(max_ms) as max_ms,
            coalesce(jsonb_object_agg(bucket, timed) filter (where bucket is not null), '{{}}') as histogram,
            sum(output_bytes)::bigint as output_bytes
        from (
            select {monitor} as monitor_id, {hour} as at,
                case when {_TIMED} then {histogram.BUCKET_SQL} end as bucket,
                {_with(Outcome.SUCCESS)} as succeeded, {_with(Outcome.FAILED)} as failed,
                {_with(Outcome.OVERRAN)} as overran, {_with(Outcome.MISSED)} as missed,
                {_with(Outcome.RUNNING)} as unfinished,
                count(*) filter (where r.outcome = '{Outcome.OVERRAN}' and r.finished_at is null
                                 and r.at > :awaited_since) as awaited,
                count(r.findings) as anomalies, count(*) filter (where {_TIMED}) as timed,
                coalesce(sum(r.duration_ms) filter (where {_TIMED}), 0) as total_ms,
                coalesce(sum(r.duration_ms::float8 * r.duration_ms) filter (where {_TIMED}), 0) as squares,
                min(r.duration_ms) filter (where {_TIMED}) as min_ms,
                max(r.duration_ms) filter (where {_TIMED}) as max_ms,
                sum(r.output_size) as output_bytes
            {source}
            group by 1, 2, 3
        ) counted
        group by 1, 2
    """


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
    def ran(self) -> int:
        """Those that began."""
        return self.succeeded + self.failed + self.overran + self.running

    @property
    def all(self) -> int:
        """Those that began or should have."""
        return self.ran + self.missed

    @property
    def success_rate(self) -> float | None:
        """0–1 of those expected; None without any."""
        return health.success_rate(self.succeeded, self.failed, self.overran, self.missed)


def counted(several: Iterable[Counts]) -> Counts:
    """All of them together."""
    every = list(several)
    return Counts(*(sum(getattr(one, name) for one in every) for name in Counts.__slots__))


class Bucket(NamedTuple):
    """The runs of a monitor that were first heard of in the hour or the day that begins at `at`. `grain`: day, hour, or
    run for those of an hour that were counted just now."""

    monitor_id: UUID
    grain: str
    at: datetime
    counts: Counts
    times: Times

    @property
    def until(self) -> datetime:
        """When the hour or the day ends."""
        return self.at + (DAY if self.grain == "day" else HOUR)


class Marks(NamedTuple):
    """Up to when hours and days are made: a full hour, and a midnight. None where none are made yet."""

    hours: datetime | None
    days: datetime | None


def marks() -> Marks:
    """One statement."""
    found = dict(db.session.execute(select(RollupMark.grain, RollupMark.until)).all())
    hours, days = found.get("hour"), found.get("day")
    return Marks(hours and hour_of(hours), days and day_of(days))


class Span(NamedTuple):
    """From a moment up to, not including, another."""

    since: datetime
    until: datetime


class Sources(NamedTuple):
    """Where what is asked for is to be found: each moment in exactly one span."""

    days: Sequence[Span] = ()
    hours: Sequence[Span] = ()
    runs: Sequence[Span] = ()


def sources(since: datetime, until: datetime, marks: Marks, *, by_day: bool = True) -> Sources:
    """Where the time from `since` up to `until` is counted: in days where that is possible, or, unless `by_day`, in
    hours where they are kept."""
    if marks.hours is None:
        return Sources(runs=_some((since, until)))
    kept = (marks.days or marks.hours) - _SURELY_KEPT
    first = min(_up(since, HOUR if since >= kept else DAY), until)
    made = max(first, min(hour_of(until), marks.hours))
    days = made, made
    if by_day or since < kept:
        midnight, last = _up(first, DAY), min(day_of(made), marks.days or first)
        days = (midnight, last) if midnight < last else days
    return Sources(_some(days), _some((first, days[0]), (days[1], made)), _some((since, first), (made, until)))


def read(monitor_ids: Sequence[UUID], *wanted: Sources) -> list[list[Bucket]]:
    """For each of `wanted`: its buckets. One statement for all of them, or one for each where an hour of runs that no
    roll-up has yet belongs to one of them only in part."""
    if _cut(wanted):
        return [read(monitor_ids, one)[0] for one in wanted]
    values: dict[str, Any] = {"monitors": list(monitor_ids), "awaited_since": _NEVER}
    parts = _parts(wanted, values)
    if not parts or not monitor_ids:
        return [[] for _ in wanted]
    found = [_bucket(row) for row in db.session.execute(text(" union all ".join(parts)), values)]
    return [[one for one in found if _is_in(one, asked)] for asked in wanted]


class Total(NamedTuple):
    """All that was read of one monitor, added up. `first` is the earliest hour or day of it."""

    first: Span
    counts: Counts
    times: Times


def totals(monitor_ids: Sequence[UUID], wanted: Sources) -> dict[UUID, Total]:
    """By monitor that has any: all of `wanted` together, added up by the database: of thousands of monitors a month
    would be a hundred thousand buckets. One statement."""
    values: dict[str, Any] = {"monitors": list(monitor_ids), "awaited_since": _NEVER}
    parts = _parts([wanted], values)
    if not parts or not monitor_ids:
        return {}
    statement = f"{_TOTAL} from ({' union all '.join(parts)}) told group by monitor_id"
    return {row[0]: _total(row) for row in db.session.execute(text(statement), values)}


_TOTAL = """
    select monitor_id, min(at), (array_agg(grain order by at))[1], sum(succeeded)::int, sum(failed)::int,
        sum(overran)::int, sum(missed)::int, sum(unfinished)::int, sum(anomalies)::int, sum(timed)::int,
        sum(total_ms)::bigint, sum(squares), min(min_ms), max(max_ms),
        coalesce(jsonb_agg(histogram) filter (where timed > 0), '[]')
"""


def _total(row: Any) -> Total:
    _, at, grain, succeeded, failed, overran, missed, unfinished, anomalies = row[:9]
    timed, total_ms, squares, min_ms, max_ms, histograms = row[9:]
    counts = Counts(succeeded, failed, overran, missed, unfinished, anomalies)
    first = Span(at.astimezone(UTC), at.astimezone(UTC) + (DAY if grain == "day" else HOUR))
    return Total(first, counts, Times(timed, total_ms, squares, min_ms, max_ms, histogram.merged(histograms)))


def _parts(wanted: Sequence[Sources], values: dict[str, Any]) -> list[str]:
    """SQL that reads each of `wanted`, with a column for its grain; its parameters go into `values`."""
    parts: list[str] = []

    def within(span: Span) -> str:
        n = len(values)
        values[f"since_{n}"], values[f"until_{n}"] = span
        return f"monitor_id = any(:monitors) and at >= :since_{n} and at < :until_{n}"

    for grain, number in (("day", 0), ("hour", 1)):
        for span in _joined(one[number] for one in wanted):
            parts.append(f"select '{grain}' as grain, {_NAMES} from rollups where grain = '{grain}' and {within(span)}")
    if runs := [f"select * from runs where {within(span)}" for span in _joined(one.runs for one in wanted)]:
        source = summed(f"from ({' union all '.join(runs)}) r", "r.monitor_id", "date_trunc('hour', r.at, 'UTC')")
        parts.append(f"select 'run' as grain, {_NAMES} from ({source}) told")
    return parts


_NAMES = ", ".join(("monitor_id", "at", *COLUMNS))
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""No run can begin after it."""


def _joined(several: Iterable[Sequence[Span]]) -> list[Span]:
    """The same time in spans that don't overlap."""
    return [Span(*one) for one in health.merged(span for spans in several for span in spans)]


def _cut(wanted: Sequence[Sources]) -> bool:
    """Whether runs of one begin amid an hour of which another has more: counted together they can't be told apart."""
    spans = [span for one in wanted for span in one.runs]
    return any(
        hour_of(span.since) < span.since and any(other.since < span.since < other.until for other in spans)
        for span in spans
    )


def _is_in(one: Bucket, asked: Sources) -> bool:
    if one.grain == "run":
        # What is counted just now is a part of its hour.
        return any(hour_of(since) <= one.at < until for since, until in asked.runs)
    spans = asked.days if one.grain == "day" else asked.hours
    return any(since <= one.at < until for since, until in spans)


def _bucket(row: Any) -> Bucket:
    # By their places: a page has a thousand of them.
    grain, monitor_id, at, succeeded, failed, overran, missed, unfinished, _, anomalies, *times, _ = row
    counts = Counts(succeeded, failed, overran, missed, unfinished, anomalies)
    return Bucket(monitor_id, grain, at.astimezone(UTC), counts, Times(*times))


def hour_of(at: datetime) -> datetime:
    """The full hour before `at`."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(at: datetime) -> datetime:
    """The midnight (UTC) before `at`."""
    return hour_of(at).replace(hour=0)


def _up(at: datetime, step: timedelta) -> datetime:
    """`at`, or the next full hour or midnight."""
    before = hour_of(at) if step == HOUR else day_of(at)
    return before if before == at else before + step


def _some(*spans: tuple[datetime, datetime]) -> list[Span]:
    """Those that are not empty."""
    return [Span(*one) for one in spans if one[0] < one[1]]
