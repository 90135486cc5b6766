"""PostgreSQL dies and stays away: jobs ping all the same, and in the end it is as if nothing had happened."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.instance import running, wait_until
from tests.fixtures.receivers import receiving
from tests.flows.conftest import Api, House
from tokiflow.local import processes
from tokiflow.local.folder import DataFolder
from tokiflow.local.postgres import Postgres

EVERY = 30
AWAY_SECONDS = 16


class Database:
    """A PostgreSQL beside the instance, which nobody starts again but we."""

    def __init__(self, place: Path) -> None:
        self.folder = DataFolder(place / "data")
        self.folder.make()
        self._postgres = Postgres(self.folder, self.folder.sockets())
        self._postgres.prepare()
        self.url = self._postgres.url()
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        self._postgres.end_orphan()
        self.process = self._postgres.start(subprocess.DEVNULL)
        self._postgres.wait(self.process)
        return self.process

    def kill(self) -> None:
        """Hard, as when the power fails."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        processes.stop(self.process, self._postgres.stop_signal, 15)
        self.folder.remove_sockets()


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    place = Path(tempfile.mkdtemp(prefix="tokiflow-spooling-", dir="/tmp"))
    place.chmod(0o711)  # as root, PostgreSQL runs as `nobody` and has to get through
    made = Database(place)
    yield made
    made.stop()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def house(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data = tmp_path_factory.mktemp("spooling") / "data"
    with receiving() as receivers, running(data, DATABASE_URL=database.url) as instance:
        instance.wait_healthy()
        api = Api(instance)
        yield House(instance, api, receivers)
        api.close()


def ping(monitor: dict[str, Any], rest: str = "") -> datetime:
    """Ping it; when. It must be answered at once."""
    at = datetime.now(UTC)
    answer = httpx.get(monitor["ping_url"] + rest, trust_env=False, timeout=20)
    assert (answer.status_code, answer.text) == (200, "OK")
    assert datetime.now(UTC) - at < timedelta(seconds=5)
    return at


def moments(house: House, monitor: dict[str, Any]) -> list[datetime]:
    """When it has pinged, as far as the database knows."""
    items = house.api.get(f"/monitors/{monitor['id']}/pings")["items"]
    return [datetime.fromisoformat(item["at"]) for item in reversed(items)]


def incidents(house: House, monitor: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = house.api.get(f"/incidents?monitor={monitor['id']}")["items"]
    return found


def test_a_job_that_pings_while_the_database_is_away_is_not_missed(house: House, database: Database) -> None:
    schedule = {"kind": "every", "seconds": EVERY}
    punctual, silent = (house.make_monitor(name, schedule=schedule) for name in ("The punctual", "The silent"))
    long = house.make_monitor("The long one")
    rid = uuid.uuid4()
    began = ping(long, f"/start?rid={rid}")
    first = ping(punctual)
    deadline = ping(silent) + timedelta(seconds=EVERY)

    wait_until(lambda: datetime.now(UTC) > deadline - timedelta(seconds=8), EVERY, "some seconds before the deadline")
    database.kill()
    gone = time.monotonic()
    second = ping(punctual)
    ended = ping(long, f"?rid={rid}")
    wait_until(lambda: house.instance.health().get("status") == "spooling", 10, "word of it")
    assert house.instance.health()["spool"]["waiting_bytes"] > 0

    wait_until(lambda: time.monotonic() > gone + AWAY_SECONDS, AWAY_SECONDS + 1, "the end of it")
    assert datetime.now(UTC) > deadline, "it has passed meanwhile"
    database.start()
    back = datetime.now(UTC)
    third = ping(punctual)
    house.instance.wait_healthy(30)

    expected = [first, second, third]
    for at, kept in zip(expected, moments(house, punctual), strict=True):
        assert abs(kept - at) < timedelta(seconds=2), "with its own time"
    (run,) = house.api.get(f"/monitors/{long['id']}/runs")["items"]
    assert (run["rid"], run["outcome"]) == (str(rid), "success")
    assert run["duration_seconds"] == pytest.approx((ended - began).total_seconds(), abs=2)

    wait_until(lambda: incidents(house, silent), 2 * EVERY, "the silent one to be missed")
    (missed,) = incidents(house, silent)
    assert missed["kind"] == "missed"
    opened = datetime.fromisoformat(missed["opened_at"])
    assert opened - deadline > timedelta(seconds=AWAY_SECONDS - 4), "the time we were away is given back"
    assert opened > back, "and it is not judged before it could have spoken"
    assert incidents(house, punctual) == []
    assert incidents(house, long) == []
