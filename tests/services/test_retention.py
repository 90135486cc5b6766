"""What is old goes: rows and objects are counted before and after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import text

from jobs import retention as job
from tests.fixtures.doorbell import rings
from tests.services.test_outputs import Broken
from tests.services.test_partitions import a_ping, a_run, where
from tokiflow.adapters import storage
from tokiflow.adapters.storage import Storage
from tokiflow.db import db, transaction
from tokiflow.errors import StorageError
from tokiflow.queue import Job
from tokiflow.services import outputs, partitions, retention

NOW = datetime(2031, 3, 5, 12, 0, tzinfo=UTC)


@pytest.fixture
def app(app_apart: Flask, store: Storage) -> Flask:
    """Keeps pings for 20 days, and output for 10."""
    settings = app_apart.extensions["tokiflow.settings"]
    short = settings.model_copy(update={"retention_days": 20, "output_retention_days": 10})
    app_apart.extensions["tokiflow.settings"] = short
    storage.use(app_apart, store)
    return app_apart


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def live(store: Storage) -> None:
    """A ping a day for a month: with output in its row, with output in the store, without output. And a run."""
    for days in range(30):
        key = outputs.key_of(uuid4(), ago(days), 1)
        store.put(key, b"large")
        a_ping(ago(days), body=b"small", body_size=5)
        a_ping(ago(days), body_key=key, body_size=5)
        a_ping(ago(days))
        a_run(ago(days))


def count(condition: str = "true", table: str = "pings") -> int:
    with transaction():
        return db.session.execute(text(f"select count(*) from {table} where {condition}")).scalar_one()


def assert_only_what_is_young_is_left(store: Storage) -> None:
    assert count() == 21 * 3, "the last 20 days, and the day on which the oldest of them began"
    assert count("body is not null") == count("body_key is not null") == 11
    assert count("body_size = 5") == 42, "how much came is still known"
    assert len(store.folders("output/")) == 11
    assert store.folders("output/")[0] == f"{ago(10):%Y-%m-%d}"


@pytest.mark.parametrize("days_back", [30, 0], ids=["partitions", "the default table"])
def test_old_pings_and_older_output_go(app: Flask, store: Storage, days_back: int) -> None:
    partitions.ensure(NOW, days_back=days_back)
    live(store)
    assert retention.keep_house(NOW, seconds=60)
    assert_only_what_is_young_is_left(store)
    assert 21 <= count(table="runs") <= 27, "a week of runs goes as a whole"
    assert retention.keep_house(NOW, seconds=60)
    assert_only_what_is_young_is_left(store)
    assert retention.keep_house(NOW + timedelta(days=1), seconds=60)
    assert count() == 20 * 3
    assert retention.keep_house(NOW + timedelta(days=60), seconds=60)
    assert (where("pings"), store.folders("output/")) == ({}, [])
    assert where("runs") == {}


def test_it_is_done_in_steps_that_ring_for_the_next(
    app: Flask, store: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS", 7)
    partitions.ensure(NOW, days_back=15)
    live(store)
    steps = 1
    while not retention.keep_house(NOW, seconds=0):
        steps += 1
        assert steps < 100, "each step takes it further"
    assert steps > 20
    assert_only_what_is_young_is_left(store)


def test_the_job_rings_for_what_it_leaves(app: Flask, store: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert job.keep_house([]) == 1
    store.put("output/2000-01-01/a/1", b"")
    monkeypatch.setattr(retention.keep_house, "__defaults__", (0.0,))
    with Redis.from_url(app.extensions["tokiflow.settings"].redis_url) as redis:
        redis.flushdb()
        assert job.keep_house([]) == 0
        assert rings(redis) == [(Job.KEEP_HOUSE, [])]
        redis.flushdb()


def test_watched_runs_stay_in_the_default_table(app: Flask) -> None:
    for outcome, finished in (("running", None), ("overran", None), ("success", ago(200))):
        a_run(ago(200), outcome=outcome, finished_at=finished)
    retention.keep_house(NOW, seconds=60)
    assert count(table="runs") == count("outcome = 'running'", "runs") == 1


def test_of_a_large_partition_every_page_is_swept_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAGES", 2)
    partitions.ensure(NOW, days_back=15)
    rows = (
        "insert into pings (monitor_id, at, n, signal, method, body) "
        "select gen_random_uuid(), :at, n, 'log', 'POST', repeat('x', 100)::bytea from generate_series(1, 2000) n"
    )
    with transaction():
        db.session.execute(text(rows), {"at": ago(12)})
    retention.keep_house(NOW, seconds=60)
    assert count("body is not null") == 0
    versions = "select sum(xmax::text::bigint), count(*) from pings"
    with transaction():
        before = db.session.execute(text(versions)).one()
    retention.keep_house(NOW, seconds=60)
    with transaction():
        assert db.session.execute(text(versions)).one() == before


def test_objects_that_cannot_be_removed_now_are_removed_later(app: Flask, store: Storage) -> None:
    class Away(Broken):
        def folders(self, prefix: str) -> list[str]:
            raise StorageError("away")

    partitions.ensure(NOW, days_back=30)
    live(store)
    storage.use(app, Away(store))
    assert retention.keep_house(NOW, seconds=60)
    assert len(store.folders("output/")) == 30
    storage.use(app, store)
    assert retention.keep_house(NOW, seconds=60)
    assert_only_what_is_young_is_left(store)
