"""What the pings of one monitor come to, before any of it is written: a ledger a monitor, for one batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import current_app

from tokiflow.core import ids, rates, redaction, runs, signals, status
from tokiflow.core.names import Refused
from tokiflow.core.rates import Rate
from tokiflow.core.runs import Run
from tokiflow.core.signals import Ping, Signal
from tokiflow.core.status import Change, Rules, State, Status
from tokiflow.services import monitor_rows
from tokiflow.services.ping_rows import Watched
from tokiflow.services.verdicts import Cause
from tokiflow.settings import Settings

LOOKED_AT_EARLY = timedelta(seconds=30)
"""So much too early the clock may look at a monitor that pinged meanwhile."""

TELL_LIMIT_EVERY = timedelta(seconds=10)
"""So often at most a monitor's row says that pings are refused: a flood must not become a flood of writes."""


@dataclass(slots=True)
class Ledger:
    """One monitor while its pings are worked through: what it was, what it is by now, what is to be written.

    `runs` are those at hand, of which the `known` are in the database already.
    """

    was: Watched
    rules: Rules
    state: State
    count: int
    rate_at: datetime | None
    limited_at: datetime | None
    runs: dict[UUID, Run] = field(default_factory=dict)
    known: set[UUID] = field(default_factory=set)
    run_rows: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    pings: list[tuple[int, Ping, Run | None]] = field(default_factory=list)
    changes: list[tuple[Change, Ping]] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.pings) or self.limited_at is not self.was.limited_at

    @property
    def measured(self) -> bool:
        """Whether a run has finished with something to judge: how long it took, what it printed or told."""
        return any(
            row["finished_at"] and (row["duration_ms"] is not None or "output_at" in row or "metrics" in row)
            for row in self.run_rows.values()
        )

    def remember(self, run: Run) -> None:
        """A run that is in the database."""
        self.runs[run.id] = run
        self.known.add(run.id)

    def admit(self, at: datetime, rate: Rate) -> Refused | None:
        """Count a ping against `rate`; what is answered if it is one too many."""
        ruling = rates.admit(rate, self.rate_at, at)
        if ruling.allowed:
            self.rate_at = ruling.next_at
            return None
        if self.limited_at is None or at - self.limited_at > TELL_LIMIT_EVERY:
            self.limited_at = at
        return Refused(429, "rate limited", math.ceil(ruling.wait))

    def enter(self, ping: Ping) -> None:
        """Decide what `ping` means and note what is to be written."""
        ping = _as_kept(self.was, ping)
        paired = runs.pair(ping, list(self.runs.values()), ids.new(), self.rules.max_runtime)
        if paired.repeated:
            # The client's retry of a ping we have: answered like the first, counted once.
            return
        self.count += 1
        self.state, change = status.on_ping(
            self.state, self.rules, ping.signal, ping.at, paired.run, overlaps=paired.overlaps
        )
        if change:
            self.changes.append((change, ping))
        if paired.run:
            _enter_run(self, paired.run, ping)
            self.runs[paired.run.id] = paired.run
        self.pings.append((self.count, ping, paired.run))

    def ping_rows(self, bodies: list[bytes]) -> Iterator[dict[str, Any]]:
        """The rows of its pings. Their bodies go into `bodies`, and each row tells its place there, from 1."""
        for n, ping, run in self.pings:
            yield _ping_row(self.was.id, n, ping, run, bodies)

    def monitor_row(self) -> dict[str, Any]:
        """What is to be written of the monitor."""
        row = monitor_rows.columns(self.state, self.runs.values())
        row["id"] = self.was.id
        row["first_ping_at"] = min((ping.at for _, ping, _ in self.pings), default=None)
        row["ping_count"] = self.count
        row["rate_at"] = self.rate_at
        row["limited_at"] = self.limited_at
        row["watch_at"] = _watch_at(self.was.watch_at, row["watch_at"])
        return row

    def causes(self) -> Iterator[Cause]:
        """What its changes mean for its incident, in their order."""
        for change, ping in self.changes:
            run = self.runs.get(change.run_id) if change.run_id else None
            yield Cause(
                kind=change.kind,
                at=change.at,
                run_id=change.run_id,
                exit_code=ping.exit_code,
                duration_ms=run.duration_ms if run else None,
                quote=ping.message or signals.tail(ping, 2_000),
                in_a_row=self.state.bad,
                environment=ping.environment or (run.environment if run else ""),
                overlapped=ping.signal is Signal.START,
            )


def opened(was: Watched) -> Ledger:
    """An empty ledger."""
    state = State(
        Status(was.status), was.due_at, was.deadline_at, was.bad, was.good, was.misses, was.last_ping_at,
        was.paused_until, was.flapping,
    )  # fmt: skip
    return Ledger(was, monitor_rows.rules_of(*was.rules), state, was.ping_count, was.rate_at, was.limited_at)


def _as_kept(monitor: Watched, ping: Ping) -> Ping:
    """The ping without output that nobody wants, and without what the organization's own patterns match. The secrets
    that everybody knows are hidden at the door already."""
    if ping.body and not monitor.capture_output:
        ping = ping._replace(body=b"", body_cut=None)
    if not monitor.redaction_patterns:
        return ping
    custom = redaction.compile_patterns(monitor.redaction_patterns)

    def hide(text: str) -> str:
        return redaction.redact_text(text, custom) if text else ""

    body, cut = redaction.redact_kept(ping.body, ping.body_cut, custom, _output_limit())
    return ping._replace(
        body=body,
        body_cut=cut,
        message=hide(ping.message),
        environment=hide(ping.environment),
        user_agent=hide(ping.user_agent),
        progress=replace(ping.progress, name=hide(ping.progress.name)) if ping.progress else None,
        metrics={hide(name): value for name, value in ping.metrics.items()},
    )


def _output_limit() -> int:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.output_limit


def _enter_run(ledger: Ledger, run: Run, ping: Ping) -> None:
    row = ledger.run_rows.get(run.id)
    if row is None:
        # Where it lies: when it was first heard of, even if we know by now that it had begun before.
        was = ledger.runs.get(run.id, run)
        row = ledger.run_rows[run.id] = {
            "id": run.id,
            "monitor_id": ledger.was.id,
            "rid": run.rid,
            "environment": run.environment,
            "at": was.started_at or was.finished_at or ping.at,
        }
    row["started_at"] = run.started_at
    row["finished_at"] = run.finished_at
    row["deadline_at"] = run.deadline_at
    row["overran_at"] = run.overran_at
    row["outcome"] = run.outcome.value
    row["duration_ms"] = run.duration_ms
    if ping.signal.finishes:
        row["exit_code"] = ping.exit_code
        if ping.body:
            row |= {"output_at": ping.at, "output_n": ledger.count}
            row |= {"output_size": ping.body_size, "output_cut": ping.body_cut}
    if ping.message:
        row["message"] = ping.message
    if ping.progress:
        row["progress"] = _progress(ping)
    if ping.metrics:
        row["metrics"] = {**row.get("metrics", {}), **ping.metrics}
    if run.last_log:
        row["last_log"], row["last_log_at"] = run.last_log, run.last_log_at


def _progress(ping: Ping) -> dict[str, Any]:
    assert ping.progress is not None
    said = ping.progress
    return {
        "percent": said.percent,
        "step": said.step,
        "total": said.total,
        "name": said.name,
        "fraction": said.fraction,
        "at": ping.at.isoformat(),
    }


def _ping_row(monitor_id: UUID, n: int, ping: Ping, run: Run | None, bodies: list[bytes]) -> dict[str, Any]:
    """Only what it says: most pings say little."""
    row: dict[str, Any] = {
        "monitor_id": monitor_id,
        "at": ping.at,
        "n": n,
        "signal": ping.signal.value,
        "method": ping.method,
        "source": ping.source,
        "user_agent": ping.user_agent,
    }
    if run:
        row["run_id"] = run.id
    if ping.rid:
        row["rid"] = ping.rid
    if ping.exit_code is not None:
        row["exit_code"] = ping.exit_code
    if ping.duration_ms is not None:
        row["duration_ms"] = ping.duration_ms
    if ping.environment:
        row["environment"] = ping.environment
    if ping.message:
        row["message"] = ping.message
    if ping.progress:
        row["progress"] = _progress(ping)
    if ping.metrics:
        row["metrics"] = dict(ping.metrics)
    if ping.body_size:
        row |= {"body_size": ping.body_size, "body_cut": ping.body_cut}
    if ping.body:
        bodies.append(ping.body)
        row["body"] = len(bodies)
    return row


def _watch_at(before: datetime | None, after: datetime | None) -> datetime | None:
    """When the clock looks: as before if that is only a little too early. The clock finds nothing then and sets it
    right; but a row whose indexed columns stay as they are is written for a fifth of the cost."""
    if before and after and timedelta(0) <= after - before < LOOKED_AT_EARLY:
        return before
    return after
