"""Calls with a key are counted by day, exactly, and hardly ever written."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError

from tests.factories import make_api_key
from tests.house.statements import statements
from tokiflow.core import tokens
from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db, transaction
from tokiflow.models import ApiKey, ApiKeyUse
from tokiflow.queries import api_keys as queries
from tokiflow.services import api_key_uses, api_keys

NOW = datetime(2026, 11, 22, 9, 5, tzinfo=UTC)
TODAY = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_gathered(app, monkeypatch):
    """What tests before have left in this process is not of ours."""
    monkeypatch.setattr(api_key_uses, "_tally", api_key_uses._Tally())


@pytest.fixture
def key(organization) -> tokens.ApiKey:
    return api_keys.create(organization.id, "ci", ["read"], TOKIFLOW, NOW)


def call(key: tokens.ApiKey, at: datetime) -> None:
    db.session.expire_all()
    row = queries.authenticate(key.text, at)
    assert row is not None
    api_key_uses.note(row, at)


def counted(key: tokens.ApiKey) -> dict[datetime, int]:
    found = select(ApiKeyUse.day, ApiKeyUse.count.label("calls")).join(ApiKey).where(ApiKey.prefix == key.prefix)
    return {row.day: row.calls for row in db.session.execute(found)}


def last_used(key: tokens.ApiKey) -> datetime | None:
    return db.session.execute(select(ApiKey.last_used_at).where(ApiKey.prefix == key.prefix)).scalar_one()


def test_the_first_call_shows_at_once_and_those_after_it_are_only_counted(key):
    call(key, NOW)
    assert (counted(key), last_used(key)) == ({TODAY: 1}, NOW)
    with statements() as sent:
        for second in range(1, 50):
            call(key, NOW + timedelta(seconds=second))
    assert [one for one in sent if not one.startswith("SELECT")] == []
    assert (counted(key), last_used(key)) == ({TODAY: 1}, NOW)
    call(key, NOW + timedelta(seconds=60))
    assert (counted(key), last_used(key)) == ({TODAY: 51}, NOW + timedelta(seconds=60))


def test_what_is_left_is_written_at_the_end_and_each_call_is_of_its_own_day(key):
    late = datetime(2026, 11, 22, 23, 59, 50, tzinfo=UTC)
    for second in (0, 5, 15, 20):
        call(key, late + timedelta(seconds=second))
    assert api_key_uses.write() == 3
    assert counted(key) == {TODAY: 2, TODAY + timedelta(days=1): 2}
    assert last_used(key) == late + timedelta(seconds=20)
    assert api_key_uses.write() == 0


def test_many_at_once_are_all_counted(app, key):
    call(key, NOW)

    def work() -> None:
        with app.app_context():
            for second in range(1, 26):
                call(key, NOW + timedelta(seconds=second))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    api_key_uses.write()
    assert counted(key) == {TODAY: 101}


def test_a_later_moment_is_never_overwritten_by_an_earlier_one(key):
    call(key, NOW + timedelta(seconds=30))
    call(key, NOW)
    api_key_uses.write()
    assert last_used(key) == NOW + timedelta(seconds=30)


def test_what_the_database_does_not_take_is_kept_for_later(key, monkeypatch):
    call(key, NOW)
    call(key, NOW + timedelta(seconds=1))

    def fail(_: object) -> None:
        raise SQLAlchemyError("away")

    with monkeypatch.context() as away:
        away.setattr(api_key_uses, "_write", fail)
        with pytest.raises(SQLAlchemyError):
            api_key_uses.write()
    assert api_key_uses.write() == 1
    assert counted(key) == {TODAY: 2}


def test_calls_with_a_key_that_is_gone_are_left_out(organization, key):
    other = api_keys.create(organization.id, "other", ["read"], TOKIFLOW, NOW)
    for one in (key, other):
        call(one, NOW)
        call(one, NOW + timedelta(seconds=1))
    with transaction():
        db.session.execute(delete(ApiKey).where(ApiKey.prefix == other.prefix))
    api_key_uses.write()
    assert counted(key) == {TODAY: 2}


def test_a_process_writes_by_itself(app, key, monkeypatch):
    call(key, NOW)
    call(key, NOW + timedelta(seconds=1))
    written = threading.Event()
    write = api_key_uses.write

    def and_say_so() -> None:
        write()
        written.set()

    monkeypatch.setattr(api_key_uses, "WRITTEN_EVERY", timedelta(milliseconds=1))
    monkeypatch.setattr(api_key_uses, "write", and_say_so)
    monkeypatch.setattr("atexit.register", lambda call: call)
    stop = api_key_uses.keep_writing(app.app_context)
    assert written.wait(10)
    stop.set()
    assert counted(key) == {TODAY: 2}


def test_thirty_days_are_told_and_ninety_kept(organization):
    row = make_api_key(organization)
    days = (0, 1, 29, 30, 89, 91)
    with transaction():
        for n in days:
            db.session.add(ApiKeyUse(api_key_id=row.id, day=TODAY - timedelta(days=n), count=n + 1))
    told = queries.uses([row.id], NOW)[row.id]
    assert (len(told), told[0], told[-2], told[-1], sum(told)) == (30, 30, 2, 1, 33)
    api_key_uses.forget(NOW)
    kept = db.session.execute(select(ApiKeyUse.count)).scalars().all()
    assert sorted(kept) == [1, 2, 30, 31, 90]
