"""Pings, ticks, edits, pauses and resolutions in any order never break what the state machine promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tokiflow.core import ids, runs, status
from tokiflow.core.runs import Outcome, Run
from tokiflow.core.schedule import Cron, Every, Schedule
from tokiflow.core.signals import Ping, Signal
from tokiflow.core.status import Kind, Rules, State, Status, Turn

START = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)
SCHEDULES: list[Schedule] = [
    Every(60),
    Every(3600),
    Cron("*/5 * * * *", "UTC"),
    Cron("30 2 * * *", "Europe/Berlin"),
]
RULES = st.builds(
    Rules,
    schedule=st.sampled_from(SCHEDULES),
    grace=st.sampled_from([0, 15, 300]),
    max_runtime=st.sampled_from([30, 600]),
    early_tolerance=st.sampled_from([0, 20]),
    failures_to_open=st.integers(1, 3),
    successes_to_resolve=st.integers(1, 3),
)
WAITS = st.sampled_from([0, 1, 15, 45, 61, 80, 400, 4000, 90_000])


class MonitorLife(RuleBasedStateMachine):
    """One monitor, driven as services drive it, beside the plainest possible account of its incident."""

    @initialize(rules=RULES)
    def begin(self, rules: Rules) -> None:
        self.chosen = rules
        self.state = State(Status.NEW)
        self.now = START
        self.runs: dict[object, Run] = {}
        self.incident_open = False
        self.last_turn_at = START

    @rule(seconds=WAITS)
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(seconds=WAITS)
    def tick(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        before = self.state
        tick = status.on_tick(self.state, self.chosen, self.now, list(self.runs.values()))
        self.state = tick.state
        for run in tick.runs:
            self.runs[run.id] = run
        for change in tick.changes:
            assert change.kind in (Kind.MISSED, Kind.OVERRUN)
            assert change.at <= self.now, "dated to when it happened, never to the future"
            self.follow(change.turn)
        for miss in tick.missed:
            assert miss.deadline_at - miss.due_at >= timedelta(0)
            assert miss.deadline_at <= self.now
        if before.status is Status.NEW and not self.runs:
            assert tick.state == before, "nothing is expected of a monitor that never spoke"
        again = status.on_tick(self.state, self.chosen, self.now, list(self.runs.values()))
        assert not again.changes, "a second clock finds nothing left to do"
        assert not again.missed
        assert again.state == self.state

    @rule(signal=st.sampled_from(list(Signal)), rid=st.sampled_from([None, *(ids.new() for _ in range(3))]))
    def ping(self, signal: Signal, rid: object) -> None:
        ping = Ping(signal, self.now, rid=rid)  # type: ignore[arg-type]
        paired = runs.pair(ping, list(self.runs.values()), ids.new(), self.chosen.max_runtime)
        if paired.repeated:
            return
        if paired.run:
            self.runs[paired.run.id] = paired.run
        before = self.state
        self.state, change = status.on_ping(self.state, self.chosen, signal, self.now, paired.run)
        if change:
            assert change.kind is not Kind.MISSED, "silence is judged by the clock alone"
            self.follow(change.turn)
        if before.status is not Status.PAUSED and signal is not Signal.LOG:
            assert self.state.misses == 0, "whoever speaks is not silent"
            assert self.state.due_at is not None
            assert self.state.due_at > self.now

    @rule(until=st.sampled_from([None, 60, 5000]))
    def pause(self, until: int | None) -> None:
        moment = None if until is None else self.now + timedelta(seconds=until)
        self.state, change = status.pause(self.state, moment, self.now)
        if change:
            self.follow(change.turn)

    @precondition(lambda self: self.state.status is Status.PAUSED)
    @rule()
    def resume(self) -> None:
        self.state = status.resume(self.state, self.chosen, self.now)
        self.runs = {
            key: runs.with_fresh_deadline(run, self.now, self.chosen.max_runtime) if run.watched else run
            for key, run in self.runs.items()
        }
        assert self.state.deadline_at is None or self.state.deadline_at > self.now, "nobody is condemned on resuming"

    @rule(new=RULES)
    def edit(self, new: Rules) -> None:
        before = self.state
        self.state = status.edit(self.state, self.chosen, new, self.now)
        assert self.state.status is before.status, "an edit decides nothing"
        if new.schedule != self.chosen.schedule and self.state.due_at and before.misses == 0:
            assert self.state.deadline_at is None or self.state.deadline_at >= self.now
        self.chosen = new

    @precondition(lambda self: self.incident_open)
    @rule()
    def person_resolves(self) -> None:
        self.state = status.resolve(self.state, self.chosen, self.now)
        self.incident_open = False
        assert self.state.deadline_at is not None
        assert self.state.deadline_at > self.now - timedelta(seconds=1), "a fresh chance"

    @rule(gap=st.sampled_from([30, 3000]))
    def we_were_blind(self, gap: int) -> None:
        before = self.state.deadline_at
        self.state = status.moved(self.state, timedelta(seconds=gap))
        assert before is None or self.state.deadline_at == before + timedelta(seconds=gap)

    def follow(self, turn: Turn) -> None:
        if turn is Turn.OPEN:
            assert not self.incident_open, "never two open incidents"
            self.incident_open = True
        elif turn is Turn.JOIN:
            assert self.incident_open, "only an open incident is joined"
        else:
            assert self.incident_open, "only an open incident is resolved"
            self.incident_open = False

    @invariant()
    def down_is_an_open_incident(self) -> None:
        if hasattr(self, "state"):
            assert (self.state.status is Status.DOWN) == self.incident_open

    @invariant()
    def late_is_only_shown(self) -> None:
        if hasattr(self, "state"):
            assert self.state.status is not Status.LATE
            shown = status.shown(self.state, self.now)
            assert (shown is Status.LATE) <= (self.state.status is Status.UP)

    @invariant()
    def every_open_run_is_watched(self) -> None:
        if not hasattr(self, "state") or self.state.status is Status.PAUSED:
            return
        watched = [run for run in self.runs.values() if run.watched]
        looks = status.watch_at(self.state, self.runs.values())
        for run in watched:
            assert looks is not None
            assert run.deadline_at is not None
            assert looks <= run.deadline_at

    @invariant()
    def silence_is_always_noticed_in_the_end(self) -> None:
        if hasattr(self, "state") and self.state.status is Status.UP:
            assert status.watch_at(self.state, self.runs.values()) is not None


MonitorLife.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestMonitorLife = MonitorLife.TestCase


def test_a_finished_run_keeps_its_outcome_whatever_the_clock_does() -> None:
    rules = Rules(Every(60), 15, 30, 0, 1, 1)
    run = Run(ids.new(), None, "", START, None, START + timedelta(seconds=30), Outcome.RUNNING)
    done = run._replace(finished_at=START + timedelta(seconds=5), outcome=Outcome.SUCCESS, duration_ms=5000)
    state = status.resume(State(Status.PAUSED, last_ping_at=START), rules, START)
    assert status.on_tick(state, rules, START + timedelta(seconds=40), [done]).runs == ()
