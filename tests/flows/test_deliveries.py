"""Alerts on their way, with two real workers and a clock: storms, dead hosts, receivers of every kind of badness."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import func, select
from werkzeug import Request, Response

from bench.alerts import Came, Receiver, receiving
from tests.factories import make_channel, make_monitor, make_organization
from tests.fixtures.database import Database
from tests.fixtures.instance import wait_until
from tokiflow.adapters.http import TIME_LIMIT
from tokiflow.core import ids, tokens
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.local import processes
from tokiflow.models import Attempt, Channel, Delivery, Heartbeat, Incident, Monitor, Organization
from tokiflow.services import pings, sets
from tokiflow.services.pings import Incoming

STORM = 1_000
PATIENCE = 90.0

Handler = Callable[[Request], Response]


# --- the processes, and what they are asked to do -----------------------------------------------------------------


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is kept who asked for a name that changes its mind (tests.fixtures.rebinding)."""
    return tmp_path_factory.mktemp("rebinding")


@pytest.fixture(scope="module", autouse=True)
def two_workers(database: Database, resolver: Path) -> Iterator[None]:
    """Two workers, the first with the clock, for all stories of this module."""
    database.empty()
    command = [sys.executable, "-m", "tests.fixtures.rebinding", "worker"]
    environment = {**database.environment, "REBINDING": str(resolver)}
    specs = [
        processes.Spec("first", [*command, "--clock"], environment),
        processes.Spec("second", command, environment),
    ]
    running = [processes.start(spec, output=subprocess.DEVNULL) for spec in specs]
    try:
        wait_until(lambda: _alive(database) >= 3, 60, "two workers and a clock")
        yield
    finally:
        for process, spec in zip(running, specs, strict=True):
            processes.stop(process, spec.stop_signal, 20)


def _alive(database: Database) -> int:
    with database.connect() as connection:
        row = connection.execute(f"select count(*) from {Heartbeat.__tablename__} where left_at is null").fetchone()
        return int(row[0]) if row else 0


def telling(organization: Organization, url: str, name: str = "job") -> Monitor:
    """A monitor whose trouble is told to `url` alone."""
    channel = make_channel(organization, config={"url": url})
    return make_monitor(organization, name, channels=[channel])


def fail(*monitors: Monitor) -> float:
    """Their jobs report that they failed; when that was."""
    now = datetime.now(UTC)
    pings.record([Incoming(one.token, Ping(Signal.FAIL, now)) for one in monitors], now)
    return now.timestamp()


def fall_silent(organization: Organization, number: int) -> None:
    """The deadlines of so many monitors pass at once, a moment from now."""
    at = datetime.now(UTC) + timedelta(seconds=0.5)
    rows = [
        {
            "id": ids.new(), "organization_id": organization.id, "name": f"job {n}", "slug": f"job-{n}",
            "token": tokens.new_ping_token(), "schedule_kind": "every", "schedule_seconds": 3600, "grace_seconds": 300,
            "max_runtime_seconds": 3600, "status": "up", "due_at": at - timedelta(seconds=300), "deadline_at": at,
            "watch_at": at,
        }
        for n in range(number)
    ]  # fmt: skip
    with transaction():
        sets.insert(Monitor, rows)


def tries(monitor: Monitor) -> list[Attempt]:
    """What was tried to tell of this monitor and is over, in order."""
    with transaction():
        statement = select(Attempt).join(Delivery).join(Incident).where(Incident.monitor_id == monitor.id)
        found = db.session.execute(statement.order_by(Attempt.n).execution_options(populate_existing=True)).scalars()
        return [one for one in found if "interrupted" not in one.error]


def standing(organization: Organization) -> Counter[str]:
    """How many deliveries of it stand how."""
    with transaction():
        asked = select(Delivery.status, func.count()).where(Delivery.organization_id == organization.id)
        return Counter({row[0]: row[1] for row in db.session.execute(asked.group_by(Delivery.status))})


# --- receivers ----------------------------------------------------------------------------------------------------


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that does with each connection what `serve` says."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def never_answer(connection: socket.socket) -> None:
    with connection:
        while connection.recv(4096):
            pass


def drip(connection: socket.socket) -> None:
    """A byte now and then: each read is quick, and there is no end of it."""
    with connection:
        try:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while True:
                connection.sendall(b"x")
                time.sleep(0.2)
        except OSError:
            pass


def hang_up(connection: socket.socket) -> None:
    with connection:
        connection.recv(4096)


@contextmanager
def nobody() -> Iterator[str]:
    """An address where nobody listens, kept so that nobody else takes it."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


def first_then_ok(httpserver: HTTPServer, path: str, first: Response) -> list[float]:
    """Answer `first` once and then well; when it was asked."""
    asked: list[float] = []

    def answer(request: Request) -> Response:
        asked.append(time.time())
        return first if len(asked) == 1 else Response("ok")

    httpserver.expect_request(path).respond_with_handler(answer)
    return asked


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """One that keeps up with a storm."""
    with receiving(tmp_path, 0) as made:
        yield made


# --- stories ------------------------------------------------------------------------------------------------------


def test_a_thousand_incidents_at_once_are_told_once_each_and_a_neighbour_does_not_wait(
    organization: Organization, receiver: Receiver
) -> None:
    make_channel(organization, config={"url": f"{receiver.url}/storm"})
    neighbour = telling(make_organization("Charlie & Sons"), f"{receiver.url}/neighbour")
    fall_silent(organization, STORM)
    wait_until(lambda: receiver.came(), PATIENCE, "the first alert")
    fail(neighbour)
    wait_until(lambda: standing(organization) == {"sent": STORM}, PATIENCE, f"{STORM} alerts; {standing(organization)}")

    came: dict[str, list[Came]] = {"/storm": [], "/neighbour": []}
    wait_until(lambda: len(receiver.came()) > STORM, 10, "the receiver to write down the last")
    for one in receiver.came():
        came[one.path].append(one)
    assert len(came["/storm"]) == len({one.delivery for one in came["/storm"]}) == STORM, "nothing lost, nothing twice"
    (aside,) = came["/neighbour"]
    assert aside.at < max(one.at for one in came["/storm"])


def test_each_bad_receiver_is_tried_again_as_it_deserves_and_the_good_one_is_told_at_once(
    organization: Organization, httpserver: HTTPServer
) -> None:
    good = first_then_ok(httpserver, "/good", Response("ok"))
    busy = first_then_ok(httpserver, "/busy", Response("later", 429, {"Retry-After": "7"}))
    broken = first_then_ok(httpserver, "/broken", Response("oops", 500))
    inside = first_then_ok(httpserver, "/inside", Response("secret"))
    moved = {"Location": httpserver.url_for("/inside")}
    httpserver.expect_request("/moved").respond_with_data("", status=302, headers=moved)
    outside = {"Location": "http://10.0.0.1/latest/meta-data"}
    httpserver.expect_request("/lured").respond_with_data("", status=302, headers=outside)
    with listening(never_answer) as silent, listening(drip) as slow, listening(hang_up) as rude, nobody() as gone:
        urls = {
            **{name: httpserver.url_for(f"/{name}") for name in ("good", "busy", "broken", "moved", "lured")},
            "silent": silent, "slow": slow, "rude": rude, "gone": gone, "private": "http://10.0.0.1/hook",
        }  # fmt: skip
        monitors = {name: telling(organization, url, name) for name, url in urls.items()}
        failed_at = fail(*monitors.values())
        wait_until(lambda: good, 10, "the good receiver to be told")
        assert good[0] < failed_at + TIME_LIMIT / 2, "nobody's trouble holds it up"
        wait_until(lambda: all(tries(one) for one in monitors.values()), 4 * TIME_LIMIT, "a try for each")
        wait_until(lambda: len(busy) > 1 and len(broken) > 1, PATIENCE, "what was refused to be sent again")
        said = {name: tries(one)[0].error for name, one in monitors.items()}

    assert said["good"] == ""
    assert "429" in said["busy"]
    assert busy[1] - busy[0] >= 7, "Retry-After is honoured"
    assert "500" in said["broken"]
    assert "redirect" in said["moved"]
    assert "redirect" in said["lured"]
    assert not inside
    assert said["silent"] == said["slow"] == "no answer in time"
    for name in ("silent", "slow"):
        assert 1000 * TIME_LIMIT <= tries(monitors[name])[0].duration_ms < 2000 * TIME_LIMIT
    assert "the connection broke" in said["rude"]
    assert "could not connect" in said["gone"]
    assert "private network" in said["private"]
    wait_until(lambda: [one.ok for one in tries(monitors["busy"])] == [False, True], 10, "the record of it")
    status = {name: _delivery(one).status for name, one in monitors.items()}
    assert {name for name in status if status[name] == "dead"} == {"private"}, "the rest is worth another try"


def _delivery(monitor: Monitor) -> Delivery:
    statement = select(Delivery).join(Incident).where(Incident.monitor_id == monitor.id)
    return db.session.execute(statement.execution_options(populate_existing=True)).scalar_one()


def test_a_name_that_changes_its_mind_leads_nowhere_inside(
    organization: Organization, httpserver: HTTPServer, resolver: Path
) -> None:
    came: list[Any] = []

    def answer(request: Request) -> Response:
        came.append(request.headers["Host"])
        return Response("ok", headers={"Connection": "close"})  # so that the next one has to ask again

    httpserver.expect_request("/hook").respond_with_handler(answer)
    host = f"{ids.new().hex}.rebinding.example"
    first = telling(organization, f"http://{host}:{httpserver.port}/hook", "first")
    second = telling(organization, f"http://{host}:{httpserver.port}/hook", "second")
    fail(first)
    wait_until(lambda: tries(first), 20, "the first alert")
    assert [one.ok for one in tries(first)] == [True]
    assert (resolver / host).read_text() == "?", "asked once: what was judged is where it went"

    fail(second)
    wait_until(lambda: tries(second), 20, "the second alert")
    (refused,) = tries(second)
    assert "private network" in refused.error
    assert came == [f"{host}:{httpserver.port}"]
    assert _delivery(second).status == "dead"
    disabled = select(Channel.disabled_reason).where(Channel.id == _delivery(second).channel_id)
    assert "private network" in db.session.execute(disabled).scalar_one()


def test_a_dead_host_does_not_slow_the_others_down(organization: Organization, receiver: Receiver) -> None:
    with listening(never_answer) as dead:
        make_channel(organization, config={"url": dead})
        troubled = [make_monitor(organization, f"job {n}") for n in range(200)]
        fail(*troubled)
        wait_until(lambda: _under_way(organization) >= 16, 20, "as many tries as a stranger gets")
        others = make_organization("Charlie & Sons")
        same = make_channel(organization, config={"url": f"{receiver.url}/same"})
        aside = [telling(others, f"{receiver.url}/others", f"other {n}") for n in range(20)]
        at_home = [make_monitor(organization, f"at home {n}", channels=[same]) for n in range(20)]
        failed_at = fail(*aside, *at_home)
        wait_until(lambda: len(receiver.came()) == 40, 30, "what goes to hosts that answer")
        assert max(one.at for one in receiver.came()) < failed_at + TIME_LIMIT / 2, "before the first time-out"

        wait_until(lambda: _left_alone(organization) > 100, 3 * TIME_LIMIT, "the host to be left alone")
        tried = sum(bool(tries(one)) for one in troubled)
        assert tried <= 64, "two workers found out with a few tries"


def _under_way(organization: Organization) -> int:
    return _count(organization, Delivery.lease_until > datetime.now(UTC), Delivery.status == "pending")


def _left_alone(organization: Organization) -> int:
    return _count(organization, Delivery.waits_for_host != "")


def _count(organization: Organization, *these: Any) -> int:
    with transaction():
        asked = select(func.count()).select_from(Delivery).where(Delivery.organization_id == organization.id, *these)
        return db.session.execute(asked).scalar_one()
