"""Roll-ups: the runs of each monitor counted by the hour and the day (UTC), so that a year is quickly drawn.

An hour is made once it is over. Every few minutes those are made again of which something new may be known: runs that
were recorded since the mark, however long ago they ran (an id tells when its row was made), and runs that had not
finished. A run that ends in another hour than it began in is counted as soon as it is judged. Every night the last two
days are made anew, for the rest: a start that comes after its finish, say.

A bucket is always made whole, of the runs that are there, by one statement for many; so making it again does no harm,
and a worker that is killed has only to be followed by another. Whoever makes any holds the lock on the mark of the
hours. A run is never taken back. So a bucket that would count fewer than before is made of less than there was, for old
runs go, and is left as it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import Row, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from tokiflow.core import ids
from tokiflow.db import db, transaction
from tokiflow.models import Monitor, Rollup, RollupMark, Run
from tokiflow.queries.rollups import COLUMNS, DAY, HOUR, HOURS_KEPT, day_of, hour_of, summed
from tokiflow.queue import Job, enqueue
from tokiflow.services import partitions
from tokiflow.services.monitor_rows import PAIRED_WITHIN
from tokiflow.settings import Settings

log = structlog.get_logger()

STEP_SECONDS = 1.0
"""Then other jobs of this worker have their turn."""

OVERLAP = timedelta(minutes=5)
"""So long, at most, it takes from making an id to the commit of its row, clocks that disagree included."""

HOURS_AT_ONCE = 2_000
MONITORS_AT_ONCE = 100
CATCHES_UP_BY_DAY = timedelta(days=2)

_INSTANT = timedelta(milliseconds=1)

Hour = tuple[UUID, datetime]
"""A monitor, and when an hour, or a day, of it begins."""


def ring() -> None:
    """Ring for roll-ups to be made. The clock calls this, every few minutes."""
    enqueue(Job.ROLL_UP)


def roll_up(now: datetime, seconds: float = STEP_SECONDS) -> bool:
    """Make what is to be made. After about `seconds` it rings for the rest and gives False."""
    until = time.monotonic() + seconds
    while _make_hours(now) or _make_days(now):
        if time.monotonic() > until:
            enqueue(Job.ROLL_UP)
            return False
    return True


def count_again(runs: Iterable[tuple[UUID, datetime]], now: datetime) -> None:
    """Something is known of these runs, given by their monitor and `at`, that was not when they were counted."""
    with transaction():
        mark = _lock(now, wait=True)
        made = hour_of(mark.until) if mark else now
        hours = {(monitor_id, hour_of(at)) for monitor_id, at in runs}
        _make(iter(sorted(one for one in hours if one[1] < made)), now)


def recompute(since: datetime | None, now: datetime) -> Iterator[tuple[datetime, int]]:
    """Make all roll-ups from the day of `since` on (None: from the oldest run) anew from the runs that are left, and
    yield each day with the number of monitors that it is made for. Days whose runs are gone stay as they are."""
    oldest = oldest_day(now)
    day = max(day_of(since), oldest) if since and oldest else oldest
    while day is not None and day <= now:
        made = 0
        for monitors in _all_monitors():
            with transaction():
                _lock(now, wait=True)
                begins = Rollup.at >= day, Rollup.at < day + DAY
                db.session.execute(delete(Rollup).where(Rollup.monitor_id.in_(monitors), *begins))
                _make_anew(monitors, day, now)
            made += len(monitors)
        yield day, made
        day += DAY


def oldest_day(now: datetime) -> datetime | None:
    """The first day (UTC) of which all runs are still there; None without any. Looks through all of them."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    with transaction():
        at = db.session.execute(select(func.min(Run.at)).where(text(f"not ({partitions.WATCHED})"))).scalar()
    return max(day_of(at), day_of(now - timedelta(days=settings.retention_days))) if at is not None else None


def _make_hours(now: datetime) -> bool:
    """Take the mark of the hours a step further; False if nothing is left to do, or somebody else does it."""
    with transaction():
        mark = _lock(now)
        if mark is None or mark.until >= now:
            return False
        end = _end(mark.until, now)
        _make(_touched(mark.until, end), now)
        if end == now:
            _make(_open(now), now)
        mark.until = end
        return end < now


def _end(mark: datetime, now: datetime) -> datetime:
    """How far one step goes: an hour, or a day where much is to be caught up with."""
    if now - mark > CATCHES_UP_BY_DAY:
        return day_of(mark) + DAY
    return hour_of(mark) + HOUR if now - hour_of(mark) >= 2 * HOUR else now


def _lock(now: datetime, *, wait: bool = False) -> RollupMark | None:
    """The mark of the hours, locked; None if somebody else has locked it."""
    row = RollupMark
    locked = select(row).where(row.grain == "hour").with_for_update(skip_locked=not wait)
    fresh = locked.execution_options(populate_existing=True)
    mark = db.session.execute(fresh).scalar_one_or_none()
    if mark is None and db.session.get(row, "hour") is None:
        first = db.session.execute(select(Run.id).order_by(Run.id).limit(1)).scalar_one_or_none()
        begin = hour_of(min(ids.made_at(first), now) if first else now) - HOUR
        marks = [{"grain": "hour", "until": begin}, {"grain": "day", "until": day_of(begin)}]
        db.session.execute(insert(row).values(marks).on_conflict_do_nothing())
        mark = db.session.execute(fresh).scalar_one_or_none()
    return mark


_TOUCHED = text(
    """
    select distinct monitor_id, date_trunc('hour', at, 'UTC') as at from runs
    where id >= :first and id < :last and at < :over
    order by 1, 2
    """
)


def _touched(mark: datetime, end: datetime) -> Iterator[Hour]:
    """The hours that are over of all runs that were recorded between `mark` and `end`, and in the whole hour of `mark`
    if that has ended."""
    begin = hour_of(mark) if hour_of(mark) < hour_of(end) else mark
    told = {"first": ids.earliest(begin - OVERLAP), "last": ids.earliest(end + _INSTANT), "over": hour_of(end)}
    return _hours(db.session.execute(_TOUCHED, told).all())


def _open(now: datetime) -> Iterator[Hour]:
    """The hours with runs that had not finished when they were made."""
    statement = select(Rollup.monitor_id, Rollup.at).where(text("(unfinished > 0 or awaited > 0)"))
    kept = _oldest_hour(now)
    recent = statement.where(Rollup.grain == "hour", Rollup.at >= kept)
    old = statement.where(Rollup.grain == "day", Rollup.at < kept)
    return _hours([*db.session.execute(recent), *db.session.execute(old)])


def _hours(rows: Iterable[Row[UUID, datetime]]) -> Iterator[Hour]:
    return ((row[0], row[1]) for row in rows)


def _oldest_hour(now: datetime) -> datetime:
    return day_of(now - HOURS_KEPT)


def _make(hours: Iterator[Hour], now: datetime) -> None:
    """Make these hours, and the days they are part of where those are over."""
    kept = _oldest_hour(now)
    while some := list(islice(hours, HOURS_AT_ONCE)):
        _write_hours([one for one in some if one[1] >= kept], now)
        days = {(monitor_id, day_of(at)) for monitor_id, at in some}
        _write_days([one for one in days if kept <= one[1] < day_of(now)])
        for day in sorted({day for _, day in days if day < kept}):
            # Its hours are gone, so all of them are made for a moment.
            _make_anew([monitor_id for monitor_id, begins in days if begins == day], day, now)


def _make_days(now: datetime) -> bool:
    """Take the mark of the days a step further: a day that is over, and in the night after it the one before once more,
    for some monitors. False if nothing is left to do, or somebody else does it."""
    with transaction():
        hours = _lock(now)
        mark = db.session.execute(
            select(RollupMark).where(RollupMark.grain == "day").execution_options(populate_existing=True)
        ).scalar_one_or_none()
        if hours is None or mark is None or mark.until + DAY > hours.until:
            return False
        statement = select(Monitor.id).order_by(Monitor.id).limit(MONITORS_AT_ONCE)
        after = Monitor.id > mark.after if mark.after else Monitor.id.is_not(None)
        monitors = db.session.execute(statement.where(after)).scalars().all()
        if mark.until >= day_of(now) - 2 * DAY:
            _make_anew(monitors, mark.until - DAY, now)
        _make_anew(monitors, mark.until, now)
        mark.after = monitors[-1] if monitors else None
        if not monitors:
            log.info("days_rolled_up", day=f"{mark.until:%Y-%m-%d}")
            mark.until += DAY
        return True


def _make_anew(monitors: Sequence[UUID], day: datetime, now: datetime) -> None:
    """Make a whole day of `monitors` of the runs themselves, hour by hour."""
    hours = [day + n * HOUR for n in range(24)]
    _write_hours([(one, at) for one in monitors for at in hours if at + HOUR <= now], now)
    if day + DAY <= now:
        _write_days([(one, day) for one in monitors])
    if day < _oldest_hour(now):
        gone = Rollup.grain == "hour", Rollup.at >= day, Rollup.at < day + DAY
        db.session.execute(delete(Rollup).where(Rollup.monitor_id.in_(monitors), *gone))


def _all_monitors() -> Iterator[Sequence[UUID]]:
    """All monitors, some at a time."""
    after: UUID | None = None
    statement = select(Monitor.id).order_by(Monitor.id).limit(MONITORS_AT_ONCE)
    while True:
        with transaction():
            found = db.session.execute(statement.where(Monitor.id > after) if after else statement).scalars().all()
        if not found:
            return
        yield found
        after = found[-1]


_NAMES = ", ".join(COLUMNS)

# What would count fewer runs is made of less than there was.
_INSTEAD = f"""
    on conflict (monitor_id, grain, at) do update
    set {", ".join(f"{name} = excluded.{name}" for name in COLUMNS)}
    where excluded.succeeded + excluded.failed + excluded.overran + excluded.missed + excluded.unfinished
        >= rollups.succeeded + rollups.failed + rollups.overran + rollups.missed + rollups.unfinished
"""

_OF_HOUR = """
    from unnest(cast(:monitors as uuid[]), cast(:moments as timestamptz[])) b (monitor_id, hour)
    join monitors m on m.id = b.monitor_id
    join runs r on r.monitor_id = b.monitor_id and r.at >= b.hour and r.at < b.hour + interval '1 hour'
        and date_trunc('hour', r.at, 'UTC') = b.hour and r.at >= :first and r.at < :last
"""

_WRITE_HOURS = text(
    f"insert into rollups (grain, monitor_id, at, {_NAMES}) "
    f"select 'hour', monitor_id, at, {_NAMES} from ({summed(_OF_HOUR, '(b.monitor_id)', '(b.hour)')}) told {_INSTEAD}"
)


def _write_hours(hours: Sequence[Hour], now: datetime) -> None:
    if hours:
        moments = [at for _, at in hours]
        told = {"monitors": [one for one, _ in hours], "moments": moments, "awaited_since": now - PAIRED_WITHIN}
        db.session.execute(_WRITE_HOURS, told | {"first": min(moments), "last": max(moments) + HOUR})


_ADDED_UP = {"min_ms": "min(h.min_ms)", "max_ms": "max(h.max_ms)", "squares": "sum(h.squares)"} | {
    name: f"sum(h.{name})::{kind}"
    for name, kind in [(one, "int") for one in COLUMNS[:8]] + [("total_ms", "bigint"), ("output_bytes", "bigint")]
}

_WRITE_DAYS = text(
    f"""
    insert into rollups (grain, monitor_id, at, {_NAMES})
    select 'day', d.monitor_id, d.at, {", ".join(f"hours.{name}" for name in COLUMNS)}
    from unnest(cast(:monitors as uuid[]), cast(:moments as timestamptz[])) d (monitor_id, at)
    cross join lateral (
        select count(*) as n, {", ".join(f"{how} as {name}" for name, how in _ADDED_UP.items())},
            (select coalesce(jsonb_object_agg(bucket, times), '{{}}') from (
                select one.key as bucket, sum(one.value::int) as times
                from rollups h cross join jsonb_each_text(h.histogram) one
                where h.monitor_id = d.monitor_id and h.grain = 'hour' and h.at >= d.at
                    and h.at < d.at + interval '1 day'
                group by 1
            ) buckets) as histogram
        from rollups h
        where h.monitor_id = d.monitor_id and h.grain = 'hour' and h.at >= d.at and h.at < d.at + interval '1 day'
    ) hours
    where hours.n > 0 {_INSTEAD}
    """
)


def _write_days(days: Sequence[Hour]) -> None:
    if days:
        told = {"monitors": [one for one, _ in days], "moments": [at for _, at in days]}
        db.session.execute(_WRITE_DAYS, told)
