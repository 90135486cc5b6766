"""A receiver moves away, what was for it is given up; it comes back, and the same messages are sent again."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures.instance import wait_until
from tests.flows.conftest import House


@dataclass
class Board:
    """A receiver that answers with `status`, and remembers the key of each message."""

    url: str = ""
    status: int = 410
    keys: list[str] = field(default_factory=list)


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            made.keys.append(self.headers["Tokiflow-Delivery"])
            self.send_response(made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}/board"
    yield made
    server.shutdown()
    server.server_close()


def metrics(house: House) -> dict[tuple[str, ...], float]:
    text = httpx.get(f"{house.instance.url}/metrics", trust_env=False).text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_was_given_up_is_sent_again_with_its_key_and_metrics_tell(house: House, board: Board) -> None:
    channel = house.api.post("/channels", {"kind": "webhook", "name": "Board", "config": {"url": board.url}})
    job = house.make_monitor("Nightly invoices", channels=[channel["id"]])
    httpx.post(f"{job['ping_url']}/fail", trust_env=False).raise_for_status()
    dead = "/deliveries?status=dead"
    wait_until(lambda: bool(house.api.get(dead)["items"]), 30, "a message that was given up")
    (lost,) = house.api.get(dead)["items"]
    wait_until(lambda: metrics(house).get(("tokiflow_deliveries_total", "webhook", "dead")) == 1, 30, "the count of it")
    assert metrics(house)["tokiflow_deliveries_undelivered",] == 1

    board.status = 200
    house.api.post(f"/deliveries/{lost['id']}/send-again")
    wait_until(lambda: house.api.get(f"/deliveries/{lost['id']}")["status"] == "sent", 30, "the message to arrive")
    assert len(board.keys) == 2
    assert len(set(board.keys)) == 1
    wait_until(lambda: metrics(house).get(("tokiflow_deliveries_total", "webhook", "sent")) == 1, 30, "the count of it")
    shown = metrics(house)
    assert shown["tokiflow_deliveries_undelivered",] == 0
    assert shown["tokiflow_delivery_lag_seconds_count", "webhook"] == 1
    assert shown["tokiflow_delivery_lag_seconds_bucket", "webhook", "60.0"] == 1
