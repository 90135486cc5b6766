"""`kill -9` for each process in turn, under load: what was answered is kept, what was promised arrives."""

from __future__ import annotations

import http.client
import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis
from werkzeug import Response

from tests.fixtures.doorbell import rings
from tests.fixtures.instance import wait_until
from tests.fixtures.receivers import SECRET, Arrival
from tests.flows.conftest import House
from tokiflow.core import ids

SENDERS = 3
PAUSE_SECONDS = 0.02
VICTIMS = ("worker", "gunicorn's worker", "valkey", "web", "postgres")
MEANWHILE = 60
"""Pings answered between one killing and the next."""

chance = random.Random(9)


@dataclass
class Load:
    """Steady pings from several threads. Those answered with 200 are `kept`, the rest are merely hoped for."""

    house: House
    monitor: dict[str, Any]
    kept: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)

    def send(self, how: int) -> None:
        """One of two ways, until told to stop: a log line, sent once; or a success that is sent again until it is
        answered, with one run id, so that it counts once."""
        with closing_connections(self.house) as ask:
            while not self.stop.wait(PAUSE_SECONDS):
                name = str(uuid.uuid4())
                target = f"{self.monitor['path']}/log?msg={name}"
                again = how > 0
                if again:
                    target = f"{self.monitor['path']}?rid={name}&msg={name}"
                answer = ask(target)
                while again and answer != "200" and not self.stop.wait(0.2):
                    answer = ask(target)
                self.answers[answer] += 1
                if answer == "200":
                    self.kept.append(name)

    def wait_for_more(self, count: int) -> None:
        wanted = len(self.kept) + count
        wait_until(lambda: len(self.kept) >= wanted, 60, f"{count} more answers; there were {self.answers}")


@contextmanager
def closing_connections(house: House) -> Iterator[Any]:
    """`ask(target)`: what a GET is answered with, by a connection that is kept as long as it holds."""
    connection = http.client.HTTPConnection("127.0.0.1", house.instance.port, timeout=30)

    def ask(target: str) -> str:
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            answer.read()
            return str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return type(error).__name__

    try:
        yield ask
    finally:
        connection.close()


@contextmanager
def under_load(house: House, monitor: dict[str, Any]) -> Iterator[Load]:
    load = Load(house, monitor)
    threads = [threading.Thread(target=load.send, args=(how,), daemon=True) for how in range(SENDERS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop.set()
        for thread in threads:
            thread.join(40)


def make_monitor(house: House, name: str, **values: Any) -> dict[str, Any]:
    monitor = house.make_monitor(name, **values)
    return {**monitor, "path": urlsplit(monitor["ping_url"]).path}


def fail(house: House, monitor: dict[str, Any]) -> None:
    """The job reports that it failed, as often as it takes to be heard."""
    with closing_connections(house) as ask:
        target = f"{monitor['path']}/fail?rid={uuid.uuid4()}"
        wait_until(lambda: ask(target) == "200", 60, f"an answer for {monitor['name']}")


def kill(house: House, victim: str) -> None:
    """`kill -9`, and return when it runs again."""
    instance = house.instance
    if victim == "gunicorn's worker":
        (child, *_) = children(instance.pids()["web"])
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: child not in children(instance.pids().get("web", 0)), 30, "gunicorn to notice")
        return
    pid = instance.kill(victim)
    instance.wait_replaced(victim, pid, 60)


def children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(one) for one in file.read().split()]
    except OSError:
        return []


@pytest.fixture(scope="module")
def webhook(house: House) -> str:
    config = {"url": f"{house.receivers.url}/hook", "secret": SECRET}
    channel: str = house.api.post("/channels", {"kind": "webhook", "name": "all", "config": config})["id"]
    return channel


@pytest.fixture(scope="module")
def interrupted(house: House, webhook: str) -> dict[str, Any]:
    """A monitor whose alert was taken by the receiver, who then killed the worker before it had the answer."""
    monitor = make_monitor(house, "The interrupted one", channels=[webhook])
    killed: list[int] = []

    def answer(arrival: Arrival) -> Response:
        if monitor["name"] in arrival.text() and not killed:
            killed.append(house.instance.kill("worker"))
        return Response("thanks")

    house.receivers.answer = answer
    fail(house, monitor)
    wait_until(lambda: killed, 30, "the alert that kills")
    house.instance.wait_replaced("worker", killed[0])
    return monitor


def test_whoever_dies_nothing_answered_and_nothing_promised_is_lost(
    house: House, webhook: str, interrupted: dict[str, Any]
) -> None:
    busy = make_monitor(house, "The busy one")
    troubled = {
        victim: [
            make_monitor(house, f"Failed just before {victim} died", channels=[webhook]),
            make_monitor(house, f"Failed while {victim} was away", channels=[webhook]),
        ]
        for victim in VICTIMS
    }
    with under_load(house, busy) as load:
        for victim, (before, meanwhile) in troubled.items():
            load.wait_for_more(MEANWHILE)
            time.sleep(chance.uniform(0, 0.2))  # at any moment of whatever it is doing
            fail(house, before)
            killing = threading.Thread(target=kill, args=(house, victim))
            killing.start()
            fail(house, meanwhile)
            killing.join()
        load.wait_for_more(MEANWHILE)
    house.instance.wait_healthy(60)

    with house.instance.connect() as connection:
        rows = connection.execute("SELECT message FROM pings p JOIN monitors m ON m.id = p.monitor_id WHERE name = %s",
                                  [busy["name"]]).fetchall()  # fmt: skip
    times = Counter(row[0] for row in rows)
    assert [name for name in load.kept if times[name] == 0] == [], f"lost, of {len(load.kept)}; {load.answers}"
    assert [name for name, count in times.items() if count > 1] == [], "kept twice"
    assert len(load.kept) >= MEANWHILE * (len(VICTIMS) + 1)

    for monitor in (one for both in troubled.values() for one in both):
        wait_until(lambda monitor=monitor: arrived(house, monitor), 75, f"word of: {monitor['name']}")  # type: ignore[misc]
        keys = {arrival.headers["Tokiflow-Delivery"] for arrival in arrived(house, monitor)}
        (alert,) = house.api.get(f"/alerts?incident={house.incident(monitor)['id']}")["items"]
        assert keys == {one["id"] for one in alert["deliveries"]}, "told again, it is with the same key"


def listeners(redis: Redis) -> list[Any]:
    """Who waits at the queue. A job that is handed to one just killed is gone, which is another story."""
    return [one for one in redis.client_list() if "b" in one["flags"]]


def arrived(house: House, monitor: dict[str, Any]) -> list[Arrival]:
    return house.receivers.about(monitor["name"])["webhook"]


def test_what_was_sent_and_not_recorded_is_sent_again_with_the_same_key(
    house: House, interrupted: dict[str, Any]
) -> None:
    wait_until(lambda: len(arrived(house, interrupted)) == 2, 90, "the same alert again")
    first, second = arrived(house, interrupted)
    assert first.headers["Tokiflow-Delivery"] == second.headers["Tokiflow-Delivery"]
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]

    def delivery() -> dict[str, Any]:
        (alert,) = house.api.get(f"/alerts?incident={house.incident(interrupted)['id']}")["items"]
        (found,) = alert["deliveries"]
        return dict(found)

    wait_until(lambda: delivery()["status"] == "sent", 10, "the record of the second try")
    interruption, success = delivery()["attempts"]
    assert (interruption["ok"], success["ok"]) == (False, True)
    assert "interrupted" in interruption["error"]


def test_a_wiped_redis_loses_no_promise(house: House, webhook: str) -> None:
    house.instance.wait_healthy(60)
    monitor = make_monitor(house, "The forgotten one", channels=[webhook])
    with Redis.from_url(house.instance.settings()["REDIS_URL"]) as redis:
        pid = house.instance.kill("worker")
        wait_until(lambda: not listeners(redis), 10, "Valkey to notice")
        fail(house, monitor)
        assert rings(redis), "the doorbell has rung, and nobody was there to hear"
        redis.flushall()
    house.instance.wait_replaced("worker", pid)
    wait_until(lambda: arrived(house, monitor), 45, "what was promised")
    assert len(arrived(house, monitor)) == 1


STORM = 300


def test_a_redis_wiped_in_the_middle_of_a_storm_loses_nothing(house: House, webhook: str) -> None:
    house.instance.wait_healthy(60)
    fall_silent(house, webhook, STORM)
    wait_until(lambda: len(stormy(house)) >= 10, 60, "the storm to begin")
    with Redis.from_url(house.instance.settings()["REDIS_URL"]) as redis:
        redis.flushall()
    pid = house.instance.kill("valkey")
    wait_until(lambda: len(stormy(house)) >= STORM, 90, f"{STORM} alerts")
    house.instance.wait_replaced("valkey", pid, 60)
    told = Counter(arrival.headers["Tokiflow-Delivery"] for arrival in stormy(house))
    assert len(told) == STORM, "each is told"
    assert set(told.values()) == {1}, "and once, for nobody who sends was hurt"


def fall_silent(house: House, webhook: str, number: int) -> None:
    """The deadlines of so many monitors, each of which tells `webhook` alone, pass at once in a second."""
    with house.instance.connect() as connection:
        connection.execute(
            """
            with made as (
                insert into monitors (id, organization_id, name, slug, token, schedule_kind, schedule_seconds,
                    grace_seconds, max_runtime_seconds, own_channels, status, due_at, deadline_at, watch_at)
                select gen_random_uuid(), organizations.id, 'Storm ' || n, 'storm-' || n, 'storm-' || n, 'every', 3600,
                    0, 3600, true, 'up', at, at, at
                from organizations, generate_series(1, %s) n, (select now() + interval '1 second') as soon (at)
                returning id
            )
            insert into monitor_channels (monitor_id, channel_id) select id, %s from made
            """,
            [number, ids.parse("chn", webhook)],
        )


def stormy(house: House) -> list[Arrival]:
    return house.receivers.about("Storm ")["webhook"]
