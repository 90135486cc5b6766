"""Large outputs move to the store, and come back as they were, whoever dies on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis import Redis
from sqlalchemy import insert, select, update

from tests.factories import make_monitor
from tests.fixtures.database import Database
from tests.fixtures.doorbell import rings
from tokiflow.adapters import storage
from tokiflow.adapters.storage import Folder, Storage
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.errors import StorageError
from tokiflow.models import Offload, Organization, Run
from tokiflow.models import Ping as PingRow
from tokiflow.queue import Job
from tokiflow.services import outputs, pings

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
LARGE = b"line of output\n" * 1_000


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class Broken(Folder):
    """A folder that is away, or that ends the process after `put` was done."""

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.puts = 0

    def put(self, key: str, data: bytes, content_type: str = storage.BYTES) -> None:
        self.puts += 1
        raise StorageError("away")

    def get(self, key: str) -> bytes:
        raise StorageError("away")


class Killed(BaseException):
    """What the process dies of."""


class Deadly(Broken):
    def put(self, key: str, data: bytes, content_type: str = storage.BYTES) -> None:
        self.inner.put(key, data)
        raise Killed


@pytest.fixture
def used(app: Flask, store: Storage) -> Iterator[Storage]:
    """The store of the app, one of each kind."""
    storage.use(app, store)
    yield store
    app.extensions.pop("tokiflow.storage")


def record(organization: Organization, body: bytes, seconds: float = 0, **said: Any) -> Run:
    """A run that printed `body`, with the promise that it moves if it is large."""
    monitor = make_monitor(organization)
    ping = Ping(Signal.SUCCESS, at(seconds), body=body, body_size=len(body), **said)
    with transaction():
        pings.record([pings.Incoming(monitor.token, ping)], at(seconds))
        due = update(Offload).where(Offload.monitor_id == monitor.id).values(next_attempt_at=at(seconds))
        db.session.execute(due)
    return db.session.execute(select(Run).where(Run.monitor_id == monitor.id)).scalar_one()


def row_of(run: Run) -> PingRow:
    statement = select(PingRow).where(PingRow.monitor_id == run.monitor_id)
    return db.session.execute(statement.execution_options(populate_existing=True)).scalar_one()


def waiting() -> int:
    with transaction():
        return len(db.session.execute(select(Offload.n)).all())


def body_of(run: Run) -> bytes:
    found = outputs.read(run)
    assert found is not None
    return found.body


def test_a_large_output_moves_to_the_store(organization: Organization, used: Storage) -> None:
    run = record(organization, LARGE)
    assert body_of(run) == LARGE, "it can be read before it has moved"
    assert outputs.offload(NOW) == 1
    row = row_of(run)
    assert (row.body, row.body_key) == (None, f"output/2026-11-25/{run.monitor_id}/1")
    assert body_of(run) == LARGE
    assert waiting() == 0
    assert outputs.offload(at(9_999)) == 0


def test_a_small_output_stays(organization: Organization, used: Storage) -> None:
    run = record(organization, b"x" * outputs.INLINE)
    assert waiting() == 0
    assert row_of(run).body is not None


def test_without_a_store_all_stays_where_it_is(app: Flask, organization: Organization, used: Storage) -> None:
    storage.use(app, None)
    run = record(organization, LARGE)
    assert waiting() == 0
    assert not outputs.ring(NOW)
    assert outputs.offload(NOW) == 0
    assert body_of(run) == LARGE


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(min_size=1, max_size=200), times=st.sampled_from([1, 100]), cut=st.none() | st.integers(0, 50))
def test_whatever_goes_in_comes_out(
    organization: Organization, used: Storage, body: bytes, times: int, cut: int | None
) -> None:
    run = record(organization, body * times, body_cut=cut)
    before = outputs.read(run)
    outputs.offload(NOW)
    assert outputs.read(run) == before
    assert before is not None
    assert before.body == body * times


def test_what_is_gone_from_the_store_is_not_kept(organization: Organization, used: Storage) -> None:
    run = record(organization, LARGE)
    outputs.offload(NOW)
    used.delete_below("output/")
    assert outputs.read(run) is None


def test_a_store_that_is_away_costs_time_and_nothing_else(
    app: Flask, organization: Organization, used: Storage
) -> None:
    run = record(organization, LARGE)
    storage.use(app, Broken(used))
    tried = [seconds for seconds in range(0, 1_000, 10) if outputs.offload(at(seconds))]
    assert tried == [0, 30, 90, 210, 450, 930], "each time it waits twice as long"
    assert body_of(run) == LARGE
    storage.use(app, used)
    assert outputs.offload(at(9_000)) == 1
    assert (waiting(), body_of(run)) == (0, LARGE)


def test_one_that_waits_for_its_next_try_holds_up_no_other(
    app: Flask, organization: Organization, used: Storage, database: Database
) -> None:
    record(organization, LARGE)
    storage.use(app, Broken(used))
    outputs.offload(NOW)
    record(organization, LARGE, 1)
    assert not outputs.ring(at(2)), "the store has just failed"
    assert outputs.ring(at(30))
    with Redis.from_url(database.redis_url) as redis:
        assert rings(redis) == [(Job.OFFLOAD, [])]


def test_what_the_store_has_and_we_cannot_reach_is_told(app: Flask, organization: Organization, used: Storage) -> None:
    run = record(organization, LARGE)
    outputs.offload(NOW)
    for store in (Broken(used), None):
        storage.use(app, store)
        with pytest.raises(StorageError) as raised:
            outputs.read(run)
        assert not raised.value.missing


def test_killed_between_store_and_row_it_is_done_again(app: Flask, organization: Organization, used: Storage) -> None:
    run = record(organization, LARGE)
    storage.use(app, Deadly(used))
    with pytest.raises(Killed):
        outputs.offload(NOW)
    assert row_of(run).body == LARGE
    storage.use(app, used)
    assert outputs.offload(at(60)) == 0, "whoever has the lease may still live"
    assert outputs.ring(at(121))
    assert outputs.offload(at(121)) == 1
    assert (waiting(), body_of(run)) == (0, LARGE)
    used.delete([outputs.key_of(run.monitor_id, run.at, 1)])
    assert outputs.read(run) is None, "the second try wrote the same object again, and no other"


def test_two_workers_at_once_do_no_harm(app: Flask, organization: Organization, used: Storage) -> None:
    run = record(organization, LARGE)

    class Slow(Broken):
        def put(self, key: str, data: bytes, content_type: str = storage.BYTES) -> None:
            with app.app_context():
                storage.use(app, used)
                assert outputs.offload(at(121)) == 1, "the lease has run out"
            self.inner.put(key, data)

    storage.use(app, Slow(used))
    outputs.offload(NOW)
    storage.use(app, used)
    assert (waiting(), body_of(run)) == (0, LARGE)


def test_nothing_is_kept_of_a_ping_that_went_meanwhile(app: Flask, organization: Organization, used: Storage) -> None:
    run = record(organization, LARGE)
    key = outputs.key_of(run.monitor_id, run.at, 1)

    class Late(Broken):
        def put(self, key: str, data: bytes, content_type: str = storage.BYTES) -> None:
            with app.app_context(), transaction():
                db.session.delete(db.session.get_one(PingRow, (run.monitor_id, run.at, 1)))
            self.inner.put(key, data)

    storage.use(app, Late(used))
    outputs.offload(NOW)
    storage.use(app, used)
    assert used.get(key) == LARGE
    assert outputs.offload(at(1)) == 1
    with pytest.raises(StorageError):
        used.get(key)
    assert waiting() == 0


def test_many_are_moved_in_batches_that_ring_for_the_next(
    organization: Organization, used: Storage, database: Database
) -> None:
    monitor = make_monitor(organization)
    rows = [
        {"monitor_id": monitor.id, "at": at(n), "n": n, "signal": "log", "method": "POST", "body": LARGE}
        for n in range(outputs.BATCH + 5)
    ]
    with transaction():
        db.session.execute(insert(PingRow), rows)
        db.session.execute(insert(Offload), [one | {"next_attempt_at": NOW} for one in outputs.offloads(rows)])
    assert outputs.offload(NOW) == outputs.BATCH
    with Redis.from_url(database.redis_url) as redis:
        assert len(rings(redis)) == 1
    assert outputs.offload(NOW) == 5
    assert waiting() == 0
