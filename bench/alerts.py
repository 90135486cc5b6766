"""How fast and how fairly alerts leave: 1,000 jobs fall silent in the same second, and each has a webhook.

    python -m bench.alerts                     all of it, about three minutes
    python -m bench.alerts --monitors 200      a smaller storm
    python -m bench.alerts --only "0 ms"       only the storms whose name has that in it

Real PostgreSQL and Valkey, the clock and the workers of the Procfile, and a receiver in a process of its own. Moments
are the receiver's: what counts is when the request came in.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from bench import circumstances, kernel, table
from bench import town as towns
from bench.town import Connection, Running, Town, count, procfile
from tokiflow.local import ports

STORM = 1_000
PATIENCE_SECONDS = 120.0
IDLE_PROBES = 20
BYSTANDER = "/bystander"
"""Where the alert of the other organization goes."""


@dataclass(frozen=True)
class Storm:
    """What is let loose."""

    name: str
    delay_ms: int = 0
    workers: int = 1
    together: bool = False
    """Whether the clock is in the worker's process, as `tokiflow up` has it."""
    one_channel: bool = False
    dead_share: float = 0.0
    """So many of the monitors tell a host that takes connections and never answers."""
    bystander: bool = False
    """Whether another organization has a single alert in the middle of it."""


STORMS = (
    Storm("a channel each, 0 ms"),
    Storm("a channel each, 0 ms, 2 workers", workers=2),
    Storm("a channel each, 0 ms, worker and clock in one", together=True),
    Storm("one channel for all, 0 ms", one_channel=True),
    Storm("a channel each, 100 ms", delay_ms=100),
    Storm("a channel each, 100 ms, 2 workers", delay_ms=100, workers=2),
    Storm("a channel each, 0 ms, a dead host among them", dead_share=0.1),
    Storm("a channel each, 100 ms, and somebody else's alert", delay_ms=100, bystander=True),
    Storm("all to a dead host, and somebody else's alert", dead_share=1.0, bystander=True),
)


@dataclass(frozen=True)
class Came:
    """One request at the receiver."""

    at: float
    path: str
    delivery: str


class Receiver:
    """The receiver's process, and what has come to it so far."""

    def __init__(self, place: Path, delay_ms: int) -> None:
        self.port = ports.free()
        self._log = place / f"received-{self.port}"
        command = [sys.executable, "-m", "bench.receiver", str(self.port), str(delay_ms)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, cwd=towns.ROOT)
        _until(lambda: _listens(self.port))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def came(self) -> list[Came]:
        lines = (line.split() for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n"))
        return [Came(float(at), path, delivery) for at, path, delivery in lines]


@contextmanager
def receiving(place: Path, delay_ms: int) -> Iterator[Receiver]:
    """A receiver, until the end of the block."""
    made = Receiver(place, delay_ms)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


@contextmanager
def dead_host() -> Iterator[str]:
    """The address of somebody who takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def at_work(town: Town, workers: int = 1, *, together: bool = False) -> Iterator[list[Running]]:
    """A clock and so many workers, all awake. The workers come first."""
    command = procfile()["worker"] + (" --clock" if together else "")
    with ExitStack() as stack:
        started = [stack.enter_context(town.run("worker", command)) for _ in range(workers)]
        if not together:
            started.append(stack.enter_context(town.run("clock", procfile()["clock"])))
        with psycopg.connect(town.postgres.url(), autocommit=True) as connection:
            alive = "select count(*) from heartbeats where seen_at > now() - interval '3 s' and left_at is null"
            _until(lambda: count(connection, alive) >= workers + 1)
        time.sleep(2)  # what is loaded late is loaded
        yield started


def _until(true: object, seconds: float = PATIENCE_SECONDS) -> None:
    limit = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        if time.monotonic() > limit:
            raise TimeoutError(f"waited {seconds:.0f} s in vain")
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


# --- who lives there ----------------------------------------------------------------------------------------------


def settle(connection: Connection, storm: Storm, monitors: int, alive: str, dead: str) -> None:
    """Monitors that are well, a webhook each or one for all, and the neighbour with one of each."""
    connection.execute("truncate organizations cascade")
    towns.fill(connection, monitors)
    connection.execute(
        """
        insert into channels (id, organization_id, kind, name, config)
        select gen_random_uuid(), organization_id, 'webhook', 'hook ' || name, jsonb_build_object('url',
            case when row_number() over () <= %s then %s else %s end || '/' || name,
            'secret', 'a-secret-of-two', 'headers', '{}'::jsonb, 'method', 'POST', 'template', null)
        from (select organization_id, slug as name from monitors order by id limit %s)
        """,
        [round(storm.dead_share * monitors), dead, alive, 1 if storm.one_channel else monitors],
    )
    if not storm.one_channel:
        connection.execute(
            "insert into monitor_channels (monitor_id, channel_id) select m.id, c.id from monitors m "
            "join channels c on c.name = 'hook ' || m.slug"
        )
        connection.execute("update monitors set own_channels = true")
    _add_neighbour(connection, alive)
    towns.settle(connection)


def _add_neighbour(connection: Connection, alive: str) -> None:
    connection.execute(
        """
        with home as (
            insert into organizations (id, name, slug) values (gen_random_uuid(), 'Charlie & Sons', 'charlie')
            returning id
        ), told as (
            insert into channels (id, organization_id, kind, name, config)
            select gen_random_uuid(), id, 'webhook', 'charlie', jsonb_build_object('url', %s::text,
                'secret', null, 'headers', '{}'::jsonb, 'method', 'POST', 'template', null) from home
        )
        insert into monitors (id, organization_id, name, slug, token, schedule_kind, schedule_seconds, grace_seconds,
            max_runtime_seconds, status, last_ping_at, due_at, deadline_at, watch_at)
        select gen_random_uuid(), id, 'the neighbour', 'the-neighbour', 'neighbour', 'every', 3600, 300, 3600, 'up',
            now(), at - interval '300 s', at, at from home, (select now() + interval '1 day') as later (at)
        """,
        [f"{alive}{BYSTANDER}"],
    )


def fall_silent(connection: Connection, at: datetime, *, neighbour: bool = False) -> None:
    """The deadline of all monitors, or of the neighbour's, passes at `at`."""
    connection.execute(
        "update monitors set status = 'up', deadline_at = %s, watch_at = %s, due_at = %s "
        "where (slug = 'the-neighbour') = %s",
        [at, at, at - timedelta(seconds=300), neighbour],
    )


# --- what is measured ---------------------------------------------------------------------------------------------


HEAD = (
    "storm", "a second", "first after", "last after", "CPU ms each", "worker", "clock", "PostgreSQL", "neighbour after",
    "twice", "lost", "load",
)  # fmt: skip


def weather(town: Town, connection: Connection, storm: Storm, monitors: int) -> list[str]:
    """Let it loose; a row of the table."""
    with receiving(town.place, storm.delay_ms) as receiver, dead_host() as dead:
        settle(connection, storm, monitors, receiver.url, dead)
        with at_work(town, storm.workers, together=storm.together) as running:
            before = _cpu(town, running)
            deadline = datetime.now(UTC) + timedelta(seconds=1.5)
            fall_silent(connection, deadline)
            aside = deadline + timedelta(seconds=0.5) if storm.bystander else None
            if aside:
                fall_silent(connection, aside, neighbour=True)
            expected = monitors - round(storm.dead_share * monitors)
            _until(lambda: len(_stormy(receiver.came())) >= expected and (not aside or _besides(receiver.came())))
            used = [after - was for after, was in zip(_cpu(town, running), before, strict=True)]
        return _row(storm, receiver.came(), deadline, aside, expected, used)


def _stormy(came: Sequence[Came]) -> list[Came]:
    return [one for one in came if one.path != BYSTANDER]


def _besides(came: Sequence[Came]) -> list[Came]:
    return [one for one in came if one.path == BYSTANDER]


def _row(
    storm: Storm, came: Sequence[Came], deadline: datetime, aside: datetime | None, expected: int, used: Sequence[float]
) -> list[str]:
    moments = sorted(one.at for one in _stormy(came))
    once = {one.delivery for one in _stormy(came)}
    seconds = moments[-1] - moments[0] if moments else 0.0
    # Of the CPU, which says more than the rate does where others use the machine at the same time.
    clock, postgres = 0.0 if storm.together else used[-2], used[-1]
    by_process = [sum(used), sum(used[: storm.workers]), clock, postgres]
    return [
        storm.name,
        f"{(len(moments) - 1) / seconds:,.0f}" if seconds else "",
        f"{moments[0] - deadline.timestamp():.2f} s" if moments else "",
        f"{moments[-1] - deadline.timestamp():.2f} s" if moments else "",
        *(f"{1000 * seconds / expected:.2f}" if expected else "" for seconds in by_process),
        f"{_besides(came)[0].at - aside.timestamp():.2f} s" if aside else "",
        str(len(moments) - len(once)),
        str(expected - len(once)),
        f"{os.getloadavg()[0]:.1f}",
    ]


def _cpu(town: Town, running: Sequence[Running]) -> list[float]:
    """CPU seconds so far: of each process, and of PostgreSQL with all its children."""
    assert town.server is not None
    below = sum(kernel.cpu_seconds(pid) for pid in kernel.children(town.server.pid))
    postgres = below + kernel.cpu_seconds(town.server.pid, gone_children=True)
    return [*(kernel.cpu_seconds(one.process.pid) for one in running), postgres]


def idle(town: Town, connection: Connection) -> list[float]:
    """How many seconds after its deadline a lone alert arrives, one after the other."""
    with receiving(town.place, 0) as receiver, dead_host() as dead:
        settle(connection, Storm("idle"), 10, receiver.url, dead)
        with at_work(town, 1):
            found = []
            for n in range(IDLE_PROBES):
                deadline = datetime.now(UTC) + timedelta(seconds=0.7)
                connection.execute("delete from incidents")
                fall_silent(connection, deadline, neighbour=True)
                _until(lambda n=n: len(receiver.came()) > n)
                found.append(receiver.came()[n].at - deadline.timestamp())
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print each row as soon as it is known; exit code 1 if an alert was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--monitors", type=int, default=STORM)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args(arguments)
    rows: list[list[str]] = []
    with towns.made() as town:
        town.more["TOKIFLOW_OUTBOUND_ALLOW"] = "127.0.0.0/8"
        with town.open() as connection:
            print(circumstances.told(town, connection), flush=True)
            for storm in (one for one in STORMS if chosen.only in one.name):
                rows.append(weather(town, connection, storm, chosen.monitors))
                print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
            lone = [] if chosen.only else idle(town, connection)
    print(f"\n{chosen.monitors:,} silent at once\n\n{table.markdown(HEAD, rows)}")
    if lone:
        usual, most = 1000 * statistics.median(lone), 1000 * max(lone)
        print(
            f"\nA lone alert arrives {usual:.0f} ms after its deadline (median of {len(lone)}), {most:.0f} ms at most."
        )
    sys.exit(any(row[HEAD.index("lost")] != "0" for row in rows))


if __name__ == "__main__":
    main()
