"""The state machine of a monitor: values in, decisions out.

                     good, bad < N (b)                    ┌──────────────┐
    ┌───────┐  start, success, bad<N (a)   ┌──────────┐   │ good, bad<N  │
    │  new  │ ───────────────────────────▶ │    up    │ ◀─┘     (b)
    └───────┘                              └──────────┘
        │                 bad ≥ N (c) ▶      │      ▲      ◀ good ≥ M (d): incident resolved
        │                 incident opens     ▼      │
        │  bad ≥ N (c)                     ┌──────────┐   bad (e): joins the incident's timeline
        └────────────────────────────────▶ │   down   │ ◀─┐
                                           └──────────┘ ──┘ good < M (f)

    any ── pause (g): an open incident is resolved ──▶ paused ── resume, or its time comes (h) ──▶ up or new

A *bad* result is a fail signal or exit code ≠ 0 (`failed`), a run past its max runtime (`overrun`), a start while
another run is still going where that is not allowed (`overrun` too) or a deadline passed in silence (`missed`). A
*good* result is a success. N is `failures_to_open`, M is `successes_to_resolve` (raised while the incident is
flapping). *Late* is no state of its own but a reading of the clock: up, and due already (`shown`).

Silence is judged only here, in `on_tick`, by the clock. While a run is open and within its max runtime,
silence is not silence: the run is watched instead. After a miss on a monitor that is down nothing more is
expected until it speaks: one silence is one trouble.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from tokiflow.core import schedule as schedules
from tokiflow.core.runs import Outcome, Run, overrun, with_fresh_deadline
from tokiflow.core.schedule import Schedule
from tokiflow.core.signals import Signal


class Status(StrEnum):
    NEW = "new"
    UP = "up"
    LATE = "late"  # only ever shown, never stored
    DOWN = "down"
    PAUSED = "paused"


class Kind(StrEnum):
    """Why there is trouble."""

    MISSED = "missed"
    OVERRUN = "overrun"
    FAILED = "failed"
    ANOMALY = "anomaly"
    DEGRADED = "degraded"

    @property
    def outage(self) -> bool:
        """Outages are critical and take the monitor down; the others are warnings about performance."""
        return self in (Kind.MISSED, Kind.OVERRUN, Kind.FAILED)


@dataclass(frozen=True)
class Rules:
    """What the people chose for a monitor. Seconds."""

    schedule: Schedule
    grace: int
    max_runtime: int
    early_tolerance: int
    failures_to_open: int
    successes_to_resolve: int
    overlaps_allowed: bool = True


class State(NamedTuple):
    """What is known of a monitor. `bad` and `good` count results in a row, `misses` occurrences since it last spoke.

    A tuple, since each ping makes several: a changed copy costs a fifth of a dataclass's.
    """

    status: Status
    due_at: datetime | None = None
    deadline_at: datetime | None = None
    bad: int = 0
    good: int = 0
    misses: int = 0
    last_ping_at: datetime | None = None
    paused_until: datetime | None = None
    flapping: bool = False


class Turn(StrEnum):
    """What a change means for the monitor's outage incident."""

    OPEN = "open"
    JOIN = "join"
    RESOLVE = "resolve"


@dataclass(frozen=True)
class Change:
    """`turn` the incident because of `kind` (None for a recovery), dated `at`, for the run `run_id` if there is one."""

    turn: Turn
    at: datetime
    kind: Kind | None = None
    run_id: UUID | None = None


@dataclass(frozen=True)
class Missed:
    """An occurrence that passed in silence: it was due at `due_at` and judged at `deadline_at`."""

    due_at: datetime
    deadline_at: datetime


@dataclass(frozen=True)
class Tick:
    """What the clock found: the new state, the changes, the occurrences missed, and the runs it changed:
    those that overran, or after a pause those that have their whole max runtime ahead again."""

    state: State
    changes: tuple[Change, ...] = ()
    missed: tuple[Missed, ...] = ()
    runs: tuple[Run, ...] = ()


FLAPPING_SUCCESSES = 3


def shown(state: State, now: datetime) -> Status:
    """The status people see: as stored, or late when it is up and due already."""
    due = state.due_at is not None and state.due_at <= now
    return Status.LATE if state.status is Status.UP and (due or state.misses) else state.status


def on_ping(
    state: State, rules: Rules, signal: Signal, at: datetime, run: Run | None, *, overlaps: bool = False
) -> tuple[State, Change | None]:
    """The state after a ping, and what it means for the incident. `run` is what the ping made of its run; `overlaps`
    tells whether it started while another was still going."""
    state = state._replace(last_ping_at=max(at, state.last_ping_at or at))
    if signal is Signal.LOG or state.status is Status.PAUSED:
        return state, None
    state = _armed(state, rules, at)
    if signal is Signal.START and overlaps and not rules.overlaps_allowed:
        return _bad(state, rules, Kind.OVERRUN, at, run.id if run else None)
    if signal is Signal.START:
        return state._replace(status=_spoken(state.status)), None
    trouble = _trouble(signal, run)
    if trouble is None:
        return _good(state, rules, at, run)
    return _bad(state, rules, trouble, at, run.id if run else None)


def on_tick(state: State, rules: Rules, now: datetime, runs: Sequence[Run]) -> Tick:
    """What the passing of time until `now` means, given the monitor's open runs."""
    if state.status is Status.PAUSED:
        if state.paused_until is None or state.paused_until > now:
            return Tick(state)
        fresh = tuple(with_fresh_deadline(run, now, rules.max_runtime) for run in runs if run.watched)
        return Tick(resume(state, rules, now), runs=fresh)
    state, changes, overran = _judge_runs(state, rules, now, runs)
    running = len(overran) < sum(run.watched for run in runs)
    missed: list[Missed] = []
    while not running and _silence_counts(state) and state.deadline_at is not None and state.deadline_at <= now:
        state, change, miss = _miss(state, rules)
        missed.append(miss)
        changes += [change] if change else []
    return Tick(state, tuple(changes), tuple(missed), tuple(overran))


def watch_at(state: State, runs: Iterable[Run]) -> datetime | None:
    """When the clock must look at this monitor again; None while only a ping can change it."""
    if state.status is Status.PAUSED:
        return state.paused_until
    deadlines = [run.deadline_at for run in runs if run.watched and run.deadline_at]
    if deadlines:
        return min(deadlines)
    return state.deadline_at if _silence_counts(state) else None


def pause(state: State, until: datetime | None, now: datetime) -> tuple[State, Change | None]:
    """Stop judging. An open incident is resolved: nobody is waiting for this job any more."""
    change = Change(Turn.RESOLVE, now) if state.status is Status.DOWN else None
    paused = state._replace(status=Status.PAUSED, paused_until=until, due_at=None, deadline_at=None)
    return paused._replace(bad=0, good=0, misses=0, flapping=False), change


def resume(state: State, rules: Rules, now: datetime) -> State:
    """Judge again, as if it had just pinged; a monitor that never pinged is new again."""
    if state.last_ping_at is None:
        return state._replace(status=Status.NEW, paused_until=None)
    return _armed(state._replace(status=Status.UP, paused_until=None), rules, now)


def resolve(state: State, rules: Rules, now: datetime) -> State:
    """A person says the trouble is over: a fresh chance from now on."""
    if state.status is not Status.DOWN:
        return state
    return _armed(state._replace(status=Status.UP, bad=0, good=0, flapping=False), rules, now)


def edit(state: State, old: Rules, new: Rules, now: datetime) -> State:
    """The state under changed rules. A new schedule counts from the last ping, but never condemns at once."""
    if state.due_at is None or not _silence_counts(state):
        return state
    if old.schedule == new.schedule:
        return state._replace(deadline_at=state.due_at + timedelta(seconds=new.grace))
    since_last = _armed(state, new, state.last_ping_at or now)
    if since_last.deadline_at is not None and since_last.deadline_at > now:
        return since_last
    return _armed(state, new, now)


def moved(state: State, gap: timedelta) -> State:
    """The state with `gap` given back: we could not listen for that long (see core.outage)."""
    if state.deadline_at is None:
        return state
    return state._replace(deadline_at=state.deadline_at + gap)


def _trouble(signal: Signal, run: Run | None) -> Kind | None:
    if signal is Signal.FAIL:
        return Kind.FAILED
    # An overrun that was noticed while it lasted is over with its finish; one that is only reported afterwards
    # is news, and bad.
    reported = run is not None and run.outcome is Outcome.OVERRAN and run.overran_at is None
    return Kind.OVERRUN if reported else None


def _good(state: State, rules: Rules, at: datetime, run: Run | None) -> tuple[State, Change | None]:
    good, needed = state.good + 1, rules.successes_to_resolve
    if state.flapping:
        needed = max(needed, FLAPPING_SUCCESSES)
    if state.status is Status.DOWN and good < needed:
        return state._replace(good=good, bad=0), None
    change = Change(Turn.RESOLVE, at, run_id=run.id if run else None) if state.status is Status.DOWN else None
    return state._replace(status=Status.UP, good=good, bad=0, flapping=False), change


def _bad(
    state: State, rules: Rules, kind: Kind, at: datetime, run_id: UUID | None = None
) -> tuple[State, Change | None]:
    state = state._replace(bad=state.bad + 1, good=0)
    if state.status is Status.DOWN:
        return state, Change(Turn.JOIN, at, kind, run_id)
    if state.bad < rules.failures_to_open:
        return state._replace(status=Status.UP), None
    return state._replace(status=Status.DOWN), Change(Turn.OPEN, at, kind, run_id)


def _judge_runs(
    state: State, rules: Rules, now: datetime, runs: Sequence[Run]
) -> tuple[State, list[Change], list[Run]]:
    overdue = [run for run in runs if run.watched and run.deadline_at is not None and run.deadline_at <= now]
    changes: list[Change] = []
    for run in sorted(overdue, key=lambda run: run.deadline_at or now):
        assert run.deadline_at is not None
        state = _armed(state, rules, run.deadline_at)
        state, change = _bad(state, rules, Kind.OVERRUN, run.deadline_at, run.id)
        changes += [change] if change else []
    return state, changes, [overrun(run) for run in overdue]


def _miss(state: State, rules: Rules) -> tuple[State, Change | None, Missed]:
    assert state.due_at is not None
    assert state.deadline_at is not None
    miss = Missed(state.due_at, state.deadline_at)
    state, change = _bad(state._replace(misses=state.misses + 1), rules, Kind.MISSED, miss.deadline_at)
    if state.status is not Status.DOWN:
        due_at = schedules.next_after(rules.schedule, miss.due_at)
        state = state._replace(due_at=due_at, deadline_at=due_at + timedelta(seconds=rules.grace))
    return state, change, miss


def _silence_counts(state: State) -> bool:
    return state.status is Status.UP or (state.status is Status.DOWN and state.misses == 0)


def _spoken(status: Status) -> Status:
    return Status.UP if status is Status.NEW else status


def _armed(state: State, rules: Rules, at: datetime) -> State:
    """Expect the next occurrence after `at`; a ping up to the early tolerance before one satisfies it."""
    due_at = schedules.next_after(rules.schedule, at + timedelta(seconds=rules.early_tolerance))
    if isinstance(rules.schedule, schedules.Every):
        due_at -= timedelta(seconds=rules.early_tolerance)
    if state.due_at is not None and state.last_ping_at is not None and at < state.last_ping_at:
        # A ping that arrives out of order never brings the next one forward.
        due_at = max(due_at, state.due_at)
    return state._replace(due_at=due_at, deadline_at=due_at + timedelta(seconds=rules.grace), misses=0)
