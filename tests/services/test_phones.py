"""One incident from beginning to end, on three phones: Telegram, ntfy and Pushover, each a real local server."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from flask import Flask
from pytest_httpserver import HTTPServer
from sqlalchemy import func, select, text

from tests.factories import make_channel, make_monitor
from tokiflow import outside
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db
from tokiflow.models import Channel, Delivery, Incident, Monitor, Organization
from tokiflow.services import deliveries, incidents, pings
from tokiflow.services.pings import Incoming

BOT = f"123456789:AA{'s3cretS3CRET' * 3}"
APP, USER, ACCESS = "a" * 30, "u" * 30, "tk_s3cretaccess"
BOB = Actor("person", "Bob")
Deliver = Callable[[], None]


@pytest.fixture
def phones(organization: Organization, httpserver: HTTPServer) -> list[Channel]:
    server = httpserver.url_for("")
    httpserver.expect_request(f"/bot{BOT}/sendMessage").respond_with_json({"ok": True, "result": {"message_id": 4711}})
    httpserver.expect_request("/").respond_with_json({"id": "sPs71M8A2T", "event": "message"})
    httpserver.expect_request("/1/messages.json").respond_with_json({"status": 1, "receipt": "r" * 30})
    configs: dict[str, dict[str, Any]] = {
        "telegram": {"token": BOT, "chat": "@harbour_ops", "server": server},
        "ntfy": {"topic": "harbour", "token": ACCESS, "server": server},
        "pushover": {"token": APP, "user": USER, "urgency": "emergency", "server": server},
    }
    return [make_channel(organization, kind, name=kind, config=config) for kind, config in configs.items()]


@pytest.fixture
def monitor(organization: Organization, phones: list[Channel]) -> Monitor:
    return make_monitor(organization, "nightly.sh", channels=phones)


@pytest.fixture
def deliver(app: Flask) -> Deliver:
    """What the worker does: send whatever waits."""

    def send() -> None:
        waiting = select(Delivery.id).where(Delivery.status == "pending").order_by(Delivery.id)
        deliveries.deliver(list(db.session.execute(waiting).scalars()), outside.of(app))

    return send


def ping(monitor: Monitor, signal: Signal, ago: int, **values: Any) -> None:
    moment = datetime.now(UTC) - timedelta(minutes=ago)
    pings.record([Incoming(monitor.token, Ping(signal, moment, **values))], moment)


def arrived(httpserver: HTTPServer) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """What came last by Telegram, ntfy and Pushover; the log begins anew."""
    bodies = {request.path: request.get_data(as_text=True) for request, _ in httpserver.log}
    httpserver.log.clear()
    return (
        json.loads(bodies[f"/bot{BOT}/sendMessage"]),
        json.loads(bodies["/"]),
        dict(parse_qsl(bodies["/1/messages.json"])),
    )


def test_from_the_first_ring_to_the_last_word(monitor: Monitor, deliver: Deliver, httpserver: HTTPServer) -> None:
    ping(monitor, Signal.FAIL, ago=30)
    deliver()
    telegram, ntfy, pushover = arrived(httpserver)
    assert telegram["chat_id"] == "@harbour_ops"
    assert (telegram["disable_notification"], ntfy["priority"], pushover["priority"]) == (False, 5, "2")

    incident = db.session.execute(select(Incident)).scalar_one()
    hush = f"/1/receipts/cancel_by_tag/{ids.public('inc', incident.id)}.json"
    httpserver.expect_request(hush).respond_with_json({"status": 1, "canceled": 1})
    incidents.acknowledge(incident.id, BOB, datetime.now(UTC))
    deliver()
    assert hush in [request.path for request, _ in httpserver.log]
    told = arrived(httpserver)
    assert "is being looked at by Bob" in told[0]["text"]
    assert told[0]["reply_parameters"] == {"message_id": 4711, "allow_sending_without_reply": True}

    ping(monitor, Signal.SUCCESS, ago=0)
    deliver()
    assert hush in [request.path for request, _ in httpserver.log]
    back = arrived(httpserver)
    assert back[0]["text"].startswith("● <b>Up: nightly")
    assert (back[0]["disable_notification"], back[1]["priority"], back[2]["priority"]) == (True, 2, "-1")
    assert back[1]["sequence_id"] == told[1]["sequence_id"] == ntfy["sequence_id"]
    statuses = select(Delivery.status, func.count()).group_by(Delivery.status)
    assert [tuple(row) for row in db.session.execute(statuses)] == [("sent", 9)]


def test_no_secret_is_in_what_is_written_down(
    monitor: Monitor, deliver: Deliver, httpserver: HTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    httpserver.clear()
    for path, repeated in ((f"/bot{BOT}/sendMessage", BOT), ("/", ACCESS), ("/1/messages.json", f"{APP} {USER}")):
        said = f"{'no way in ' * 9}{repeated} " * 3
        httpserver.expect_request(path).respond_with_json(
            {"description": said, "error": said, "errors": [said]}, status=403
        )
    ping(monitor, Signal.FAIL, ago=1)
    deliver()
    kept = [
        str(row)
        for table in ("attempts", "deliveries", "alerts", "audit_events", "incident_events")
        for row in db.session.execute(text(f"select * from {table}")).all()
    ]
    kept += [f"{one.last_error} {one.disabled_reason}" for one in db.session.execute(select(Channel)).scalars()]
    kept += capsys.readouterr()
    written = "\n".join(kept)
    assert "answered 403" in written
    for secret in (BOT.partition(":")[2], APP, USER, ACCESS):
        assert secret[:12] not in written
