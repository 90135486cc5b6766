"""Live through a month in seconds: every ping goes through the rules of `core`, as if it had come in its time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from tokiflow.core import ids, runs, signals, status
from tokiflow.core.runs import Outcome, Run
from tokiflow.core.signals import Ping
from tokiflow.core.status import Change, Rules, State, Status
from tokiflow.services.verdicts import Cause


@dataclass
class Life:
    """One monitor while its month goes by: what is known of it, and the rows it leaves behind."""

    monitor_id: UUID
    rules: Rules
    state: State = field(default_factory=lambda: State(Status.NEW))
    open_runs: dict[UUID, Run] = field(default_factory=dict)
    run_rows: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    ping_rows: list[dict[str, Any]] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)

    def live(self, pings: Iterable[Ping], now: datetime) -> None:
        """Take every ping at its time, and every silence in between, until `now`."""
        for ping in pings:
            self._wait(ping.at)
            self._take(ping)
        self._wait(now)

    def _wait(self, until: datetime) -> None:
        """Let the time pass: the clock looks whenever something is due."""
        while (at := status.watch_at(self.state, self.open_runs.values())) is not None and at <= until:
            tick = status.on_tick(self.state, self.rules, at, list(self.open_runs.values()))
            self.state = tick.state
            for run in tick.runs:
                self.open_runs[run.id] = run
                self._write(run)
            missed = {miss.deadline_at: miss.due_at for miss in tick.missed}
            for deadline_at, due_at in missed.items():
                self._write_missed(deadline_at, due_at)
            self.causes += [self._cause(change, due_at=missed.get(change.at)) for change in tick.changes]

    def _take(self, ping: Ping) -> None:
        paired = runs.pair(ping, list(self.open_runs.values()), ids.new(), self.rules.max_runtime)
        self.state, change = status.on_ping(self.state, self.rules, ping.signal, ping.at, paired.run)
        if paired.run:
            self._keep(paired.run)
            self._write(paired.run)
            self._tell(paired.run, ping)
        self.ping_rows.append(self._ping_row(ping, paired.run))
        if change:
            self.causes.append(self._cause(change, ping, paired.run))

    def _keep(self, run: Run) -> None:
        if run.open:
            self.open_runs[run.id] = run
        else:
            self.open_runs.pop(run.id, None)

    def _write(self, run: Run) -> None:
        row = self.run_rows.setdefault(run.id, {"id": run.id, "monitor_id": self.monitor_id, "metrics": {}})
        row |= {
            "at": run.started_at or run.finished_at,
            "started_at": run.started_at,
            "finished_at": run.finished_at,
            "deadline_at": run.deadline_at,
            "overran_at": run.overran_at,
            "duration_ms": run.duration_ms,
            "outcome": run.outcome.value,
        }

    def _tell(self, run: Run, ping: Ping) -> None:
        row = self.run_rows[run.id]
        if ping.signal.finishes:
            row["exit_code"] = ping.exit_code
        if ping.body_size:
            row |= {"output_at": ping.at, "output_n": len(self.ping_rows) + 1, "output_size": ping.body_size}
        if ping.progress:
            row["progress"] = progress(ping)
        row["metrics"] = {**row["metrics"], **ping.metrics}

    def _write_missed(self, deadline_at: datetime, due_at: datetime) -> None:
        key = ids.new()
        self.run_rows[key] = {
            "id": key, "monitor_id": self.monitor_id, "at": deadline_at, "due_at": due_at,
            "outcome": Outcome.MISSED.value, "metrics": {},
        }  # fmt: skip

    def _ping_row(self, ping: Ping, run: Run | None) -> dict[str, Any]:
        return {
            "monitor_id": self.monitor_id, "n": len(self.ping_rows) + 1, "at": ping.at, "signal": ping.signal.value,
            "run_id": run.id if run else None, "exit_code": ping.exit_code, "duration_ms": ping.duration_ms,
            "message": ping.message, "progress": progress(ping), "metrics": dict(ping.metrics) or None,
            "method": ping.method, "source": ping.source, "user_agent": ping.user_agent,
            "body": ping.body or None, "body_size": ping.body_size,
        }  # fmt: skip

    def _cause(
        self, change: Change, ping: Ping | None = None, run: Run | None = None, due_at: datetime | None = None
    ) -> Cause:
        return Cause(
            kind=change.kind,
            at=change.at,
            run_id=change.run_id,
            exit_code=ping.exit_code if ping else None,
            duration_ms=run.duration_ms if run else None,
            quote=signals.tail(ping, 2_000) if ping else "",
            in_a_row=self.state.bad,
            due_at=due_at,
        )


def progress(ping: Ping) -> dict[str, Any] | None:
    """How far the run is, in the form the tables have it."""
    said = ping.progress
    if said is None:
        return None
    return {
        "percent": said.percent, "step": said.step, "total": said.total, "name": said.name,
        "fraction": said.fraction, "at": ping.at.isoformat(),
    }  # fmt: skip
