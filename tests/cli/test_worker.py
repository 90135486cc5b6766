"""`tokiflow worker`: rings are answered one after another, whatever a job or Redis does."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from redis import Redis
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from tests.cli.noting import FAILS, HANGS
from tests.fixtures.database import Database
from tests.fixtures.instance import ROOT, wait_until
from tokiflow.cli import worker as workers
from tokiflow.cli.clock import Clock
from tokiflow.core import ids
from tokiflow.local.folder import DataFolder
from tokiflow.local.valkey import Valkey
from tokiflow.queue import QUEUE, Job, Ring, opened


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


@contextmanager
def working(module: str, database: Database, valkey: Valkey, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m module worker` on that Valkey, which need not run. It begins in `folder`."""
    environment = {**os.environ, **database.environment, "REDIS_URL": valkey.url(), "PYTHONPATH": str(ROOT)}
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "worker"], env=environment, cwd=folder, stdout=log, stderr=log
        )
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


@pytest.fixture
def worker(empty_database: Database, valkey: Valkey, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker."""
    with working("tokiflow.cli", empty_database, valkey, tmp_path) as process:
        yield process


@pytest.fixture
def noting(empty_database: Database, valkey: Valkey, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker whose jobs write down what they were asked for, instead of doing it."""
    with working("tests.cli.noting", empty_database, valkey, tmp_path) as process:
        yield process


def ring(valkey: Valkey, job: Job, ids: Sequence[UUID] = (), limit: int = 30) -> Ring:
    with Redis.from_url(valkey.url()) as redis:
        asked = opened(redis).enqueue(str(job), [str(one) for one in ids], job_timeout=limit, result_ttl=600)
    assert isinstance(asked, Ring)
    return asked


def wait_done(asked: Ring, seconds: float, what: str) -> None:
    wait_until(lambda: asked.get_status() in {JobStatus.FINISHED, JobStatus.FAILED}, seconds, what)
    assert asked.get_status() == JobStatus.FINISHED


def test_it_waits_for_redis_outlives_it_and_stops_when_told(
    worker: subprocess.Popen[bytes], served: Served, valkey: Valkey
) -> None:
    wait_done(ring(valkey, Job.KEEP_HOUSE), 30, "the first job")

    served.kill()
    served.start()
    wait_done(ring(valkey, Job.KEEP_HOUSE), 40, "the job after Redis came back")

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0


def test_every_job_of_the_table_is_done(worker: subprocess.Popen[bytes], served: Served, valkey: Valkey) -> None:
    asked = {job: ring(valkey, job, [ids.new()]) for job in Job}
    for job, one in asked.items():
        wait_done(one, 60, job)
        assert isinstance(one.return_value(), int)
    assert worker.poll() is None


def test_each_job_gets_the_ids_it_was_rung_for(
    noting: subprocess.Popen[bytes], served: Served, valkey: Valkey, tmp_path: Path
) -> None:
    wanted = {job: [ids.new() for _ in range(n)] for n, job in enumerate(Job)}
    for job, some in wanted.items():
        wait_done(ring(valkey, job, some), 60, job)
    noted = {job: json.loads((tmp_path / job).read_text()) for job in Job}
    assert noted == {job: [str(one) for one in some] for job, some in wanted.items()}


def test_a_job_that_hangs_or_fails_holds_up_no_other(
    noting: subprocess.Popen[bytes], served: Served, valkey: Valkey
) -> None:
    hangs = ring(valkey, Job.ERASE, [HANGS], limit=1)
    fails = ring(valkey, Job.EXPORT, [FAILS])
    wait_done(ring(valkey, Job.KEEP_HOUSE), 60, "the job behind the one that hangs")
    assert [hangs.get_status(), fails.get_status()] == [JobStatus.FAILED, JobStatus.FAILED]
    assert noting.poll() is None


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return os.mkdir, (self.folder,)


def put(redis: Redis, **fields: bytes | str) -> None:
    """Lay a job into the queue by hand, as whoever can write to Redis might."""
    name = uuid4().hex
    usual: dict[str, bytes | str] = {"origin": QUEUE, "status": "queued", "timeout": "30"}
    for field, value in (usual | fields).items():
        redis.hset(f"rq:job:{name}", field, value)
    redis.rpush(f"rq:queue:{QUEUE}", name)


def asks(function: str, *arguments: object, instance: object = None) -> bytes:
    """What RQ writes for such a call."""
    return JSONSerializer.dumps([function, instance, arguments, {}])


def test_what_is_no_ring_is_refused_and_the_worker_lives_on(
    worker: subprocess.Popen[bytes], served: Served, valkey: Valkey, tmp_path: Path
) -> None:
    sprung = tmp_path / "sprung"
    pickle.loads(pickle.dumps(Trap(tmp_path / "would")))
    assert (tmp_path / "would").exists(), "a trap that works"
    trap = pickle.dumps(Trap(sprung))
    callback = {"failure_callback_name": "jobs.not_in_the_table", "success_callback_name": "os.mkdir"}
    with Redis.from_url(valkey.url()) as redis:
        put(redis, data=trap)
        put(redis, data=zlib.compress(trap))
        put(redis, data=pickle.dumps(("os.mkdir", None, (str(sprung),), {})))
        put(redis, data=asks("os.mkdir", str(sprung)))
        put(redis, data=asks("os.system", f"mkdir {sprung}"))
        put(redis, data=asks("os.system", [str(ids.new())]))
        put(redis, data=asks("jobs.alerts.UUID", [str(ids.new())]))
        put(redis, data=asks("mkdir", [], instance=str(sprung)))
        put(redis, data=asks(Job.KEEP_HOUSE, str(sprung)))
        put(redis, data=asks(Job.KEEP_HOUSE, [str(sprung)]))
        put(redis, data=b"[" * 100_000)
        put(redis, data=b"\xff", status="odd", timeout="never", created_at="\x00")
        put(redis, data=asks(Job.KEEP_HOUSE, []), status="odd")
        # Of one that is a ring, nothing else is read.
        put(redis, data=asks(Job.KEEP_HOUSE, []), meta=trap, result=trap, repeats_left="-", **callback)
        # An id that is none makes RQ give up; the next worker must not meet it again.
        redis.rpush(f"rq:queue:{QUEUE}", "no id!", b"\xff\xfe")
        wait_done(ring(valkey, Job.KEEP_HOUSE), 60, "the ring behind them")
        assert not sprung.exists()
        assert worker.poll() is None
        assert opened(redis).count == 0
        assert opened(redis).failed_job_registry.get_job_ids() == []
        assert len(list(redis.scan_iter("rq:job:*"))) == 2, "the two that are rings"
    assert (tmp_path / "worker.log").read_text().count("ring_refused") == 13


def test_it_is_known_to_live(worker: subprocess.Popen[bytes], empty_database: Database) -> None:
    def has_beaten() -> bool:
        with empty_database.connect() as connection:
            row = connection.execute("SELECT count(*) FROM heartbeats WHERE kind = 'worker'").fetchone()
        return row is not None and row[0] == 1

    wait_until(has_beaten, 30, "the first beat, without any Redis")


def test_a_worker_whose_clock_ends_by_itself_ends_with_it(app, monkeypatch):
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(Clock, "run", lambda clock, stop: None)
    loop = workers.Loop(app)
    workers._be_the_clock(loop)
    assert ended == [workers.EXIT_STUCK], "its parent starts both again"
    loop.stopping.set()
    workers._be_the_clock(loop)
    assert ended == [workers.EXIT_STUCK], "whoever was told to stop just stops"
