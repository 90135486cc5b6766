"""`tokiflow worker`: rings are answered one after another, whatever a job or Redis does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue

from tests.fixtures.database import Database
from tests.fixtures.instance import ROOT, wait_until
from tokiflow.local.folder import DataFolder
from tokiflow.local.valkey import Valkey
from tokiflow.queue import QUEUE


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey that the test may end."""
    folder = DataFolder(tmp_path / "data")
    folder.make()
    yield Valkey(folder, folder.sockets())
    folder.remove_sockets()


class Served:
    """Starts that Valkey, and starts it again."""

    def __init__(self, valkey: Valkey, log: Path) -> None:
        self.valkey = valkey
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = self.valkey.start(output)
        self.valkey.wait(self.process)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def served(valkey: Valkey, tmp_path: Path) -> Iterator[Served]:
    """That Valkey, running."""
    made = Served(valkey, tmp_path / "valkey.log")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def worker(empty_database: Database, valkey: Valkey, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker on that Valkey, which need not run."""
    environment = {**os.environ, **empty_database.environment, "REDIS_URL": valkey.url()}
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tokiflow.cli", "worker"], env=environment, cwd=ROOT, stdout=log, stderr=log
        )
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def ring(valkey: Valkey, function: str, *arguments: object, limit: int = 30) -> None:
    with Redis.from_url(valkey.url()) as redis:
        Queue(QUEUE, connection=redis).enqueue(function, *arguments, job_timeout=limit, result_ttl=0)


def test_it_waits_for_redis_outlives_it_and_stops_when_told(
    worker: subprocess.Popen[bytes], served: Served, valkey: Valkey, tmp_path: Path
) -> None:
    ring(valkey, "pathlib.Path.mkdir", tmp_path / "first")
    wait_until((tmp_path / "first").exists, 30, "the first job")

    served.kill()
    served.start()
    ring(valkey, "pathlib.Path.mkdir", tmp_path / "second")
    wait_until((tmp_path / "second").exists, 40, "the job after Redis came back")

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0


def test_a_job_that_hangs_or_fails_holds_up_no_other(
    worker: subprocess.Popen[bytes], served: Served, valkey: Valkey, tmp_path: Path
) -> None:
    ring(valkey, "time.sleep", 600, limit=1)
    ring(valkey, "jobs.no.such.thing")
    ring(valkey, "os.kill", os.getpid(), 9999)
    ring(valkey, "pathlib.Path.mkdir", tmp_path / "after")
    wait_until((tmp_path / "after").exists, 60, "the job behind the one that hangs")
    assert worker.poll() is None


def test_it_is_known_to_live(worker: subprocess.Popen[bytes], empty_database: Database) -> None:
    def has_beaten() -> bool:
        with empty_database.connect() as connection:
            row = connection.execute("SELECT count(*) FROM heartbeats WHERE kind = 'worker'").fetchone()
        return row is not None and row[0] == 1

    wait_until(has_beaten, 30, "the first beat, without any Redis")
