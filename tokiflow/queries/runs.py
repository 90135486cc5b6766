"""Runs and pings for pages and API, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select, tuple_
from sqlalchemy.orm import defer

from tokiflow import errors
from tokiflow.core.runs import Outcome
from tokiflow.db import db
from tokiflow.models import Ping, Run
from tokiflow.queries.paging import Page, encode, moment_and_id, moment_and_number

SLACK = timedelta(minutes=1)
"""So far apart may the clocks of two machines be that took pings of one run."""


def get(monitor_id: UUID, run_id: UUID) -> Run:
    """A run of the monitor. Raises NotFound."""
    run = db.session.get(Run, run_id)
    if run is None or run.monitor_id != monitor_id:
        raise errors.NotFound
    return run


def page(
    monitor_id: UUID, cursor: str | None, limit: int, since: datetime | None = None, until: datetime | None = None
) -> Page[Run]:
    """The monitor's runs, newest first; only those from `since` up to `until`, if these are given."""
    statement = select(Run).where(Run.monitor_id == monitor_id).order_by(Run.at.desc(), Run.id.desc())
    if since:
        statement = statement.where(Run.at >= since)
    if until:
        statement = statement.where(Run.at < until)
    if cursor:
        at, key = moment_and_id(cursor)
        statement = statement.where(tuple_(Run.at, Run.id) < tuple_(at, key))
    found = list(db.session.execute(statement.limit(limit + 1)).scalars())
    last = found[limit - 1] if len(found) > limit else None
    return Page(found[:limit], encode(last.at.isoformat(), str(last.id)) if last else None)


READ_AT_ONCE = 1_000


def newest_first(monitor_id: UUID, until: datetime) -> Iterator[Run]:
    """All the monitor's runs up to `until`, some rows at a time, so that there may be many."""
    statement = select(Run).where(Run.monitor_id == monitor_id, Run.at <= until)
    statement = statement.order_by(Run.at.desc(), Run.id.desc()).limit(READ_AT_ONCE)
    found = db.session.execute(statement).scalars().all()
    while found:
        yield from found
        before = tuple_(Run.at, Run.id) < tuple_(found[-1].at, found[-1].id)
        found = db.session.execute(statement.where(before)).scalars().all() if len(found) == READ_AT_ONCE else []


def count(monitor_id: UUID, until: datetime, most: int = 1_000_000_000) -> int:
    """How many runs the monitor had up to `until`; no more than `most` are counted."""
    mine = select(Run.id).where(Run.monitor_id == monitor_id, Run.at <= until).limit(most).subquery()
    return db.session.execute(select(func.count()).select_from(mine)).scalar_one()


def pings(monitor_id: UUID, cursor: str | None, limit: int) -> Page[Ping]:
    """The monitor's pings, newest first, without their bodies: a page of these could weigh megabytes."""
    statement = select(Ping).where(Ping.monitor_id == monitor_id).order_by(Ping.at.desc(), Ping.n.desc())
    statement = statement.options(defer(Ping.body, raiseload=True))
    if cursor:
        statement = statement.where(tuple_(Ping.at, Ping.n) < tuple_(*moment_and_number(cursor)))
    found = list(db.session.execute(statement.limit(limit + 1)).scalars())
    last = found[limit - 1] if len(found) > limit else None
    return Page(found[:limit], encode(last.at.isoformat(), str(last.n)) if last else None)


def pings_of(run: Run, most: int = 500) -> Sequence[Ping]:
    """The pings a run was built from, oldest first, at most the latest `most`."""
    return pings_of_runs([run], most)[run.id]


LOOK_BACK = timedelta(days=90)
"""How far before a run its last success is looked for: further back, nobody would compare the two."""


def last_success_before(run: Run) -> Run | None:
    """The latest earlier run of the same environment that succeeded and printed something, or None."""
    statement = (
        select(Run)
        .where(
            Run.monitor_id == run.monitor_id,
            Run.at >= run.at - LOOK_BACK,
            tuple_(Run.at, Run.id) < tuple_(run.at, run.id),
            Run.environment == run.environment,
            Run.outcome == Outcome.SUCCESS.value,
            Run.output_n.is_not(None),
        )
        .order_by(Run.at.desc(), Run.id.desc())
        .limit(1)
    )
    return db.session.execute(statement).scalar_one_or_none()


@dataclass(frozen=True)
class Output:
    """What a run printed, as far as it was kept: `size` bytes came, and some were left out at offset `cut`."""

    body: bytes
    size: int
    cut: int | None

    @property
    def text(self) -> str:
        """For people: UTF-8 with replacements, and a line where bytes were left out."""
        return self.with_mark().decode("utf-8", "replace")

    def with_mark(self) -> bytes:
        """The bytes, with a line that says how many were left out and where."""
        if self.cut is None:
            return self.body
        # Marks in place of secrets are longer or shorter than these were.
        about = "about " if b"[redacted: " in self.body else ""
        left_out = f"{about}{max(self.size - len(self.body), 1):,} bytes left out"
        return self.body[: self.cut] + f"\n… {left_out} …\n".encode() + self.body[self.cut :]


def kept_output(run: Run) -> Row[bytes | None, str | None, int, int | None] | None:
    """Of the ping that holds the run's output: body, body_key, body_size, body_cut. None if there is none."""
    if run.output_n is None:
        return None
    statement = select(Ping.body, Ping.body_key, Ping.body_size, Ping.body_cut)
    mine = Ping.monitor_id == run.monitor_id, Ping.at == run.output_at, Ping.n == run.output_n
    return db.session.execute(statement.where(*mine)).one_or_none()


def latest(monitor_id: UUID, most: int) -> Sequence[Run]:
    """The monitor's latest runs, newest first."""
    statement = select(Run).where(Run.monitor_id == monitor_id).order_by(Run.at.desc(), Run.id.desc()).limit(most)
    return db.session.execute(statement).scalars().all()


def pings_of_runs(of: Sequence[Run], most: int = 500) -> dict[UUID, list[Ping]]:
    """By run, all of one monitor: its pings, oldest first; of all together at most the latest `most`."""
    found: dict[UUID, list[Ping]] = {run.id: [] for run in of}
    if not of:
        return found
    statement = select(Ping).where(Ping.monitor_id == of[0].monitor_id, Ping.run_id.in_(found), *_while_they_ran(of))
    statement = statement.options(defer(Ping.body, raiseload=True)).order_by(Ping.at.desc(), Ping.n.desc())
    for ping in db.session.execute(statement.limit(most)).scalars().all()[::-1]:
        assert ping.run_id is not None
        found[ping.run_id].append(ping)
    return found


def _while_they_ran(of: Sequence[Run]) -> list[ColumnElement[bool]]:
    """Their pings can't be of another time; saying so spares a look at the pings of all other days."""
    since = [Ping.at >= min(run.at for run in of) - SLACK]
    ends = [run.finished_at for run in of]
    return since if None in ends else [*since, Ping.at <= max(end for end in ends if end) + SLACK]
