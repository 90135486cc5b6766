"""From a ping to word of an unusual run, in a real Tokiflow; and whoever dies meanwhile, each run teaches once."""

from __future__ import annotations

import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from redis import Redis

from tests.fixtures.instance import wait_until
from tests.fixtures.receivers import SECRET
from tests.flows.conftest import House

USUAL = (720, 700, 740, 715, 730, 705, 725, 710, 735, 720, 718, 722)
PROMPT_SECONDS = 5.0
"""From the ping to the alert. It is about two; these machines are busy."""


@pytest.fixture(scope="module")
def webhook(house: House) -> str:
    config = {"url": f"{house.receivers.url}/hook", "secret": SECRET}
    channel: str = house.api.post("/channels", {"kind": "webhook", "name": "all", "config": config})["id"]
    return channel


def ping(house: House, monitor: dict[str, Any], seconds: float) -> None:
    """A run of so many seconds, sent as often as it takes to be heard, and yet one."""
    target = house.instance.url + urlsplit(monitor["ping_url"]).path
    query = {"durationMs": str(int(seconds * 1000)), "rid": str(uuid.uuid4())}

    def answered() -> bool:
        try:
            return httpx.get(target, params=query, timeout=20, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answered, 60, "an answer")


def learn(house: House, name: str, **values: Any) -> dict[str, Any]:
    monitor = house.make_monitor(name, **values)
    for seconds in USUAL:
        ping(house, monitor, seconds)
    return monitor


def taught(house: House, monitor: dict[str, Any]) -> int:
    with house.instance.connect() as connection:
        row = connection.execute(
            "SELECT measures -> 'run_time' -> 'baseline' -> 'raw' ->> 0 FROM baselines b "
            "JOIN monitors m ON m.id = b.monitor_id WHERE m.name = %s", [monitor["name"]]
        ).fetchone()  # fmt: skip
    return int(row[0]) if row and row[0] else 0


def opened(house: House, monitor: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = house.api.get(f"/incidents?monitor={monitor['id']}")["items"]
    return found


def arrived(house: House, monitor: dict[str, Any]) -> list[dict[str, Any]]:
    return [arrival.json() for arrival in house.receivers.about(monitor["name"])["webhook"]]


def test_a_ping_far_too_short_is_told_with_its_reason_and_over_with_the_next(house: House, webhook: str) -> None:
    monitor = learn(house, "The hasty one", channels=[webhook])
    wait_until(lambda: taught(house, monitor) == len(USUAL), 30, "the job to be known")
    began = time.monotonic()
    ping(house, monitor, 3)
    wait_until(lambda: arrived(house, monitor), 30, f"word of it; {house.instance.output()[-2000:]}")
    took = time.monotonic() - began
    (incident,) = opened(house, monitor)
    assert (incident["kind"], incident["severity"], incident["status"]) == ("anomaly", "warning", "open")
    assert incident["summary"].startswith("took 3 s; usually 12 m")
    assert "z = −" in incident["summary"]
    (told,) = arrived(house, monitor)
    assert told["type"] == "incident.opened"
    assert incident["summary"] in str(told)
    assert house.api.get(f"/monitors/{monitor['id']}")["status"] == "up"
    assert took < PROMPT_SECONDS

    ping(house, monitor, 715)
    wait_until(lambda: len(arrived(house, monitor)) == 2, 30, "word that it is over")
    assert arrived(house, monitor)[1]["type"] == "incident.resolved"
    (over,) = opened(house, monitor)
    assert (over["status"], over["resolved_by"]) == ("resolved", "Tokiflow")


def test_not_a_problem_is_said_once(house: House, webhook: str) -> None:
    monitor = learn(house, "The changed one", channels=[webhook])
    ping(house, monitor, 3)
    wait_until(lambda: opened(house, monitor), 30, "the incident")
    (incident,) = opened(house, monitor)
    said = house.api.post(f"/incidents/{incident['id']}/not-a-problem")
    assert said["status"] == "resolved"
    known = taught(house, monitor)
    ping(house, monitor, 3)
    ping(house, monitor, 720)
    wait_until(lambda: taught(house, monitor) == known + 2, 30, "both runs to be judged")
    assert len(opened(house, monitor)) == 1


@pytest.mark.timeout(400)
def test_whoever_dies_while_judging_each_run_teaches_once(house: House) -> None:
    monitors = [house.make_monitor(f"The interrupted one {n}") for n in range(6)]
    for number in range(10):
        for monitor in monitors:
            ping(house, monitor, USUAL[number])
        if number in (3, 6):
            pid = house.instance.kill("worker")
            house.instance.wait_replaced("worker", pid, 60)
        if number == 8:
            with Redis.from_url(house.instance.settings()["REDIS_URL"]) as redis:
                redis.flushall()
    for monitor in monitors:
        ping(house, monitor, 720)
    wait_until(lambda: all(taught(house, one) == 11 for one in monitors), 60, "all runs to have taught")
    assert [opened(house, one) for one in monitors] == [[]] * 6
