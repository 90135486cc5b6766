"""What a server asks of an ASGI app beside answers, and clients that do not wait for theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_monitor
from tokiflow.db import db
from tokiflow.models import Monitor, Organization
from tokiflow.models import Ping as PingRow
from tokiflow.ping import asgi
from tokiflow.ping.asgi import Application
from tokiflow.ping.door import open_letterbox

Messages = list[dict[str, Any]]


@pytest.fixture(scope="module")
def application(app: Flask) -> Application:
    letterbox = open_letterbox(app)
    return asgi.in_front_of(asgi.nothing_behind(letterbox), letterbox, 0, seen=lambda status: None)


@pytest.fixture
def monitor(organization: Organization) -> Monitor:
    return make_monitor(organization)


def scope_of(path: str, **more: object) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], **more}


async def talk(application: Application, scope: dict[str, Any], *said: dict[str, Any]) -> Messages:
    """What it sends when it is told `said`, and that the client has gone."""
    told: Messages = []
    left = list(said)

    async def receive() -> dict[str, Any]:
        return left.pop(0) if left else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        told.append(dict(message))

    await application(scope, receive, send)
    return told


def signals(monitor: Monitor) -> Sequence[str]:
    db.session.rollback()
    return db.session.execute(select(PingRow.signal).where(PingRow.monitor_id == monitor.id)).scalars().all()


def test_it_starts_and_stops_as_it_is_told(application: Application) -> None:
    said = [{"type": f"lifespan.{what}"} for what in ("startup", "shutdown")]
    told = asyncio.run(talk(application, {"type": "lifespan"}, *said))
    assert [message["type"] for message in told] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_nothing_else_is_served_at_an_intake(application: Application) -> None:
    for path in ("/", "/login", "/api/v1/monitors", "/pings/x", "/pinG/x"):
        start, end = asyncio.run(talk(application, scope_of(path)))
        assert (start["status"], end["body"]) == (404, b"not found: this host takes pings only")


def test_many_at_once_are_each_told_their_own(application: Application, monitor: Monitor) -> None:
    paths = [f"/ping/{monitor.token}", "/ping/nobody", f"/ping/{monitor.token}/odd"] * 20

    async def all_at_once() -> list[Messages]:
        return await asyncio.gather(*(talk(application, scope_of(path)) for path in paths))

    told = asyncio.run(all_at_once())
    assert [start["status"] for start, _ in told] == [200, 404, 400] * 20
    assert len(signals(monitor)) == 20


def test_a_client_that_does_not_wait_harms_nobody(application: Application, monitor: Monitor) -> None:
    """Its request is cancelled while the writer has its ping; the others are answered, and it counts."""

    async def impatient() -> Messages:
        gone = [asyncio.create_task(talk(application, scope_of(f"/ping/{monitor.token}/fail"))) for _ in range(5)]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        return await talk(application, scope_of(f"/ping/{monitor.token}"))

    start, _ = asyncio.run(impatient())
    assert start["status"] == 200
    assert sorted(signals(monitor)) == [*["fail"] * 5, "success"]


def test_a_chunked_body_that_breaks_off_is_kept_as_far_as_it_got(application: Application, monitor: Monitor) -> None:
    scope = scope_of(f"/ping/{monitor.token}/fail", method="POST", headers=[(b"transfer-encoding", b"chunked")])
    pieces = [{"type": "http.request", "body": piece, "more_body": True} for piece in (b"as far ", b"as it ", b"got")]
    start, end = asyncio.run(talk(application, scope, *pieces))
    assert (start["status"], end["body"]) == (200, b"OK")
    (body,) = db.session.execute(select(PingRow.body).where(PingRow.monitor_id == monitor.id)).scalars()
    assert body == b"as far as it got"
