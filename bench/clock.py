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
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import redis

from tokiflow.local import processes
from tokiflow.local.folder import DataFolder
from tokiflow.local.postgres import Postgres
from tokiflow.local.valkey import Valkey

ROOT = Path(__file__).parents[1]
POLL_SECONDS = 0.005
IDLE_SECONDS = 10.0
PROBES = 50
PROBE_GAP = timedelta(seconds=0.13)
STORM = 1000
PATIENCE_SECONDS = 240.0
TICKS = os.sysconf("SC_CLK_TCK")

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Line:
    """One line of the table: what was measured, and the figure with its unit."""

    what: str
    figure: str


class Town:
    """A database full of monitors that all wait for their next ping, and the clocks that watch it."""

    def __init__(self, place: Path, monitors: int) -> None:
        self.monitors = monitors
        self.folder = DataFolder(place / "data")
        self.folder.make()
        sockets = self.folder.sockets()
        self.postgres = Postgres(self.folder, sockets)
        self.valkey = Valkey(self.folder, sockets)
        self.server: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The settings of our processes."""
        return {
            **os.environ,
            "TOKIFLOW_ENV": "production",
            "SECRET_KEY": "a-key-for-the-bench-only-0123456789-ABCDEF",
            "DATABASE_URL": self.postgres.url(),
            "REDIS_URL": self.valkey.url(),
            "LOG_LEVEL": "ERROR",
        }

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """Start the servers, fill the tables; a connection that commits at once."""
        self.postgres.prepare()
        with ExitStack() as stack:
            for server in (self.postgres, self.valkey):
                process = server.start(subprocess.DEVNULL)
                stack.callback(processes.stop, process, server.stop_signal, 20.0)
                server.wait(process)
                self.server = self.server or process
            self._run("db", "migrate")
            with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
                _fill(connection, self.monitors)
                yield connection

    @contextmanager
    def clocks(self, number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
        """`number` clocks, watching."""
        command = [sys.executable, "-m", "tokiflow.cli", "clock"]
        started = [subprocess.Popen(command, env=self.environment, cwd=ROOT) for _ in range(number)]
        try:
            with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
                alive = "select count(*) from heartbeats where kind = 'clock'"
                _until(lambda: _count(connection, alive) >= number)
            yield started
        finally:
            for clock in started:
                processes.stop(clock, self.valkey.stop_signal, 20.0)

    def _run(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tokiflow.cli", *arguments]
        subprocess.run(command, env=self.environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    def rung(self) -> int:
        """How many times the doorbell was rung and nobody has come yet."""
        with redis.Redis.from_url(self.valkey.url()) as valkey:
            return int(valkey.llen("rq:queue:tokiflow"))


def _fill(connection: Connection, monitors: int) -> None:
    """One organization with `monitors` hourly jobs, their next pings spread over a day from an hour on."""
    connection.execute(
        "insert into organizations (id, name, slug) values (gen_random_uuid(), 'Harbour Freight', 'harbour-freight')"
    )
    connection.execute(
        """
        insert into monitors (id, organization_id, name, slug, token, schedule_kind, schedule_seconds,
            grace_seconds, max_runtime_seconds, status, last_ping_at, due_at, deadline_at, watch_at)
        select gen_random_uuid(), organizations.id, 'job ' || n, 'job-' || n, md5(random()::text) || n, 'every', 3600,
            300, 3600, 'up', now(), at - interval '300 s', at, at
        from organizations, generate_series(1, %s) n,
            lateral (select now() + interval '1 hour' + n * interval '86400 s' / %s) as spread (at)
        """,
        [monitors, monitors],
    )
    connection.execute("vacuum analyze")


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


def _count(connection: Connection, query: str, *values: object) -> int:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return int(row[0])


def _incidents(connection: Connection) -> int:
    return _count(connection, "select count(*) from incidents where resolved_at is null")


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
    return _count(connection, "select xact_commit from pg_stat_database where datname = current_database()")


def _cpu(town: Town, clocks: Sequence[int]) -> tuple[float, float]:
    """CPU seconds so far: of the clocks, and of PostgreSQL with all its children."""
    assert town.server is not None
    children = sum(_used(pid) for pid in _children(town.server.pid))
    return sum(_used(pid) for pid in clocks), children + _used(town.server.pid, gone_children=True)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _used(pid: int, *, gone_children: bool = False) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return 0.0
    return sum(int(field) for field in fields[11 : 15 if gone_children else 13]) / TICKS


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
    return _count(connection, "select count(*) from channels") > 0


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
    number = _count(connection, "select count(*) from monitors where status = 'up'")
    _due(connection, list(itertools.repeat(at, number)), failures_to_open=100)
    connection.execute("analyze monitors")
    _until(lambda: datetime.now(UTC) >= at)
    waiting = "select count(*) from (select from monitors where watch_at <= %s limit 1)"
    # Asked seldom: the question wades through all index entries that the sweep has left behind.
    done = _until(lambda: not _count(connection, waiting, at), poll_seconds=0.5)
    seconds = (done - at).total_seconds()
    yield Line(f"{number:,} at once, none opens", f"{seconds:.1f} s, {number / seconds:,.0f} a second")


def measure(monitors: int, clocks: int) -> Iterator[Line]:
    """Every figure, in the order in which they are taken."""
    place = Path(tempfile.mkdtemp(prefix="tokiflow-bench-"))
    place.chmod(0o711)  # as root, PostgreSQL runs as `nobody` and has to get through
    town = Town(place, monitors)
    try:
        with town.open() as connection, town.clocks(clocks) as watching:
            yield from idle(town, connection, watching)
            yield from probes(connection)
            yield from storm(town, connection, "nobody to tell")
            _add_channel(connection)
            yield from storm(town, connection, "one channel")
            yield from everything(connection)
    finally:
        town.folder.remove_sockets()
        shutil.rmtree(place, ignore_errors=True)


def main() -> None:
    """Measure, and print each figure as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--monitors", type=int, default=100_000)
    parser.add_argument("--clocks", type=int, default=1)
    chosen = parser.parse_args()
    print(f"{chosen.monitors:,} monitors, {chosen.clocks} clock(s), {os.cpu_count()} cores", flush=True)
    for line in measure(chosen.monitors, chosen.clocks):
        print(f"{line.what:<46} {line.figure}", flush=True)


if __name__ == "__main__":
    main()
