"""The place all benches measure in: real PostgreSQL and Valkey on a real disk, and Tokiflow's own processes.

The processes are started with the very lines of the Procfile, so that what is measured is what is deployed.
"""

from __future__ import annotations

import http.client
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis

from bench.slow_disk import SlowPostgres
from tokiflow.local import ports, processes
from tokiflow.local.folder import DataFolder
from tokiflow.local.postgres import Postgres
from tokiflow.local.valkey import Valkey

ROOT = Path(__file__).parents[1]
START_SECONDS = 60.0
STOP_SECONDS = 20.0

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Running:
    """A process that was started with a line of the Procfile. Nobody listens on `port` unless the line names it."""

    name: str
    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Town:
    """One database, one Valkey, and whatever processes are started beside them."""

    def __init__(self, place: Path, fsync_ms: float | None = None) -> None:
        self.place = place
        self.folder = DataFolder(place / "data")
        self.folder.make()
        sockets = self.folder.sockets()
        self.postgres = SlowPostgres(self.folder, sockets, fsync_ms) if fsync_ms else Postgres(self.folder, sockets)
        self.valkey = Valkey(self.folder, sockets)
        self.server: subprocess.Popen[bytes] | None = None
        self.more: dict[str, str] = {}
        """Settings of this town alone."""

    @property
    def environment(self) -> dict[str, str]:
        """The settings of our processes."""
        return {
            **os.environ,
            # The programs the Procfile names, and this very checkout, wherever an editable install may point.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONPATH": str(ROOT),
            "TOKIFLOW_ENV": "production",
            "SECRET_KEY": "a-key-for-the-bench-only-0123456789-ABCDEF",
            "DATABASE_URL": self.postgres.url(),
            "REDIS_URL": self.valkey.url(),
            "LOG_LEVEL": "ERROR",
            "TOKIFLOW_SPOOL": str(self.place / "spool"),
            # All load comes from one address, as no real load does.
            "TOKIFLOW_PING_RATE": "unlimited",
            **self.more,
        }

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """Start the servers and make the tables; a connection that commits at once."""
        self.postgres.prepare()
        with ExitStack() as stack:
            for server in (self.postgres, self.valkey):
                process = server.start(subprocess.DEVNULL)
                stack.callback(processes.stop, process, server.stop_signal, STOP_SECONDS)
                server.wait(process)
                self.server = self.server or process
            self.tokiflow("db", "migrate")
            with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
                yield connection

    def tokiflow(self, *arguments: str) -> str:
        """Run `tokiflow ARGUMENTS…` to its end; what it printed."""
        command = [sys.executable, "-m", "tokiflow.cli", *arguments]
        done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"`tokiflow {' '.join(arguments)}` failed:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    @contextmanager
    def run(self, name: str, line: str) -> Iterator[Running]:
        """The process of a Procfile's `line`, answering on a port of its own if the line asks for one."""
        port, names = ports.free(), port_variables(line)
        environment = self.environment | dict.fromkeys(names, str(port))
        command = ["/bin/sh", "-c", f"cd {shlex.quote(str(ROOT))} && exec {line}"]
        process = processes.start(processes.Spec(name, command, environment), output=subprocess.DEVNULL)
        try:
            if names:
                _wait_for_answer(process, name, port)
            yield Running(name, process, port)
        finally:
            processes.stop(process, signal.SIGTERM, STOP_SECONDS)
            processes.kill_group(process)

    def rung(self) -> int:
        """How many times the doorbell was rung and nobody has come yet."""
        with redis.Redis.from_url(self.valkey.url()) as valkey:
            return int(valkey.llen("rq:queue:tokiflow"))


@contextmanager
def made(fsync_ms: float | None = None) -> Iterator[Town]:
    """A town that is gone at the end. `fsync_ms` slows its disk down (bench.slow_disk)."""
    place = Path(tempfile.mkdtemp(prefix="tokiflow-bench-"))
    place.chmod(0o711)  # as root, PostgreSQL runs as `nobody` and has to get through
    town = Town(place, fsync_ms)
    try:
        yield town
    finally:
        town.folder.remove_sockets()
        shutil.rmtree(place, ignore_errors=True)


def procfile() -> dict[str, str]:
    """What runs when Tokiflow is deployed: the command line by process name."""
    lines = (line.partition(":") for line in (ROOT / "Procfile").read_text().splitlines() if ":" in line)
    return {name.strip(): line.strip() for name, _, line in lines if name.strip() != "release"}


def port_variables(line: str) -> list[str]:
    """The variables that tell the process of this line where to listen: PORT, and any other that ends so."""
    return re.findall(r"\$\{?(\w*PORT)\b", line)


def _wait_for_answer(process: subprocess.Popen[bytes], name: str, port: int) -> None:
    """Return at the first answer on `port`, whatever it says."""
    until = time.monotonic() + START_SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        try:
            connection.request("GET", "/")
            connection.getresponse()
            return
        except (OSError, http.client.HTTPException):
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended while starting (exit code {process.returncode})") from None
            if time.monotonic() > until:
                raise TimeoutError(f"{name} did not answer within {START_SECONDS:.0f} s") from None
            time.sleep(processes.POLL_SECONDS)
        finally:
            connection.close()


# --- who lives there ----------------------------------------------------------------------------------------------


SLUG = "harbour-freight-1"
"""The first organization's."""


def fill(connection: Connection, monitors: int, each: int | None = None) -> None:
    """Hourly jobs, until there are `monitors`; their next pings spread over a day from an hour on.

    `each` organization has so many; without it, one has all.
    """
    there = count(connection, "select count(*) from monitors")
    each = each or monitors
    connection.execute(
        """
        insert into organizations (id, name, slug)
        select gen_random_uuid(), 'Harbour Freight ' || n, 'harbour-freight-' || n from generate_series(1, %s) n
        on conflict do nothing
        """,
        [-(-monitors // each)],
    )
    connection.execute(
        """
        insert into monitors (id, organization_id, name, slug, token, schedule_kind, schedule_seconds,
            grace_seconds, max_runtime_seconds, status, last_ping_at, due_at, deadline_at, watch_at)
        select gen_random_uuid(), organizations.id, 'job ' || n, 'job-' || n, left(md5(random()::text || n), 22),
            'every', 3600, 300, 3600, 'up', now(), at - interval '300 s', at, at
        from generate_series(%s::int, %s) n join organizations on slug = 'harbour-freight-' || 1 + (n - 1) / %s,
            lateral (select now() + interval '1 hour' + n * interval '86400 s' / %s) as spread (at)
        """,
        [there + 1, monitors, each, monitors],
    )
    settle(connection)


def settle(connection: Connection) -> None:
    """Do now what PostgreSQL would do in the background after so many new rows, and disturb the first figures with."""
    connection.execute("vacuum analyze")
    connection.execute("checkpoint")


def count(connection: Connection, query: str, *values: object) -> int:
    """The one whole number that `query` selects; 0 for null."""
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return int(row[0] or 0)
