"""What Prometheus reads, and who may."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from tests.observability.given import settings_with
from tokiflow.observability import metrics
from tokiflow.observability.metrics import Look


@dataclass(frozen=True)
class Figures:
    monitors_by_status: dict[str, int] = field(default_factory=lambda: {"up": 3, "down": 1})
    incidents_open_by_kind: dict[str, int] = field(default_factory=lambda: {"missed": 1})
    deliveries_pending: int = 2
    deliveries_retrying: int = 1
    deliveries_dead: int = 7
    oldest_pending_delivery_seconds: float = 12.5
    delivery_overdue_seconds: float = 0.5
    hosts_left_alone: int = 1
    heartbeat_age_seconds: dict[str, float] = field(default_factory=lambda: {"clock": 0.4})
    pings_total: int = 1000


@dataclass(frozen=True)
class Counts:
    deliveries: dict[tuple[str, str], int]
    attempts: dict[tuple[str, str], int]
    lags: dict[str, list[int]]
    lag_seconds: dict[str, float]


BOUNDS = (1.0, 5.0, float("inf"))
COUNTS = Counts({("slack", "sent"): 3}, {("slack", "refused"): 2}, {"slack": [1, 2, 0]}, {"slack": 4.5})


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_figures_become_metrics_that_prometheus_can_read():
    metrics.count_ping(404)
    shown = samples(metrics.render(Look(Figures(), COUNTS, BOUNDS, 4096)))
    assert shown["tokiflow_monitors", "down"] == 1
    assert shown["tokiflow_incidents_open", "missed"] == 1
    assert shown["tokiflow_deliveries_pending",] == 2
    assert shown["tokiflow_delivery_oldest_pending_seconds",] == 12.5
    assert shown["tokiflow_heartbeat_age_seconds", "clock"] == 0.4
    assert shown["tokiflow_delivery_overdue_seconds",] == 0.5
    assert shown["tokiflow_deliveries_retrying",] == 1
    assert shown["tokiflow_deliveries_undelivered",] == 7
    assert shown["tokiflow_delivery_hosts_left_alone",] == 1
    assert shown["tokiflow_deliveries_total", "slack", "sent"] == 3
    assert shown["tokiflow_delivery_attempts_total", "slack", "refused"] == 2
    assert shown["tokiflow_pings_total",] == 1000
    assert shown["tokiflow_database_up",] == 1
    assert shown["tokiflow_ping_answers_total", "404"] >= 1


def test_the_lag_is_a_histogram_that_adds_up():
    shown = samples(metrics.render(Look(None, COUNTS, BOUNDS)))
    assert [shown["tokiflow_delivery_lag_seconds_bucket", "slack", bound] for bound in ("1.0", "5.0", "+Inf")] == [
        1, 3, 3,
    ]  # fmt: skip
    assert shown["tokiflow_delivery_lag_seconds_count", "slack"] == 3
    assert shown["tokiflow_delivery_lag_seconds_sum", "slack"] == 4.5


@pytest.mark.parametrize(
    ("production", "token", "authorization", "address", "forwarded", "status"),
    [
        (False, "", "", "127.0.0.1", False, 200),
        (False, "", "", "::1", False, 200),
        (False, "", "", "127.0.0.1", True, 404),
        (False, "", "", "192.0.2.1", False, 404),
        (False, "t0ken", "", "192.0.2.1", False, 401),
        (False, "t0ken", "Bearer t0ken", "192.0.2.1", False, 200),
        (False, "t0ken", "", "127.0.0.1", False, 200),
        (True, "", "", "127.0.0.1", False, 404),
        (True, "", "Bearer ", "127.0.0.1", False, 404),
        (True, "t0ken", "", "127.0.0.1", False, 401),
        (True, "t0ken", "Bearer wröng", "127.0.0.1", False, 401),
        (True, "t0ken", "Basic t0ken", "127.0.0.1", False, 401),
        (True, "t0ken", "bearer t0ken", "192.0.2.1", True, 200),
        (False, "", "", "nonsense", False, 404),
    ],
)
def test_who_may_read(production, token, authorization, address, forwarded, status):
    assert status == metrics.access(
        production=production, token=token, authorization=authorization, address=address, forwarded=forwarded
    )


def app(figures, **settings: str) -> Flask:
    small = Flask("small")
    small.extensions["tokiflow.settings"] = settings_with(**settings)
    metrics.init_app(small, metrics.Sources(figures, lambda: COUNTS, BOUNDS, lambda: 4096))
    return small


def test_the_page():
    answer = app(Figures).test_client().get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    assert samples(answer.data)["tokiflow_pings_total",] == 1000


def test_a_stranger_is_told_what_is_missing():
    answer = (
        app(Figures, METRICS_TOKEN="t0ken").test_client().get("/metrics", environ_base={"REMOTE_ADDR": "192.0.2.1"})
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_without_the_database_the_rest_is_still_told():
    def away() -> Figures:
        raise ConnectionError

    shown = samples(app(away).test_client().get("/metrics").data)
    assert shown["tokiflow_database_up",] == 0
    assert shown["tokiflow_spool_bytes",] == 4096
    assert ("tokiflow_pings_total",) not in shown


def test_with_a_shared_folder_the_counts_of_all_processes_are_added_up(tmp_path):
    count = (
        "from tokiflow.observability import metrics; metrics.count_ping(200);"
        "print(metrics.render(metrics.Look()).decode())"
    )
    environ = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "shared")}
    for expected in (1, 2):
        shown = subprocess.run([sys.executable, "-c", count], env=environ, capture_output=True, check=True).stdout
        assert samples(shown)["tokiflow_ping_answers_total", "200"] == expected
