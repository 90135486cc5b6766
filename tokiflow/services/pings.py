"""Record pings: a whole batch in one transaction, with a handful of statements whatever its size.

The answer means *on disk*: `record` returns only after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from tokiflow.core.actors import Actor
from tokiflow.core.names import UNKNOWN, Known, Named, Refused
from tokiflow.core.rates import Rate
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, on_commit, transaction
from tokiflow.models import Monitor
from tokiflow.queue import Job, gather
from tokiflow.services import audit, ledgers, monitor_rows, names, outputs, ping_rows, verdicts
from tokiflow.services.ledgers import Ledger
from tokiflow.services.verdicts import Verdict

TEST = "test ping from the monitor's page"
"""What a ping says that a person has sent. It is no run to learn from."""


class Incoming(NamedTuple):
    """A ping, and the token or the name it was sent to. `promised`: it was answered already, and can't be refused."""

    to: str | Named
    ping: Ping
    promised: bool = False


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
        open_ledgers = {one.token: ledgers.opened(one) for one in watched}
        _add_runs(raw, open_ledgers.values(), batch)
        outcomes = [_receive(open_ledgers, to, incoming, rate) for to, incoming in zip(found, batch, strict=True)]
        changed = [ledger for ledger in open_ledgers.values() if ledger.changed]
        turns = _verdicts([ledger for ledger in changed if ledger.changes])
        _write(raw, changed)
        verdicts.carry_out(turns, now)
        if told := [ledger.was.id for ledger in changed if ledger.measured]:
            on_commit(partial(gather, Job.JUDGE, told))
    return outcomes


def _monitors(batch: Sequence[Incoming], now: datetime) -> list[Known | Refused]:
    """Where each goes. Tokens are not looked up yet; names are, all together, and only if there are any."""
    asked = [incoming.to for incoming in batch if isinstance(incoming.to, Named)]
    resolved = iter(names.resolve(asked, now) if asked else ())
    return [next(resolved) if isinstance(incoming.to, Named) else Known(incoming.to) for incoming in batch]


def send_test(monitor_id: UUID, by: Actor, now: datetime) -> None:
    """The ping that the "send a test ping" button stands for: a success, marked as a test. It may end an incident, so
    it is in the log who sent it."""
    row = db.session.execute(
        select(Monitor.token, Monitor.organization_id, Monitor.name).where(Monitor.id == monitor_id)
    ).one()
    ping = Ping(Signal.SUCCESS, now, message=TEST, method="POST", user_agent="Tokiflow")
    with transaction():
        record([Incoming(row.token, ping)], now)
        audit.record("monitor.tested", by, row.organization_id, now, object_id=monitor_id, object_name=row.name)


def _add_runs(raw: Any, open_ledgers: Iterable[Ledger], batch: Sequence[Incoming]) -> None:
    """Give each ledger its monitor's open runs, and the recent ones that pings name. Most pings need neither."""
    by_id = {ledger.was.id: ledger for ledger in open_ledgers}
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
        by_id[monitor_id].remember(run)


def _receive(
    open_ledgers: Mapping[str, Ledger], to: Known | Refused, incoming: Incoming, rate: Rate | None
) -> Known | Refused:
    if isinstance(to, Refused):
        return to
    ledger = open_ledgers.get(to.token)
    if ledger is None:
        return UNKNOWN
    if rate and not incoming.promised and (refusal := ledger.admit(incoming.ping.at, rate)):
        return refusal
    ledger.enter(incoming.ping)
    return to


def _write(raw: Any, changed: Sequence[Ledger]) -> None:
    if not changed:
        return
    bodies: list[bytes] = []
    pings = [row for ledger in changed for row in ledger.ping_rows(bodies)]
    new_runs = [row for ledger in changed for key, row in ledger.run_rows.items() if key not in ledger.known]
    known_runs = [row for ledger in changed for key, row in ledger.run_rows.items() if key in ledger.known]
    large = [row for row in pings if "body" in row and len(bodies[row["body"] - 1]) > outputs.INLINE]
    monitors = [ledger.monitor_row() for ledger in changed]
    ping_rows.write(raw, pings, bodies, new_runs, known_runs, monitors, outputs.offloads(large))


def _verdicts(turned: Sequence[Ledger]) -> list[Verdict]:
    """What follows from the changes. Few pings change anything, so only here the whole row is read."""
    if not turned:
        return []
    statement = select(*Monitor.__table__.columns).where(Monitor.id.in_([ledger.was.id for ledger in turned]))
    rows = {row.id: row for row in db.session.execute(statement)}
    return [Verdict(rows[ledger.was.id], ledger.rules, cause) for ledger in turned for cause in ledger.causes()]
