"""Record pings: a whole batch in one transaction, with a handful of statements whatever its size.

The answer means *on disk*: `record` returns only after the commit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from tokiflow.core import ids, rates, redaction, runs, signals, status
from tokiflow.core.names import UNKNOWN, Known, Named, Refused
from tokiflow.core.rates import Rate
from tokiflow.core.runs import Run
from tokiflow.core.signals import Ping, Signal
from tokiflow.core.status import Change, Rules, State, Status
from tokiflow.db import db, transaction
from tokiflow.models import Monitor
from tokiflow.services import incidents, monitor_rows, names, outputs, ping_rows
from tokiflow.services.incidents import Verdict
from tokiflow.services.ping_rows import Watched
from tokiflow.settings import Settings

LOOKED_AT_EARLY = timedelta(seconds=30)
"""So much too early the clock may look at a monitor that pinged meanwhile."""

TELL_LIMIT_EVERY = timedelta(seconds=10)
"""So often at most a monitor's row says that pings are refused: a flood must not become a flood of writes."""


class Incoming(NamedTuple):
    """A ping, and the token or the name it was sent to. `promised`: it was answered already, and can't be refused."""

    to: str | Named
    ping: Ping
    promised: bool = False


@dataclass(slots=True)
class _Ledger:
    """One monitor while its pings are worked through: what it was, what it is by now, what is to be written."""

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
        return bool(self.pings) or self.limited_at is not self.was.limited_at


def record(
    batch: Sequence[Incoming], now: datetime, rate: Rate | None = None, note: Callable[[str], object] = lambda _: None
) -> list[Known | Refused]:
    """Keep every ping of `batch`, in order, with all that follows from it. For each: its monitor, or why there is none.

    Of each monitor as many are kept as `rate` allows (None: all). `note` hears the transaction's id before anything is
    written. When it returns, everything is committed. Raises what the database raises; then nothing is kept, unless
    the connection was lost while committing: ask pg_xact_status what became of the transaction.
    """
    if not batch:
        return []
    found = _monitors(batch, now)
    with transaction():
        raw = ping_rows.connection()
        number, watched = ping_rows.lock(raw, {to.token for to in found if isinstance(to, Known)})
        note(number)
        ledgers = {one.token: _open_ledger(one) for one in watched}
        _add_runs(raw, ledgers.values(), batch)
        outcomes = [_receive(ledgers, to, incoming, rate) for to, incoming in zip(found, batch, strict=True)]
        changed = [ledger for ledger in ledgers.values() if ledger.changed]
        verdicts = _verdicts([ledger for ledger in changed if ledger.changes])
        _write(raw, changed)
        incidents.carry_out(verdicts, now)
    return outcomes


def _monitors(batch: Sequence[Incoming], now: datetime) -> list[Known | Refused]:
    """Where each goes. Tokens are not looked up yet; names are, all together, and only if there are any."""
    asked = [incoming.to for incoming in batch if isinstance(incoming.to, Named)]
    resolved = iter(names.resolve(asked, now) if asked else ())
    return [next(resolved) if isinstance(incoming.to, Named) else Known(incoming.to) for incoming in batch]


def send_test(monitor_id: UUID, now: datetime) -> None:
    """The ping that the "send a test ping" button stands for: a success, marked as a test."""
    token = db.session.execute(select(Monitor.token).where(Monitor.id == monitor_id)).scalar_one()
    ping = Ping(Signal.SUCCESS, now, message="test ping from the monitor's page", method="POST", user_agent="Tokiflow")
    record([Incoming(token, ping)], now)


def _open_ledger(was: Watched) -> _Ledger:
    state = State(
        Status(was.status), was.due_at, was.deadline_at, was.bad, was.good, was.misses, was.last_ping_at,
        was.paused_until, was.flapping,
    )  # fmt: skip
    return _Ledger(was, monitor_rows.rules_of(*was.rules), state, was.ping_count, was.rate_at, was.limited_at)


def _add_runs(raw: Any, ledgers: Iterable[_Ledger], batch: Sequence[Incoming]) -> None:
    """Give each ledger its monitor's open runs, and the recent ones that pings name. Most pings need neither."""
    by_id = {ledger.was.id: ledger for ledger in ledgers}
    # What waited in a spool may be older than all that now counts as recent.
    earliest = min(incoming.ping.at for incoming in batch)
    found = ping_rows.runs_at_hand(
        raw,
        list(by_id),
        min((ledger.was.open_since for ledger in by_id.values() if ledger.was.open_since), default=None),
        earliest - monitor_rows.PAIRED_WITHIN,
        [incoming.ping.rid for incoming in batch if incoming.ping.rid],
        earliest - monitor_rows.SAME_RID_WITHIN,
    )
    for monitor_id, run in found:
        by_id[monitor_id].runs[run.id] = run
        by_id[monitor_id].known.add(run.id)


def _receive(
    ledgers: Mapping[str, _Ledger], to: Known | Refused, incoming: Incoming, rate: Rate | None
) -> Known | Refused:
    if isinstance(to, Refused):
        return to
    ledger = ledgers.get(to.token)
    if ledger is None:
        return UNKNOWN
    if rate and not incoming.promised:
        ruling = rates.admit(rate, ledger.rate_at, incoming.ping.at)
        if not ruling.allowed:
            _note_limit(ledger, incoming.ping.at)
            return Refused(429, "rate limited", math.ceil(ruling.wait))
        ledger.rate_at = ruling.next_at
    _enter(ledger, incoming.ping)
    return to


def _note_limit(ledger: _Ledger, at: datetime) -> None:
    if ledger.limited_at is None or at - ledger.limited_at > TELL_LIMIT_EVERY:
        ledger.limited_at = at


def _enter(ledger: _Ledger, ping: Ping) -> None:
    """Decide what `ping` means and note what is to be written."""
    paired = runs.pair(ping, list(ledger.runs.values()), ids.new(), ledger.rules.max_runtime)
    if paired.repeated:
        # The client's retry of a ping we have: answered like the first, counted once.
        return
    ping = _as_kept(ledger.was, ping)
    ledger.count += 1
    ledger.state, change = status.on_ping(
        ledger.state, ledger.rules, ping.signal, ping.at, paired.run, overlaps=paired.overlaps
    )
    if change:
        ledger.changes.append((change, ping))
    if paired.run:
        _enter_run(ledger, paired.run, ping)
        ledger.runs[paired.run.id] = paired.run
    ledger.pings.append((ledger.count, ping, paired.run))


def _as_kept(monitor: Watched, ping: Ping) -> Ping:
    """The ping without output that nobody wants, and without what the organization's own patterns match. The secrets
    that everybody knows are hidden at the door already."""
    if ping.body and not monitor.capture_output:
        ping = ping._replace(body=b"", body_cut=None)
    if not monitor.redaction_patterns or not (ping.body or ping.message or ping.progress):
        return ping
    custom = redaction.compile_patterns(monitor.redaction_patterns)
    body, cut = redaction.redact_kept(ping.body, ping.body_cut, custom, _output_limit())
    said = ping.progress
    if said and said.name:
        said = replace(said, name=redaction.redact_text(said.name, custom))
    return ping._replace(body=body, body_cut=cut, message=redaction.redact_text(ping.message, custom), progress=said)


def _output_limit() -> int:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.output_limit


def _enter_run(ledger: _Ledger, run: Run, ping: Ping) -> None:
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


def _write(raw: Any, ledgers: Sequence[_Ledger]) -> None:
    if not ledgers:
        return
    bodies: list[bytes] = []
    pings = [_ping_row(ledger.was.id, *one, bodies) for ledger in ledgers for one in ledger.pings]
    new_runs = [row for ledger in ledgers for key, row in ledger.run_rows.items() if key not in ledger.known]
    known_runs = [row for ledger in ledgers for key, row in ledger.run_rows.items() if key in ledger.known]
    offloads = outputs.offloads(
        [row for row in pings if "body" in row and len(bodies[row["body"] - 1]) > outputs.INLINE]
    )
    monitors = [_monitor_row(ledger) for ledger in ledgers]
    ping_rows.write(raw, pings, bodies, new_runs, known_runs, monitors, offloads)


def _ping_row(monitor_id: UUID, n: int, ping: Ping, run: Run | None, bodies: list[bytes]) -> dict[str, Any]:
    """Only what it says: most pings say little. A body goes into `bodies`, and the row tells its place, from 1."""
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


def _monitor_row(ledger: _Ledger) -> dict[str, Any]:
    row = monitor_rows.columns(ledger.state, ledger.runs.values())
    row["id"] = ledger.was.id
    row["ping_count"] = ledger.count
    row["rate_at"] = ledger.rate_at
    row["limited_at"] = ledger.limited_at
    row["watch_at"] = _watch_at(ledger.was.watch_at, row["watch_at"])
    return row


def _watch_at(before: datetime | None, after: datetime | None) -> datetime | None:
    """When the clock looks: as before if that is only a little too early. The clock finds nothing then and sets it
    right; but a row whose indexed columns stay as they are is written for a fifth of the cost."""
    if before and after and timedelta(0) <= after - before < LOOKED_AT_EARLY:
        return before
    return after


def _verdicts(ledgers: Sequence[_Ledger]) -> list[Verdict]:
    """What follows from the changes. Few pings change anything, so only here the whole row is read."""
    if not ledgers:
        return []
    statement = select(*Monitor.__table__.columns).where(Monitor.id.in_([ledger.was.id for ledger in ledgers]))
    rows = {row.id: row for row in db.session.execute(statement)}
    return [
        Verdict(rows[ledger.was.id], ledger.rules, _cause(ledger, change, ping))
        for ledger in ledgers
        for change, ping in ledger.changes
    ]


def _cause(ledger: _Ledger, change: Change, ping: Ping) -> incidents.Cause:
    return incidents.Cause(
        kind=change.kind,
        at=change.at,
        run_id=change.run_id,
        exit_code=ping.exit_code,
        duration_ms=ledger.runs[change.run_id].duration_ms if change.run_id in ledger.runs else None,
        quote=ping.message or signals.tail(ping, 2_000),
        in_a_row=ledger.state.bad,
        overlapped=ping.signal is Signal.START,
    )
