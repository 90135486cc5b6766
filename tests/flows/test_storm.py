"""A storm into one channel, with a real worker that is killed while it tells of it."""

from __future__ import annotations

import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from werkzeug import Response

from tests.fixtures.instance import wait_until
from tests.fixtures.receivers import SECRET, Arrival
from tests.flows.conftest import House

MANY = 30
ALONE = 3


def make_channel(house: House) -> str:
    """Somebody who reads what a webhook brings, and wants no storm."""
    config = {"url": f"{house.receivers.url}/hook", "secret": SECRET}
    made = house.api.post("/channels", {"kind": "webhook", "name": "All", "config": config, "group_after": ALONE})
    return str(made["id"])


def fail(monitors: list[dict[str, Any]]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: urllib.request.urlopen(f"{one['ping_url']}/fail", timeout=20).close(), monitors))


def told(house: House, kind: str) -> list[Arrival]:
    return [one for one in house.receivers.arrived["webhook"] if one.json()["type"] == kind]


def statuses(house: House) -> dict[str, int]:
    with house.instance.connect() as connection:
        rows = connection.execute(
            "select status, count(*) from deliveries where incident_id is not null group by status"
        ).fetchall()
    return dict(rows)


def test_a_storm_is_told_in_few_messages_also_when_the_worker_dies(house: House) -> None:
    make_channel(house)
    monitors = [house.make_monitor(f"Job {n}") for n in range(MANY)]
    killed: list[int] = []

    def answer(arrival: Arrival) -> Response:
        if arrival.json()["type"] == "summary" and not killed:
            killed.append(house.instance.kill("worker"))
        return Response("thanks")

    house.receivers.answer = answer
    fail(monitors)
    wait_until(lambda: killed, 45, "the first summary")
    house.instance.wait_replaced("worker", killed[0])
    assert len(told(house, "incident.opened")) == ALONE

    wait_until(lambda: len(told(house, "summary")) > 1, 100, "the summary again")
    first, second = told(house, "summary")[:2]
    assert first.headers["Tokiflow-Delivery"] == second.headers["Tokiflow-Delivery"], "with the same key"
    assert first.json()["incidents"] == second.json()["incidents"]
    wait_until(lambda: statuses(house) == {"sent": ALONE, "merged": MANY - ALONE}, 100, "a record of all of it")

    named = {one["monitor"] for arrival in told(house, "summary") for one in arrival.json()["incidents"]}
    alone = {arrival.json()["monitor"]["name"] for arrival in told(house, "incident.opened")}
    assert len(named | alone) == MANY
