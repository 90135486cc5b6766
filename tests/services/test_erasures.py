"""A deleted monitor takes everything with it, for good, if not at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, update

from jobs import erasures as job
from tests.factories import make_monitor
from tests.services.test_outputs import LARGE, Broken
from tokiflow.adapters import storage
from tokiflow.adapters.storage import Folder
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.names import UNKNOWN, Known, Refused
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.errors import StorageError
from tokiflow.models import Erasure, Monitor, Offload, Organization, Run
from tokiflow.models import Ping as PingRow
from tokiflow.services import erasures, monitors, outputs, pings

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
EVERYTHING = (PingRow, Run, Offload, Erasure)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def folder(app: Flask, tmp_path) -> Iterator[Folder]:
    made = Folder(tmp_path / "output")
    storage.use(app, made)
    yield made
    app.extensions.pop("tokiflow.storage")


def live(monitor: Monitor, runs: int = 3) -> None:
    """Runs with a large output each."""
    for n in range(runs):
        ping = Ping(Signal.SUCCESS, at(-100 * n), body=LARGE, body_size=len(LARGE))
        pings.record([pings.Incoming(monitor.token, ping)], at(-100 * n))
    with transaction():
        db.session.execute(update(Offload).where(Offload.monitor_id == monitor.id).values(next_attempt_at=NOW))


def _pings(monitor: Monitor) -> list[PingRow]:
    return list(db.session.execute(select(PingRow).where(PingRow.monitor_id == monitor.id)).scalars())


def count(model: type) -> int:
    with transaction():
        return db.session.execute(select(func.count()).select_from(model)).scalar_one()


def objects(folder: Folder) -> int:
    return len([path for path in folder._root.rglob("*") if path.is_file()])


def test_all_of_it_goes_and_nothing_of_others(organization: Organization, folder: Folder) -> None:
    doomed, other = make_monitor(organization), make_monitor(organization)
    for monitor in (doomed, other):
        live(monitor)
    outputs.offload(NOW)
    assert objects(folder) == 6
    ids = [str(doomed.id), str(other.id)]
    monitors.delete(doomed.id, TOKIFLOW, NOW)
    assert count(Erasure) == 1
    assert job.erase(ids) == 1, "what was not promised is not erased"
    assert [count(model) for model in EVERYTHING] == [3, 3, 0, 0]
    assert objects(folder) == 3
    assert job.erase(ids) == 0


def test_it_is_done_in_steps(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasures, "ROWS", 2)
    monitor = make_monitor(organization)
    live(monitor, 7)
    monitor_id = monitor.id
    monitors.delete(monitor_id, TOKIFLOW, NOW)
    assert erasures.erase([monitor_id], NOW, seconds=0) == 0
    assert count(Run) == 7
    with transaction():
        db.session.execute(delete(Offload))
    assert erasures.erase([monitor_id], NOW, seconds=60) == 1
    assert [count(model) for model in EVERYTHING] == [0, 0, 0, 0]


def test_a_store_that_is_away_is_waited_for(app: Flask, organization: Organization, folder: Folder) -> None:
    class Away(Broken):
        def delete(self, keys: object) -> None:
            raise StorageError("away")

    monitor = make_monitor(organization)
    live(monitor)
    outputs.offload(NOW)
    monitor_id = monitor.id
    monitors.delete(monitor_id, TOKIFLOW, NOW)
    storage.use(app, Away(folder))
    assert erasures.erase([monitor_id], NOW) == 0
    assert erasures.erase([monitor_id], at(30)) == 0
    assert (count(Erasure), objects(folder)) == (1, 3)
    storage.use(app, folder)
    assert erasures.ring(at(60)) == 1
    assert erasures.erase([monitor_id], at(60)) == 1
    assert [count(model) for model in EVERYTHING] == [0, 0, 0, 0]
    assert objects(folder) == 0


def test_what_is_on_its_way_to_the_store_is_erased_too(app: Flask, organization: Organization, folder: Folder) -> None:
    monitor = make_monitor(organization)
    live(monitor, 1)
    monitor_id = monitor.id

    class Meanwhile(Broken):
        def put(self, key: str, data: bytes, content_type: str = storage.BYTES) -> None:
            with app.app_context():
                monitors.delete(monitor_id, TOKIFLOW, NOW)
                assert erasures.erase([monitor_id], NOW) == 0, "it is not finished while that may still arrive"
            folder.put(key, data)

    storage.use(app, Meanwhile(folder))
    outputs.offload(NOW)
    storage.use(app, folder)
    assert (count(PingRow), objects(folder)) == (0, 1)
    outputs.offload(at(1))
    assert objects(folder) == 0
    assert erasures.erase([monitor_id], at(60)) == 1
    assert count(Erasure) == 0


def test_pings_that_come_while_it_is_deleted_are_erased_or_refused(app: Flask, organization: Organization) -> None:
    monitor = make_monitor(organization)
    token, monitor_id = monitor.token, monitor.id
    known: list[Known | Refused] = []
    began = threading.Event()

    def ping_on() -> None:
        with app.app_context():
            for n in range(2_000):
                known.extend(pings.record([pings.Incoming(token, Ping(Signal.SUCCESS, at(n)))], at(n)))
                began.set()
                if known[-1] is UNKNOWN:
                    return

    thread = threading.Thread(target=ping_on)
    thread.start()
    assert began.wait(10)
    monitors.delete(monitor_id, TOKIFLOW, NOW)
    thread.join(30)
    assert (known[0], known[-1]) == (Known(token), UNKNOWN)
    assert count(PingRow) == len(known) - 1
    assert job.erase([str(monitor_id)]) == 1
    assert [count(model) for model in EVERYTHING] == [0, 0, 0, 0]
