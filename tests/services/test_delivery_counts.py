"""The counts behind /metrics: of every worker, by kind of channel, whichever process is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from tests.factories import make_channel, make_monitor
from tests.fixtures.app import Client
from tests.house.things import fail
from tokiflow import errors, outside, queue
from tokiflow.channels import Receipt
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db
from tokiflow.models import Delivery, Organization
from tokiflow.services import channels, deliveries, delivery_counts
from tokiflow.services.claims import Claimed
from tokiflow.services.tries import Result

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _nothing_counted_yet(app: Flask) -> Iterator[None]:
    delivery_counts.save()
    queue.connection().delete(delivery_counts.KEY)
    yield
    delivery_counts.save()


def claimed(seconds_ago: float, kind: str = "slack", alert_kind: str = "opened") -> Claimed:
    return Claimed(
        id=ids.earliest(NOW), attempt=1, organization_id=ids.new(), channel_id=ids.new(), incident_id=None,
        channel_kind=kind, host="", config={}, alert_kind=alert_kind, about=NOW - timedelta(seconds=seconds_ago),
        content={}, because="", memory={}, thread={}, claimed_at=NOW, lease_until=NOW,
    )  # fmt: skip


SENT = Result(timedelta(seconds=0.1), Receipt())
REFUSED = Result(timedelta(seconds=0.1), error=errors.DeliveryError("no"))


def test_what_came_of_each_try_is_counted_by_kind_of_channel() -> None:
    made = [(claimed(0.3), SENT), (claimed(40), SENT), (claimed(1, "email"), REFUSED), (claimed(1, "email"), REFUSED)]
    delivery_counts.count(made, [{"status": one} for one in ("sent", "sent", "pending", "dead")], NOW)
    delivery_counts.save()
    found = delivery_counts.read()
    assert found.deliveries == {("slack", "sent"): 2, ("email", "dead"): 1}
    assert found.attempts == {("slack", "ok"): 2, ("email", "refused"): 2}
    assert [number for number in found.lags["slack"] if number] == [1, 1]
    assert found.lags["slack"][delivery_counts.BOUNDS.index(0.5)] == 1
    assert found.lags["slack"][delivery_counts.BOUNDS.index(60.0)] == 1
    assert found.lag_seconds["slack"] == pytest.approx(40.3, abs=0.1)


def test_tests_that_people_send_are_not_counted(app: Flask, organization: Organization) -> None:
    channels.test(make_channel(organization).id, TOKIFLOW, outside.of(app), NOW)
    assert delivery_counts.read() == delivery_counts.Counts()


def test_metrics_tell_of_an_alert_that_could_not_be_sent(
    app: Flask, client: Client, organization: Organization
) -> None:
    make_channel(organization)
    fail(make_monitor(organization), datetime.now(UTC))
    deliveries.deliver([db.session.query(Delivery).one().id], outside.of(app))
    shown = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }
    assert sum(value for name, value in shown.items() if name[0] == "tokiflow_delivery_attempts_total") == 1
    assert shown["tokiflow_deliveries_pending",] == 1
    assert shown["tokiflow_deliveries_retrying",] == 1
    assert 0 <= shown["tokiflow_delivery_oldest_pending_seconds",] < 60
    assert shown["tokiflow_deliveries_undelivered",] == 0
    assert shown["tokiflow_delivery_hosts_left_alone",] == 0


def test_the_counts_of_all_processes_come_together(app: Flask) -> None:
    url = app.extensions["tokiflow.settings"].redis_url
    worker = (
        "import sys; from flask import Flask; from types import SimpleNamespace;"
        "from tokiflow.services import delivery_counts;"
        "app = Flask('worker'); app.extensions['tokiflow.settings'] = SimpleNamespace(redis_url=sys.argv[1]);"
        "app.app_context().push(); delivery_counts._counted['delivery:slack:sent'] += 2; delivery_counts.save()"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", worker, url], check=True, env=os.environ | {"PYTHONPATH": "."})
    assert delivery_counts.read().deliveries == {("slack", "sent"): 4}


def test_while_redis_is_away_counts_are_kept(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = app.extensions["tokiflow.settings"]
    delivery_counts.count([(claimed(1), SENT)], [{"status": "sent"}], NOW)
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:9"})
    monkeypatch.setitem(app.extensions, "tokiflow.settings", away)
    delivery_counts.save()
    monkeypatch.setitem(app.extensions, "tokiflow.settings", settings)
    assert delivery_counts.read() == delivery_counts.Counts()
    delivery_counts.save()
    assert delivery_counts.read().deliveries == {("slack", "sent"): 1}
