"""Record pings: a whole batch in one transaction, with a handful of statements whatever its size.

The answer means *on disk*: `record` returns only after the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tokiflow.core import ids, runs, signals, status
from tokiflow.core.names import UNKNOWN, Known, Named, Refused
from tokiflow.core.runs import Run
from tokiflow.core.signals import Ping, Signal
from tokiflow.core.status import Change, Rules, State
from tokiflow.db import db, transaction
from tokiflow.models import Monitor
from tokiflow.models import Ping as PingRow
from tokiflow.models import Run as RunRow
from tokiflow.services import incidents, monitor_rows, names
from tokiflow.services.incidents import Verdict
from tokiflow.services.monitor_rows import MonitorRow

log = structlog.get_logger()


@dataclass(frozen=True)
class Incoming:
    """A ping, and the token or the name it was sent to."""

    to: str | Named
    ping: Ping


@dataclass
class _Ledger:
    """One monitor while its pings are worked through: what it was, what it is by now, what is to be written."""

    row: MonitorRow
    rules: Rules
    state: State
    count: int
    runs: dict[UUID, Run]
    run_rows: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    ping_rows: list[dict[str, Any]] = field(default_factory=list)
    changes: list[tuple[Change, Ping]] = field(default_factory=list)


def record(batch: Sequence[Incoming], now: datetime) -> list[Known | Refused]:
    """Keep every ping of `batch`, in order, with all that follows from it. For each: its monitor, or why there is none.

    When it returns, everything is committed. Raises what the database raises; then nothing is kept.
    """
    found = _monitors(batch, now)
    with transaction():
        sent = [(to.token, incoming.ping) for to, incoming in zip(found, batch, strict=True) if isinstance(to, Known)]
        ledgers = _open_ledgers(sent, now)
        for token, ping in sent:
            if token in ledgers:
                _enter(ledgers[token], ping)
        _write([ledger for ledger in ledgers.values() if ledger.ping_rows])
        incidents.carry_out([_verdict(ledger, *one) for ledger in ledgers.values() for one in ledger.changes], now)
    return [to if isinstance(to, Refused) or to.token in ledgers else UNKNOWN for to in found]


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


def _open_ledgers(sent: Sequence[tuple[str, Ping]], now: datetime) -> dict[str, _Ledger]:
    """By token: the ledgers of the monitors that pings are `sent` to, their rows locked in the order of their ids."""
    tokens = {token for token, _ in sent}
    statement = (
        select(*Monitor.__table__.columns)
        .where(Monitor.token.in_(tokens))
        .order_by(Monitor.id)
        .with_for_update(key_share=True)
    )
    rows = db.session.execute(statement).all()
    rids = [ping.rid for _, ping in sent if ping.rid]
    at_hand = monitor_rows.runs_at_hand([row.id for row in rows], now, rids) if rows else {}
    return {
        row.token: _Ledger(
            row=row,
            rules=monitor_rows.rules(row),
            state=monitor_rows.state(row),
            count=row.ping_count,
            runs={run.id: run for run in at_hand[row.id]},
        )
        for row in rows
    }


def _enter(ledger: _Ledger, ping: Ping) -> None:
    """Decide what `ping` means and note what is to be written."""
    paired = runs.pair(ping, list(ledger.runs.values()), ids.new(), ledger.rules.max_runtime)
    if paired.repeated:
        # The client's retry of a ping we have: answered like the first, counted once.
        return
    if not ledger.row.capture_output:
        ping = replace(ping, body=b"", body_cut=None)
    ledger.count += 1
    ledger.state, change = status.on_ping(
        ledger.state, ledger.rules, ping.signal, ping.at, paired.run, overlaps=paired.overlaps
    )
    if change:
        ledger.changes.append((change, ping))
    if paired.run:
        ledger.runs[paired.run.id] = paired.run
        _enter_run(ledger, paired.run, ping)
    ledger.ping_rows.append(_ping_row(ledger, ping, paired.run))


def _enter_run(ledger: _Ledger, run: Run, ping: Ping) -> None:
    row = ledger.run_rows.setdefault(run.id, {"id": run.id, "told": {}})
    row.update(
        monitor_id=ledger.row.id,
        rid=run.rid,
        environment=run.environment,
        at=run.started_at or run.finished_at or ping.at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        deadline_at=run.deadline_at,
        overran_at=run.overran_at,
        outcome=run.outcome.value,
        duration_ms=run.duration_ms,
    )
    told = row["told"]
    if ping.signal.finishes:
        told |= {"exit_code": ping.exit_code}
    if ping.signal.finishes and ping.body:
        told |= {"output_at": ping.at, "output_n": ledger.count}
        told |= {"output_size": ping.body_size, "output_cut": ping.body_cut}
    if ping.message:
        told["message"] = ping.message
    if ping.progress:
        told["progress"] = _progress(ping)
    if ping.metrics:
        told["metrics"] = told.get("metrics", {}) | ping.metrics


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


def _ping_row(ledger: _Ledger, ping: Ping, run: Run | None) -> dict[str, Any]:
    return {
        "monitor_id": ledger.row.id,
        "n": ledger.count,
        "at": ping.at,
        "signal": ping.signal.value,
        "run_id": run.id if run else None,
        "rid": ping.rid,
        "exit_code": ping.exit_code,
        "duration_ms": ping.duration_ms,
        "environment": ping.environment,
        "message": ping.message,
        "progress": _progress(ping) if ping.progress else None,
        "metrics": ping.metrics or None,
        "method": ping.method,
        "source": ping.source,
        "user_agent": ping.user_agent,
        "body": ping.body or None,
        "body_size": ping.body_size,
        "body_cut": ping.body_cut,
    }


def _write(ledgers: Sequence[_Ledger]) -> None:
    if not ledgers:
        return
    _write_runs([row for ledger in ledgers for row in ledger.run_rows.values()])
    db.session.execute(insert(PingRow), [row for ledger in ledgers for row in ledger.ping_rows])
    _write_monitors(ledgers)


def _write_runs(rows: Sequence[dict[str, Any]]) -> None:
    """New runs are inserted, known ones brought up to date; what a ping did not speak of stays as it is."""
    by_shape: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        told = row.pop("told")
        by_shape.setdefault(tuple(sorted(told)), []).append(row | told)
    for shape, alike in by_shape.items():
        statement = upsert(RunRow)
        changed: dict[str, Any] = {name: statement.excluded[name] for name in (*_DECIDED, *shape)}
        if "metrics" in shape:
            changed["metrics"] = RunRow.metrics.op("||")(statement.excluded.metrics)
        statement = statement.on_conflict_do_update(index_elements=[RunRow.id, RunRow.at], set_=changed)
        db.session.execute(statement, alike)


_DECIDED = ("started_at", "finished_at", "deadline_at", "overran_at", "outcome", "duration_ms")


def _write_monitors(ledgers: Sequence[_Ledger]) -> None:
    rows = [
        {"id": ledger.row.id, "ping_count": ledger.count} | monitor_rows.columns(ledger.state, ledger.runs.values())
        for ledger in ledgers
    ]
    db.session.execute(update(Monitor), rows)


def _verdict(ledger: _Ledger, change: Change, ping: Ping) -> Verdict:
    cause = incidents.Cause(
        kind=change.kind,
        at=change.at,
        run_id=change.run_id,
        exit_code=ping.exit_code,
        duration_ms=ledger.runs[change.run_id].duration_ms if change.run_id in ledger.runs else None,
        quote=ping.message or signals.tail(ping, 2_000),
        in_a_row=ledger.state.bad,
        overlapped=ping.signal is Signal.START,
    )
    return Verdict(ledger.row, ledger.rules, cause)
