"""Nobody acknowledges, so the next is called; somebody does, so nobody is. Real clock, real worker."""

from __future__ import annotations

import time
import urllib.request
from datetime import datetime
from typing import Any

from tests.fixtures.instance import wait_until
from tests.flows.conftest import House
from tokiflow.core import ids

WAIT = 3
LATE = 2.5
"""How much later than after its wait a step may come, on a busy machine: the clock, the worker, the wire."""


def make_rule(house: House, first: str, second: str) -> None:
    """Tell `first` at once and `second` after three seconds; shorter than people may write."""
    rule = ids.new()
    with house.instance.connect() as connection:
        connection.execute(
            "insert into routing_rules (id, organization_id, name, waits) "
            "select %s, id, 'Database', array[%s] from organizations",
            (rule, WAIT),
        )
        for step, channel in enumerate((first, second)):
            connection.execute(
                "insert into routing_rule_channels (rule_id, step, channel_id) values (%s, %s, %s)",
                (rule, step, ids.parse("chn", channel)),
            )


def fail(monitor: dict[str, Any]) -> None:
    urllib.request.urlopen(f"{monitor['ping_url']}/fail", data=b"disk full", timeout=10).close()


def kinds(house: House, incident: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By kind: the alert."""
    return {alert["kind"]: alert for alert in house.api.get(f"/alerts?incident={incident['id']}")["items"]}


def sent_at(alert: dict[str, Any]) -> datetime:
    (delivery,) = alert["deliveries"]
    return datetime.fromisoformat(delivery["sent_at"])


def test_the_next_is_called_in_time_unless_somebody_acknowledges(house: House) -> None:
    _, webhook, slack = house.make_channels()
    make_rule(house, webhook, slack)
    lonely, looked_after = house.make_monitor("Lonely"), house.make_monitor("Looked after")
    fail(lonely)
    fail(looked_after)
    began = time.monotonic()
    seen, known = house.incident(lonely), house.incident(looked_after)
    house.api.post(f"/incidents/{known['id']}/acknowledge")
    assert time.monotonic() - began < WAIT, "the machine is too slow for this story"

    wait_until(lambda: house.receivers.about("Lonely")["slack"], WAIT + LATE + 2, "the second step")

    def recorded() -> bool:
        found = kinds(house, seen)
        return "escalated" in found and found["escalated"]["deliveries"][0]["status"] == "sent"

    wait_until(recorded, 5, "the record of it")
    told = kinds(house, seen)
    waited = (sent_at(told["escalated"]) - sent_at(told["opened"])).total_seconds()
    assert WAIT - 1 <= waited <= WAIT + LATE
    assert told["escalated"]["deliveries"][0]["because"] == "by step 2 of “Database”"
    time.sleep(1)
    assert "escalated" not in kinds(house, known)
    assert house.receivers.about("Looked after")["slack"] == []

    urllib.request.urlopen(lonely["ping_url"], timeout=10).close()
    wait_until(lambda: len(house.receivers.about("Lonely")["slack"]) == 2, 10, "word of the recovery")
    heard = {one["channel"]["id"] for one in kinds(house, seen)["resolved"]["deliveries"]}
    assert heard == {webhook, slack}
