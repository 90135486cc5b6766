"""Runs: which start belongs to which finish, and how long it took.

Start and finish with the same run id (`rid`) are one run. Without one, a finish closes the latest open run of
its environment. A run that overran stays open for its finish. Nothing here knows what follows from an outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from tokiflow.core import signals
from tokiflow.core.signals import Ping, Signal

SAME_PING_WITHIN = timedelta(minutes=1)


class Outcome(StrEnum):
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    OVERRAN = "overran"
    MISSED = "missed"


class Run(NamedTuple):
    """One execution of a job, as far as pairing and judging need it.

    `deadline_at` is when it runs too long, `overran_at` when the clock saw that happen. `last_log` is what the last
    log ping with its rid said, in short, and `last_log_at` when.
    """

    id: UUID
    rid: UUID | None
    environment: str
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    outcome: Outcome
    duration_ms: int | None = None
    overran_at: datetime | None = None
    last_log: str | None = None
    last_log_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether a finish may still come."""
        return self.finished_at is None and self.outcome in (Outcome.RUNNING, Outcome.OVERRAN)

    @property
    def watched(self) -> bool:
        """Whether its deadline is still to be judged."""
        return self.outcome is Outcome.RUNNING


class Paired(NamedTuple):
    """What a ping did to the runs. `run` is the run it belongs to, new or changed, if any.

    `repeated` marks a client's retry of a ping that was already taken: it counts for nothing. `overlaps` marks a start
    while another run of its environment was still going.
    """

    run: Run | None
    created: bool = False
    repeated: bool = False
    overlaps: bool = False


def pair(ping: Ping, runs: Sequence[Run], new_id: UUID, max_runtime: int) -> Paired:
    """The run that `ping` starts, finishes or speaks of, given the monitor's open runs and those with its rid.

    `max_runtime` in seconds. A new run takes `new_id`.
    """
    if ping.signal is Signal.LOG:
        return _log(ping, _open_run_for(ping, runs), _latest_with_rid(ping, runs))
    if ping.signal is Signal.START:
        return _start(ping, runs, new_id, max_runtime)
    return _finish(ping, runs, new_id, max_runtime)


def overrun(run: Run) -> Run:
    """The run once its deadline has passed. It stays open: its finish may still come."""
    return run._replace(outcome=Outcome.OVERRAN, overran_at=run.deadline_at)


def with_fresh_deadline(run: Run, now: datetime, max_runtime: int) -> Run:
    """The run with its whole max runtime (seconds) ahead again, as after a pause."""
    return run._replace(deadline_at=now + timedelta(seconds=max_runtime))


def _log(ping: Ping, run: Run | None, latest: Run | None) -> Paired:
    """A run may be spoken of often within a minute; only the very same words again are a client's retry, even if the
    run (`latest`) is over by now."""
    if latest is None:
        return Paired(run)
    said = signals.fingerprint(ping)
    if said == latest.last_log and latest.last_log_at and abs(ping.at - latest.last_log_at) <= SAME_PING_WITHIN:
        return Paired(latest, repeated=True)
    if run is None:
        return Paired(None)
    return Paired(run._replace(last_log=said, last_log_at=ping.at))


def _start(ping: Ping, runs: Sequence[Run], new_id: UUID, max_runtime: int) -> Paired:
    known = _latest_with_rid(ping, runs)
    overtaken = known is not None and known.finished_at is not None and ping.at <= known.finished_at
    if known and overtaken and known.started_at is None:
        # By its own finish: it came to a door that was cut off from the database for a while.
        return Paired(_begun(known, ping.at))
    if known and (known.open or overtaken or _just_finished(known, ping)):
        # A retry: one run all the same.
        return Paired(known, repeated=True)
    run = Run(
        id=new_id,
        rid=ping.rid,
        environment=ping.environment,
        started_at=ping.at,
        finished_at=None,
        deadline_at=ping.at + timedelta(seconds=max_runtime),
        outcome=Outcome.RUNNING,
    )
    others = any(one.watched and one.environment == run.environment for one in runs)
    return Paired(run, created=True, overlaps=others)


def _begun(run: Run, at: datetime) -> Run:
    """The finished run, now that we know when it began. How it was judged stays."""
    assert run.finished_at is not None
    duration = run.duration_ms if run.duration_ms is not None else _milliseconds(run.finished_at - at)
    return run._replace(started_at=at, duration_ms=duration)


def _finish(ping: Ping, runs: Sequence[Run], new_id: UUID, max_runtime: int) -> Paired:
    open_run = _open_run_for(ping, runs)
    if open_run:
        return Paired(_closed(open_run, ping, max_runtime))
    known = _latest_with_rid(ping, runs)
    if known and _just_finished(known, ping) and (known.outcome is Outcome.FAILED) == (ping.signal is Signal.FAIL):
        return Paired(known, repeated=True)
    started_at = None if ping.duration_ms is None else ping.at - timedelta(milliseconds=ping.duration_ms)
    run = Run(new_id, ping.rid, ping.environment, started_at, None, None, Outcome.RUNNING)
    return Paired(_closed(run, ping, max_runtime), created=True)


def _closed(run: Run, ping: Ping, max_runtime: int) -> Run:
    duration = ping.duration_ms
    if duration is None and run.started_at is not None:
        duration = max(0, _milliseconds(ping.at - run.started_at))
    outcome = Outcome.FAILED if ping.signal is Signal.FAIL else Outcome.SUCCESS
    too_long = duration is not None and duration > max_runtime * 1000
    if outcome is Outcome.SUCCESS and (run.outcome is Outcome.OVERRAN or too_long):
        outcome = Outcome.OVERRAN
    finished_at = max(ping.at, run.started_at) if run.started_at else ping.at
    return run._replace(finished_at=finished_at, duration_ms=duration, outcome=outcome)


def _milliseconds(length: timedelta) -> int:
    return round(length / timedelta(milliseconds=1))


def _open_run_for(ping: Ping, runs: Sequence[Run]) -> Run | None:
    if ping.rid:
        return _latest(run for run in runs if run.open and run.rid == ping.rid)
    return _latest(run for run in runs if run.open and run.environment == ping.environment)


def _latest_with_rid(ping: Ping, runs: Sequence[Run]) -> Run | None:
    return _latest(run for run in runs if ping.rid and run.rid == ping.rid)


def _latest(runs: object) -> Run | None:
    return max(runs, key=lambda run: run.started_at or run.finished_at, default=None)  # type: ignore[call-overload,no-any-return]


def _just_finished(run: Run, ping: Ping) -> bool:
    return run.finished_at is not None and abs(ping.at - run.finished_at) <= SAME_PING_WITHIN
