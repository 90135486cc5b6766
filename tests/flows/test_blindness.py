"""When Tokiflow itself was away, no job is blamed for it; and a job that stays silent is noticed all the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.fixtures.instance import wait_until
from tests.flows.conftest import House

EVERY = 30
STOPPED_BEFORE = timedelta(seconds=12)
"""So long before the deadline Tokiflow is stopped."""


def test_a_deadline_that_passed_while_we_were_away_is_moved(house: House) -> None:
    monitor = house.make_monitor(
        "Night watch", schedule={"kind": "every", "seconds": EVERY}, channels=house.make_channels()
    )
    assert httpx.get(monitor["ping_url"], trust_env=False).text == "OK"
    deadline = _deadline(house, monitor)

    wait_until(lambda: datetime.now(UTC) >= deadline - STOPPED_BEFORE, EVERY, "the moment to stop")
    assert house.instance.stop() == 0
    wait_until(lambda: datetime.now(UTC) > deadline, 2 * EVERY, "the deadline, while nobody watches")
    house.instance.log.write_text("")
    house.instance.restart().wait_ready().wait_healthy()
    wait_until(lambda: _deadline(house, monitor) > deadline, 20, "the deadline to be moved")

    moved = _deadline(house, monitor)
    assert moved > datetime.now(UTC), "no false alarm at once"
    assert STOPPED_BEFORE - timedelta(seconds=3) < moved - deadline < timedelta(seconds=90)
    assert house.api.get(f"/incidents?monitor={monitor['id']}")["items"] == []
    assert house.api.get(f"/monitors/{monitor['id']}")["status"] in ("up", "late")

    told = house.wait_told(monitor["name"], "opened", (moved - datetime.now(UTC)).total_seconds() + 15)
    incident = house.incident(monitor)
    assert (incident["kind"], datetime.fromisoformat(incident["opened_at"])) == ("missed", moved)
    assert all(arrival.at >= moved for arrival in told.values())
    steps = {step["what"]: step["detail"]["text"] for step in incident["timeline"]}
    assert set(steps) == {"opened", "blind"}
    assert "Tokiflow itself could not listen for" in steps["blind"]


def _deadline(house: House, monitor: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(house.api.get(f"/monitors/{monitor['id']}")["deadline_at"])
