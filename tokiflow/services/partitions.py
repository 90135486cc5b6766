"""Pings lie in a table for each day, runs in one for each week: made ahead of time, and dropped when they are old.

Whatever finds no such table goes to the default one: nothing is refused for want of a partition. Pings come in all the
while, so every step is a short transaction of its own that gives up if it can't have its locks at once. What was not
done is done by the next call; there are two weeks for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

import structlog
from psycopg.errors import LockNotAvailable
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tokiflow.db import db, transaction

log = structlog.get_logger()

AHEAD = timedelta(days=14)
LOCK_TIMEOUT = "200ms"
"""So long a step waits for its locks, and pings wait behind it."""

TURN = 0x706172746974696F
"""The number of our advisory lock: "partitio" in ASCII. Whoever holds it makes or drops a partition."""

WATCHED = "finished_at is null and outcome = 'running'"
"""A run whose deadline is still to be judged. A max runtime may be longer than what is kept."""

LENGTHS = {"pings": timedelta(days=1), "runs": timedelta(days=7)}
_NAME = re.compile(r"(pings|runs)_p(\d{8})")


@dataclass(frozen=True)
class Partition:
    """The rows of `table` from the midnight (UTC) that begins `start`, for a day or a week."""

    table: str
    start: date

    @property
    def name(self) -> str:
        return f"{self.table}_p{self.start:%Y%m%d}"

    @property
    def begins_at(self) -> datetime:
        return datetime.combine(self.start, time(), UTC)

    @property
    def ends_at(self) -> datetime:
        return self.begins_at + LENGTHS[self.table]


def ensure(now: datetime, days_back: int = 0) -> int:
    """Make what partitions are missing from `days_back` days ago to two weeks ahead; how many were made."""
    missing = _wanted(now.date() - timedelta(days=days_back), now.date() + AHEAD) - set(existing())
    return _each(sorted(missing, key=_age), False, partial(_make, now=now))


def drop_expired(now: datetime, keep_days: int) -> int:
    """Drop the partitions that hold nothing of the last `keep_days` days; how many. Watched runs stay."""
    oldest = now - timedelta(days=keep_days)
    return _each([one for one in existing() if one.ends_at <= oldest], True, _drop)


def existing() -> list[Partition]:
    """All partitions but the default ones, the oldest first."""
    with transaction():
        names = db.session.execute(
            text(
                "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid "
                "where i.inhparent in (to_regclass('pings'), to_regclass('runs'))"
            )
        ).scalars()
        found = [_NAME.fullmatch(name) for name in names]
    return sorted((Partition(one[1], date.fromisoformat(one[2])) for one in found if one), key=_age)


def _age(one: Partition) -> tuple[date, str]:
    return one.start, one.table


def _wanted(first: date, last: date) -> set[Partition]:
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    weeks = {day - timedelta(days=day.weekday()) for day in days}
    return {Partition("pings", day) for day in days} | {Partition("runs", monday) for monday in weeks}


def _each(some: Iterable[Partition], are_there: bool, step: Callable[[Partition], object]) -> int:
    """Take `step` with those of `some` that still are there, or are not; how many. Ends early if one has to wait."""
    done = 0
    for one in some:
        try:
            with transaction():
                _take_turn()
                is_there = db.session.execute(text("select to_regclass(:name)"), {"name": one.name}).scalar_one()
                if are_there is (is_there is not None):
                    step(one)
                    done += 1
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
            log.warning("partition_waits", partition=one.name)
            break
    if done:
        log.info("partitions_dropped" if are_there else "partitions_made", partitions=done)
    return done


def _take_turn() -> None:
    db.session.execute(text("select pg_advisory_xact_lock(:turn)"), {"turn": TURN})
    db.session.execute(text(f"set local lock_timeout = '{LOCK_TIMEOUT}'"))


def _make(one: Partition, now: datetime) -> None:
    """Make the table apart, fill it with what is in the default table, and only then let it take its place.

    Of days to come there is nothing yet, and pings go on meanwhile: that holds up only who looks at the default table.
    """
    default, begin, end = f"{one.table}_default", one.begins_at.isoformat(), one.ends_at.isoformat()
    db.session.execute(text(f"create table {one.name} (like {one.table} including all)"))
    if one.begins_at <= now:
        # A row on its way to the default table would find itself in the wrong place, and be refused. And whoever has
        # read here and goes on to write would wait for us, and we for them, under any lesser lock.
        db.session.execute(text(f"lock table only {one.table} in access exclusive mode"))
    db.session.execute(text(f"lock table {default} in share row exclusive mode"))
    db.session.execute(
        text(
            f"with moved as (delete from {default} where at >= '{begin}' and at < '{end}' returning *) "
            f"insert into {one.name} select * from moved"
        )
    )
    db.session.execute(
        text(f"alter table {one.table} attach partition {one.name} for values from ('{begin}') to ('{end}')")
    )


def _drop(one: Partition) -> None:
    # The parent first, as everybody does who reads: the other way round we would wait for each other.
    db.session.execute(text(f"lock table only {one.table} in access exclusive mode"))
    db.session.execute(text(f"alter table {one.table} detach partition {one.name}"))
    if one.table == "runs":
        db.session.execute(text(f"insert into runs select * from {one.name} where {WATCHED}"))
    db.session.execute(text(f"drop table {one.name}"))
