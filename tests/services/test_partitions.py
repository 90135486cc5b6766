"""Tables by day and week: made ahead, filled from the default, dropped when old, while pings come in."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from sqlalchemy import insert, text

from tests.factories import make_monitor
from tokiflow.core import ids
from tokiflow.core.names import Known, Refused
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import Organization, Run
from tokiflow.models import Ping as PingRow
from tokiflow.services import partitions, pings

NOW = datetime(2031, 3, 5, 12, 0, tzinfo=UTC)
"""A Wednesday, far from the days for which the tests' database has partitions."""

MIDNIGHT = datetime(2031, 3, 5, tzinfo=UTC)
TICK = timedelta(microseconds=1)


@pytest.fixture
def app(app_apart: Flask) -> Flask:
    return app_apart


def a_ping(at: datetime, **values: Any) -> None:
    with transaction():
        usual = {"monitor_id": uuid4(), "at": at, "n": 1, "signal": "log", "method": "POST"}
        db.session.execute(insert(PingRow).values({**usual, **values}))


def a_run(at: datetime, **values: Any) -> None:
    with transaction():
        usual = {"id": ids.new(), "monitor_id": uuid4(), "at": at, "outcome": "success", "finished_at": at}
        db.session.execute(insert(Run).values({**usual, **values}))


def where(table: str) -> dict[str, int]:
    """How many rows of `table` lie where."""
    with transaction():
        found = db.session.execute(text(f"select tableoid::regclass::text, count(*) from {table} group by 1"))
        return {row[0]: row[1] for row in found}


def names() -> set[str]:
    return {one.name for one in partitions.existing()}


def test_two_weeks_ahead_there_is_a_table_for_every_day_and_week(app: Flask) -> None:
    before = names()
    assert partitions.ensure(NOW) == 15 + 3
    made = names() - before
    assert {"pings_p20310305", "pings_p20310319", "runs_p20310303", "runs_p20310317"} <= made
    assert "pings_p20310304" not in made
    assert partitions.ensure(NOW) == 0
    assert partitions.ensure(NOW + timedelta(days=1)) == 1, "each day another one"


def test_a_migrated_database_is_ready_for_today(app: Flask) -> None:
    assert f"pings_p{datetime.now(UTC):%Y%m%d}" in names()


def test_rows_at_the_edges_lie_on_their_side(app: Flask) -> None:
    partitions.ensure(NOW, days_back=1)
    for at in (MIDNIGHT - TICK, MIDNIGHT, MIDNIGHT + timedelta(days=1) - TICK):
        a_ping(at)
    monday = datetime(2031, 3, 3, tzinfo=UTC)
    for at in (monday, monday + timedelta(days=7) - TICK, monday + timedelta(days=7)):
        a_run(at)
    assert where("pings") == {"pings_p20310304": 1, "pings_p20310305": 2}
    assert where("runs") == {"runs_p20310303": 2, "runs_p20310310": 1}


def test_what_waits_in_the_default_moves(app: Flask) -> None:
    for at in (MIDNIGHT - TICK, MIDNIGHT, MIDNIGHT + timedelta(days=3), MIDNIGHT + timedelta(days=300)):
        a_ping(at, body=b"\x00body", message="words", metrics={"rows": 1.5})
        a_run(at)
    partitions.ensure(NOW)
    assert where("pings") == {"pings_p20310305": 1, "pings_p20310308": 1, "pings_default": 2}
    assert where("runs") == {"runs_p20310303": 3, "runs_default": 1}
    with transaction():
        moved = db.session.execute(text("select body, message, metrics from pings_p20310305")).one()
    assert tuple(moved) == (b"\x00body", "words", {"rows": 1.5})


def test_a_partition_has_all_that_its_table_has(app: Flask) -> None:
    partitions.ensure(NOW)
    shape = (
        "select attname, atttypid, attnotnull, attcompression from pg_attribute "
        "where attrelid = to_regclass(:name) and attnum > 0 order by attnum"
    )
    indexes = "select count(*) from pg_index where indrelid = to_regclass(:name) and indisvalid"
    for table, name in (("pings", "pings_p20310305"), ("runs", "runs_p20310303")):
        for question in (shape, indexes):
            with transaction():
                answers = [db.session.execute(text(question), {"name": one}).all() for one in (table, name)]
            assert answers[0] == answers[1]
    with transaction():
        loose = db.session.execute(
            text("select count(*) from pg_index i left join pg_inherits h on h.inhrelid = i.indexrelid "
                 "where i.indrelid = to_regclass('runs_p20310303') and h.inhparent is null")
        ).scalar_one()  # fmt: skip
    assert loose == 0, "every index belongs to one of the parent"


def test_two_who_make_them_at_once_make_each_once_while_pings_come_in(app: Flask, organization: Organization) -> None:
    token = make_monitor(organization).token
    stop, longest = threading.Event(), [0.0]
    made: list[int] = []
    sent: list[Known | Refused] = []

    def ping_on() -> None:
        with app.app_context():
            while not stop.is_set():
                began, at = time.monotonic(), NOW + timedelta(milliseconds=len(sent))
                sent.extend(pings.record([pings.Incoming(token, Ping(Signal.SUCCESS, at))], at))
                longest[0] = max(longest[0], time.monotonic() - began)

    def make() -> None:
        with app.app_context():
            made.append(partitions.ensure(NOW))

    pinging = threading.Thread(target=ping_on)
    makers = [threading.Thread(target=make) for _ in range(3)]
    for thread in (pinging, *makers):
        thread.start()
    for thread in makers:
        thread.join(60)
    stop.set()
    pinging.join(10)
    with app.app_context():
        made.append(partitions.ensure(NOW))
    assert sum(made) == 18, "what had to wait was made by the next one"
    assert set(sent) == {Known(token)}
    assert sum(where("pings").values()) == len(sent)
    assert longest[0] < 2


def test_it_gives_up_at_once_where_somebody_reads_for_long(app: Flask) -> None:
    url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as reader:
        reader.execute("select count(*) from pings")
        began = time.monotonic()
        assert partitions.ensure(NOW) == 1, "nobody reads runs, and theirs comes first"
        assert time.monotonic() - began < 2
    assert partitions.ensure(NOW) == 17


def test_what_is_old_is_dropped_whole(app: Flask) -> None:
    partitions.ensure(NOW, days_back=20)
    for days in range(20):
        a_ping(MIDNIGHT - timedelta(days=days))
        a_run(MIDNIGHT - timedelta(days=days))
    # All but the last ten days: pings up to Feb 22, which ended ten and a half days ago; runs up to Sunday, Feb 23.
    assert partitions.drop_expired(NOW, 10) > 0
    kept = [one for one in partitions.existing() if one.start.year == 2031]
    assert min(one.start for one in kept if one.table == "pings") == date(2031, 2, 23)
    assert min(one.start for one in kept if one.table == "runs") == date(2031, 2, 17)
    assert sum(where("pings").values()) == 11
    assert partitions.drop_expired(NOW, 10) == 0


def test_a_run_that_is_watched_is_never_dropped(app: Flask) -> None:
    partitions.ensure(NOW, days_back=20)
    old = MIDNIGHT - timedelta(days=18)
    a_run(old, outcome="running", finished_at=None, started_at=old, deadline_at=NOW + timedelta(days=100))
    a_run(old, outcome="overran", finished_at=None, started_at=old)
    a_run(old)
    partitions.drop_expired(NOW, 5)
    with transaction():
        kept = db.session.execute(text("select outcome from runs_default")).scalars().all()
    assert kept == ["running"]
    assert where("runs") == {"runs_default": 1}
