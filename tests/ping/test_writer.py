"""What arrives together is committed together; and what becomes of it when it can't be."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from tests.factories import make_monitor
from tokiflow.core.names import UNKNOWN, Known, Refused
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db
from tokiflow.models import Organization
from tokiflow.models import Ping as PingRow
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


def submit(writer: Writer, token: str, **said: object) -> Future[Known | Refused]:
    return writer.submit(Incoming(token, Ping(Signal.LOG, NOW, **said)))  # type: ignore[arg-type]


def test_a_database_that_is_away_is_not_asked_once_for_each_ping(broken: Broken) -> None:
    flask = Flask("away")
    flask.config["SQLALCHEMY_DATABASE_URI"] = f"postgresql://nobody@127.0.0.1:{broken.port}/none"
    db.init_app(flask)
    writer = Writer(flask.app_context)
    futures = [submit(writer, "token") for _ in range(200)]
    for future in futures:
        with pytest.raises(OperationalError):
            future.result(20)
    assert broken.knocks < 20, "a few batches, and not 200 pings"


def test_a_poisonous_ping_harms_no_other(app: Flask, organization: Organization) -> None:
    monitor = make_monitor(organization)
    writer = Writer(app.app_context)
    poison = "half a \ud800 character"
    futures = [submit(writer, monitor.token, message=poison if n == 7 else f"ping {n}") for n in range(20)]
    outcomes = [future.exception(20) is None for future in futures]
    assert outcomes == [n != 7 for n in range(20)]
    kept = db.session.execute(select(PingRow.message).order_by(PingRow.n)).scalars()
    assert list(kept) == [f"ping {n}" for n in range(20) if n != 7]


def test_each_is_told_whether_its_monitor_is_known(app: Flask, organization: Organization) -> None:
    monitor = make_monitor(organization)
    writer = Writer(app.app_context)
    futures = [submit(writer, token) for token in (monitor.token, "nobody", monitor.token)]
    known = Known(monitor.token)
    assert [future.result(20) for future in futures] == [known, UNKNOWN, known]
