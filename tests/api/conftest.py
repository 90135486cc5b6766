"""A program with a key, and things for it to find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event, update
from werkzeug.test import TestResponse

from tests.factories import make_channel, make_monitor
from tests.fixtures.app import Client
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import Channel, Delivery, Incident, Monitor, Organization, Run
from tokiflow.services import api_keys, maintenance, pings

NOW = datetime.now(UTC)


@dataclass
class Program:
    """Calls the API with a key, and says what it got."""

    client: Client
    key: str

    def __call__(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> TestResponse:
        path = path if path.startswith(("/api", "http")) else f"/api/v1{path}"
        return self.client.open(path, method=method, headers={**self.authorization, **(headers or {})}, **more)

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def get(self, path: str, **more: Any) -> TestResponse:
        return self("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> TestResponse:
        return self("POST", path, **({"json": json} if json is not None else {}), **more)

    def patch(self, path: str, json: Any) -> TestResponse:
        return self("PATCH", path, json=json)

    def delete(self, path: str) -> TestResponse:
        return self("DELETE", path)


def make_key(organization: Organization, *scopes: str) -> str:
    """A key of `organization`, whole."""
    return api_keys.create(organization.id, "ci", scopes or ("read", "write", "ping"), TOKIFLOW, datetime.now(UTC)).text


@pytest.fixture
def program(app: Flask, client: Client, organization: Organization) -> Program:
    """A program of Harbour Freight that may do whatever a key may."""
    return Program(client, make_key(organization))


@pytest.fixture
def stranger(app: Flask, other_organization: Organization) -> Program:
    """A program of Charlie's that may do whatever a key may."""
    client = app.test_client()
    assert isinstance(client, Client)
    return Program(client, make_key(other_organization))


@dataclass
class Trouble:
    """A monitor whose last run has failed, the incident of it, the channel that was told, and maintenance of others."""

    monitor: Monitor
    run: Run
    incident: Incident
    channel: Channel
    delivery: Delivery
    window: UUID

    @property
    def ids(self) -> dict[str, str]:
        """As addresses name them."""
        return {
            "monitor_id": ids.public("mon", self.monitor.id),
            "run_id": ids.public("run", self.run.id),
            "incident_id": ids.public("inc", self.incident.id),
            "channel_id": ids.public("chn", self.channel.id),
            "delivery_id": ids.public("dlv", self.delivery.id),
            "window_id": ids.public("mnt", self.window),
        }


def make_trouble(organization: Organization, at: datetime = NOW, output: bytes = b"disk full\n") -> Trouble:
    """A run that started a minute before `at` and failed then with exit code 3."""
    channel = make_channel(organization)
    monitor = make_monitor(organization)
    start = Ping(Signal.START, at - timedelta(minutes=1), source="203.0.113.7", user_agent="curl/8")
    end = Ping(Signal.FAIL, at, exit_code=3, body=output, body_size=len(output), method="POST", metrics={"rows": 8.0})
    pings.record([pings.Incoming(monitor.token, start), pings.Incoming(monitor.token, end)], at)
    run = db.session.query(Run).filter_by(monitor_id=monitor.id).one()
    incident = db.session.query(Incident).filter_by(monitor_id=monitor.id).one()
    delivery = db.session.query(Delivery).filter_by(incident_id=incident.id, channel_id=channel.id).one()
    planned = {"name": "Upgrade", "kind": "once", "starts_at": at, "ends_at": datetime.now(UTC) + timedelta(days=1)}
    window = maintenance.create(organization.id, {**planned, "tags": ["upgrade"]}, TOKIFLOW, at)
    return Trouble(monitor, run, incident, channel, delivery, window)


def give_up(*deliveries: Delivery) -> None:
    """Nobody tries any more to make these."""
    with transaction():
        db.session.execute(
            update(Delivery)
            .where(Delivery.id.in_([one.id for one in deliveries]))
            .values(status="dead", attempts=60, last_error="the receiver answered 500")
        )


@pytest.fixture
def trouble(organization: Organization) -> Trouble:
    """Trouble at Harbour Freight."""
    return make_trouble(organization)


def problem(response: TestResponse, status: int) -> dict[str, Any]:
    """The problem in `response`, which must be one, and of `status`."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/problem+json"
    body = response.json
    assert isinstance(body, dict)
    assert body["status"] == status
    assert {"type", "title", "detail"} <= body.keys()
    return body


@pytest.fixture
def count_queries(app: Flask) -> Callable[[Callable[[], object]], int]:
    """`count_queries(work)`: how many statements `work` sends to the database."""

    def count(work: Callable[[], object]) -> int:
        work()  # the first call of a minute also notes that the key was used
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        event.listen(db.engine, "before_cursor_execute", note)
        try:
            work()
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        return len(seen)

    return count
