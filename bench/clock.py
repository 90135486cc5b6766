"""How fast the clock is with 100,000 monitors: real PostgreSQL on a real disk, real `tokiflow clock` processes.

    python -m bench.clock                      all of it, about three minutes
    python -m bench.clock --clocks 2           the same with two clocks side by side
    python -m bench.clock --monitors 10000     a smaller town

Moments are seen from outside: another connection asks every few milliseconds what is committed by now.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from bench import kernel
from bench import town as towns
from bench.town import Connection, Town, count, procfile

POLL_SECONDS = 0.005
IDLE_SECONDS = 10.0
PROBES = 50
PROBE_GAP = timedelta(seconds=0.13)
STORM = 1000
PATIENCE_SECONDS = 240.0


@dataclass(frozen=True)
class Line:
    """One line of the table: what was measured, and the figure with its unit."""

    what: str
    figure: str


@contextmanager
def clocks(town: Town, number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """`number` clocks, watching."""
    with ExitStack() as stack:
        started = [stack.enter_context(town.run("clock", procfile()["clock"])) for _ in range(number)]
        with psycopg.connect(town.postgres.url(), autocommit=True) as connection:
            alive = "select count(*) from heartbeats where kind = 'clock'"
            _until(lambda: count(connection, alive) >= number)
        yield [clock.process for clock in started]


def _due(connection: Connection, moments: Sequence[datetime], failures_to_open: int = 1) -> None:
    """Let one monitor that is well fall due at each of `moments`."""
    connection.execute(
        """
        with wanted as (select at, row_number() over () n from unnest(%s::timestamptz[]) at),
        chosen as (select id, row_number() over () n from monitors where status = 'up' limit %s)
        update monitors set deadline_at = at, watch_at = at, due_at = at - interval '300 s', failures_to_open = %s
        from chosen join wanted using (n) where monitors.id = chosen.id
        """,
        [list(moments), len(moments), failures_to_open],
    )


def _until(true: Callable[[], bool], poll_seconds: float = POLL_SECONDS) -> datetime:
    """When `true()` held for the first time."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if time.monotonic() > limit:
            raise TimeoutError(f"waited {PATIENCE_SECONDS:.0f} s in vain")
        time.sleep(poll_seconds)
    return datetime.now(UTC)


def _incidents(connection: Connection) -> int:
    return count(connection, "select count(*) from incidents where resolved_at is null")


# --- what is measured -------------------------------------------------------------------------------------------


def idle(town: Town, connection: Connection, clocks: Sequence[subprocess.Popen[bytes]]) -> Iterator[Line]:
    """What it costs to watch when nothing happens."""
    mine = [clock.pid for clock in clocks]
    before, commits = _cpu(town, mine), _commits(connection)
    time.sleep(IDLE_SECONDS)
    after, more = _cpu(town, mine), _commits(connection)
    yield Line("idle: transactions", f"{(more - commits) / IDLE_SECONDS:.1f} a second")
    yield Line("idle: CPU of the clock", f"{_share(after[0] - before[0])} of a core")
    yield Line("idle: CPU of PostgreSQL", f"{_share(after[1] - before[1])} of a core")


def _share(seconds: float) -> str:
    return f"{100 * seconds / IDLE_SECONDS:.1f} %"


def _commits(connection: Connection) -> int:
    connection.execute("select pg_stat_clear_snapshot()")
    return count(connection, "select xact_commit from pg_stat_database where datname = current_database()")


def _cpu(town: Town, clocks: Sequence[int]) -> tuple[float, float]:
    """CPU seconds so far: of the clocks, and of PostgreSQL with all its children."""
    assert town.server is not None
    server = town.server.pid
    below = sum(kernel.cpu_seconds(pid) for pid in kernel.children(server))
    return sum(kernel.cpu_seconds(pid) for pid in clocks), below + kernel.cpu_seconds(server, gone_children=True)


def probes(connection: Connection) -> Iterator[Line]:
    """How long after its deadline an incident is there, when deadlines come one by one."""
    start = datetime.now(UTC) + timedelta(seconds=2)
    deadlines = [start + n * PROBE_GAP for n in range(PROBES)]
    known = _incidents(connection)
    _due(connection, deadlines)
    delays = [
        (_until(lambda n=n: _incidents(connection) > known + n) - deadline).total_seconds()  # type: ignore[misc]
        for n, deadline in enumerate(deadlines)
    ]
    yield Line(f"one by one: median of {PROBES}", f"{1000 * statistics.median(delays):.0f} ms")
    yield Line("one by one: slowest", f"{1000 * max(delays):.0f} ms")


def storm(town: Town, connection: Connection, name: str) -> Iterator[Line]:
    """How long until the last incident of many is open, when all are due in the same moment."""
    at = datetime.now(UTC) + timedelta(seconds=2)
    known, rung = _incidents(connection), town.rung()
    _due(connection, [at] * STORM)
    first = _until(lambda: _incidents(connection) > known) - at
    bell = _until(lambda: town.rung() > rung) - at if _has_channel(connection) else None
    last = _until(lambda: _incidents(connection) >= known + STORM) - at
    yield Line(f"{STORM:,} at once, {name}: first open", f"{first.total_seconds():.2f} s")
    if bell:
        yield Line(f"{STORM:,} at once, {name}: first alert leaves", f"{bell.total_seconds():.2f} s")
    yield Line(f"{STORM:,} at once, {name}: all open", f"{last.total_seconds():.2f} s")


def _has_channel(connection: Connection) -> bool:
    return count(connection, "select count(*) from channels") > 0


def _add_channel(connection: Connection) -> None:
    connection.execute(
        """
        insert into channels (id, organization_id, kind, name, config)
        select gen_random_uuid(), id, 'email', 'ops', '{"to": ["ops@harbour.example"]}' from organizations
        """
    )


def everything(connection: Connection) -> Iterator[Line]:
    """How many silent monitors are judged a second when none of them opens an incident yet."""
    at = datetime.now(UTC) + timedelta(seconds=15)
    number = count(connection, "select count(*) from monitors where status = 'up'")
    _due(connection, list(itertools.repeat(at, number)), failures_to_open=100)
    connection.execute("analyze monitors")
    _until(lambda: datetime.now(UTC) >= at)
    waiting = "select count(*) from (select from monitors where watch_at <= %s limit 1)"
    # Asked seldom: the question wades through all index entries that the sweep has left behind.
    done = _until(lambda: not count(connection, waiting, at), poll_seconds=0.5)
    seconds = (done - at).total_seconds()
    yield Line(f"{number:,} at once, none opens", f"{seconds:.1f} s, {number / seconds:,.0f} a second")


def measure(monitors: int, number: int) -> Iterator[Line]:
    """Every figure, in the order in which they are taken."""
    with towns.made() as town, town.open() as connection:
        towns.fill(connection, monitors)
        with clocks(town, number) as watching:
            yield from idle(town, connection, watching)
            yield from probes(connection)
            yield from storm(town, connection, "nobody to tell")
            _add_channel(connection)
            yield from storm(town, connection, "one channel")
            yield from everything(connection)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print each figure as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--monitors", type=int, default=100_000)
    parser.add_argument("--clocks", type=int, default=1)
    chosen = parser.parse_args(arguments)
    print(f"{chosen.monitors:,} monitors, {chosen.clocks} clock(s), {os.cpu_count()} cores", flush=True)
    for line in measure(chosen.monitors, chosen.clocks):
        print(f"{line.what:<46} {line.figure}", flush=True)


if __name__ == "__main__":
    main()
