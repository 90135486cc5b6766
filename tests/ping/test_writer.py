"""What arrives together is committed together; and what becomes of it when it can't be."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_monitor
from tokiflow.adapters.spool import SpoolFolder
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db
from tokiflow.models import Organization
from tokiflow.models import Ping as PingRow
from tokiflow.ping.answers import Answer, Answers
from tokiflow.ping.backlog import Backlog
from tokiflow.ping.limits import Limits
from tokiflow.ping.writer import Writer
from tokiflow.services.pings import Incoming

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


@dataclass
class Broken:
    """A database server that hangs up on everybody."""

    port: int
    knocks: int = 0


@pytest.fixture
def broken() -> Iterator[Broken]:
    server = socket.create_server(("127.0.0.1", 0))
    made = Broken(server.getsockname()[1])

    def hang_up() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                made.knocks += 1
                connection.close()

    thread = threading.Thread(target=hang_up, daemon=True)
    thread.start()
    yield made
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


def writer_of(flask: Flask, spool: Path) -> Writer:
    """A writer of its own, that spools into `spool`."""
    return Writer(flask.app_context, Answers(32_768), Limits(None), Backlog(SpoolFolder(spool, "a key for the spool")))


def submit(writer: Writer, token: str, **said: object) -> Future[Answer]:
    future: Future[Answer] = Future()
    writer.submit(Incoming(token, Ping(Signal.LOG, NOW, **said)), future)  # type: ignore[arg-type]
    return future


def test_a_database_that_is_away_is_not_asked_once_for_each_ping(broken: Broken, tmp_path: Path) -> None:
    flask = Flask("away")
    flask.config["SQLALCHEMY_DATABASE_URI"] = f"postgresql://nobody@127.0.0.1:{broken.port}/none"
    db.init_app(flask)
    writer = writer_of(flask, tmp_path)
    futures = [submit(writer, "token") for _ in range(90)]
    assert {future.result(20).status for future in futures} == {200}, "they are on disk, if not in the database"
    assert broken.knocks < 20, "a few batches, and not 90 pings"
    assert not writer.settled


def test_a_poisonous_ping_harms_no_other(app: Flask, organization: Organization, tmp_path: Path) -> None:
    monitor = make_monitor(organization)
    writer = writer_of(app, tmp_path)
    poison = "half a \ud800 character"
    futures = [submit(writer, monitor.token, message=poison if n == 7 else f"ping {n}") for n in range(20)]
    assert [future.result(20).status for future in futures] == [503 if n == 7 else 200 for n in range(20)]
    kept = db.session.execute(select(PingRow.message).order_by(PingRow.n)).scalars()
    assert list(kept) == [f"ping {n}" for n in range(20) if n != 7]


def test_each_is_told_whether_its_monitor_is_known(app: Flask, organization: Organization, tmp_path: Path) -> None:
    monitor = make_monitor(organization)
    writer = writer_of(app, tmp_path)
    futures = [submit(writer, token) for token in (monitor.token, "nobody", monitor.token)]
    assert [future.result(20).status for future in futures] == [200, 404, 200]
