"""One line for each request, with its id, and never the path of a ping or a sign-in link."""

from __future__ import annotations

from uuid import uuid4

import pytest
import structlog
from flask import Flask
from structlog.testing import LogCapture

from tokiflow.observability import metrics, requests

SECRET = "Zx81QwErTyUiOpAsDfGhJk"


@pytest.fixture
def seen():
    capture = LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture.entries
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def client(seen):
    app = Flask("small")
    requests.init_app(app)
    organization = uuid4()

    @app.get("/ping/<token>")
    def ping(token: str) -> str:
        requests.bind_organization(organization)
        structlog.get_logger().info("inside")
        return "OK"

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError

    @app.get("/api/health")
    def health() -> str:
        return "ok"

    app.extensions["organization"] = organization
    return app.test_client()


def test_a_request_is_told_by_its_pattern_with_time_and_organization(client, seen):
    client.get(f"/ping/{SECRET}?msg={SECRET}")
    inside, line = seen
    assert (line["event"], line["method"], line["route"], line["status"]) == ("request", "GET", "/ping/<token>", 200)
    assert line["duration_ms"] >= 0
    assert line["organization"] == str(client.application.extensions["organization"])
    assert inside["request_id"] == line["request_id"]
    assert SECRET not in repr(seen)


def test_an_unknown_path_is_not_told(client, seen):
    client.get(f"/pong/{SECRET}")
    assert seen[-1]["route"] == "(none)"
    assert SECRET not in repr(seen)


def test_what_broke_is_told_as_an_error_with_its_id(client, seen):
    response = client.get("/broken")
    assert (seen[-1]["status"], seen[-1]["log_level"]) == (500, "error")
    assert response.headers["X-Request-ID"] == seen[-1]["request_id"]


def test_what_machines_ask_all_day_is_told_only_in_detail(client, seen):
    client.get("/api/health")
    assert seen[-1]["log_level"] == "debug"


def test_a_sane_id_from_a_proxy_is_kept(client, seen):
    given = str(uuid4())
    assert client.get("/api/health", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "with space in it", "<script>alert(1)</script>", "a=b;c,d:e/f"]
)
def test_any_other_is_replaced(client, given):
    made = client.get("/api/health", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert made != given
    assert len(made) == 32


def test_the_next_request_begins_without_the_last_ones_context(client, seen):
    client.get(f"/ping/{SECRET}")
    client.get("/api/health")
    assert "organization" not in seen[-1]


def test_every_request_is_counted_by_pattern(client):
    client.get(f"/ping/{SECRET}")
    shown = metrics.render(metrics.Look()).decode()
    assert 'tokiflow_http_requests_total{method="GET",route="/ping/<token>",status="200"}' in shown
    assert SECRET not in shown
