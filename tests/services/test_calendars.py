"""The calendars of windows: read every hour from a real server, and kept when it fails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from pytest_httpserver import HTTPServer
from redis import Redis
from sqlalchemy import select
from werkzeug import Request, Response

from tests.adapters.conftest import LOOPBACK
from tests.core.test_calendars import calendar
from tests.factories import make_monitor
from tests.fixtures.database import Database
from tests.fixtures.doorbell import rings
from tokiflow.adapters.http import Client
from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db
from tokiflow.models import MaintenanceOccurrence, MaintenanceWindow, Organization
from tokiflow.queries import maintenance as read
from tokiflow.queue import Job
from tokiflow.services import calendars, maintenance

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE = "DTSTART:20261120T113000Z|DTEND:20261120T140000Z|SUMMARY:Disks"
TWO = "DTSTART:20261122T020000Z|DTEND:20261122T060000Z|SUMMARY:Network"


@pytest.fixture
def client():
    client = Client(LOOPBACK)
    yield client
    client.close()


@pytest.fixture
def read_at(client: Client) -> Callable[[datetime], int]:
    return lambda now: calendars.read_due(client, now)


def plan(organization: Organization, url: str) -> UUID:
    values = {"name": "Data centre", "kind": "calendar", "ical_url": url, "everything": True, "timezone": "UTC"}
    return maintenance.create(organization.id, values, TOKIFLOW, NOW)


def the_window() -> MaintenanceWindow:
    db.session.rollback()
    return db.session.execute(select(MaintenanceWindow)).scalar_one()


def next_at() -> datetime:
    found = the_window().next_fetch_at
    assert found is not None
    return found


def known() -> list[str]:
    db.session.rollback()
    statement = select(MaintenanceOccurrence.summary).order_by(MaintenanceOccurrence.starts_at)
    return list(db.session.execute(statement).scalars())


def test_a_calendar_is_read_and_its_events_are_maintenance(
    organization: Organization, httpserver: HTTPServer, read_at: Callable[[datetime], int]
) -> None:
    httpserver.expect_request("/a.ics").respond_with_data(calendar(ONE, TWO))
    plan(organization, httpserver.url_for("/a.ics"))
    assert read_at(NOW) == 1
    assert known() == ["Disks", "Network"]
    row = the_window()
    assert (row.fetched_at, row.fetch_error, row.lease_until) == (NOW, "", None)
    assert timedelta(minutes=50) < next_at() - NOW < timedelta(minutes=70)
    monitor = make_monitor(organization)
    assert read.during([monitor], NOW)[monitor.id].until == NOW + 2 * HOUR
    assert read_at(NOW + timedelta(minutes=30)) == 0, "not again before the hour is over"


def test_what_people_change_in_their_calendar_counts_an_hour_later(
    organization: Organization, httpserver: HTTPServer, read_at: Callable[[datetime], int]
) -> None:
    httpserver.expect_ordered_request("/a.ics").respond_with_data(calendar(ONE, TWO))
    httpserver.expect_ordered_request("/a.ics").respond_with_data(calendar(TWO))
    plan(organization, httpserver.url_for("/a.ics"))
    read_at(NOW)
    read_at(NOW + 2 * HOUR)
    assert known() == ["Network"]


def test_the_running_maintenance_is_ended_even_if_the_calendar_still_names_it(
    organization: Organization, httpserver: HTTPServer, read_at: Callable[[datetime], int]
) -> None:
    httpserver.expect_request("/a.ics").respond_with_data(calendar(ONE, TWO))
    window_id, monitor = plan(organization, httpserver.url_for("/a.ics")), make_monitor(organization)
    read_at(NOW)
    maintenance.end(window_id, TOKIFLOW, NOW)
    read_at(NOW + 2 * HOUR)
    assert read.during([monitor], NOW + timedelta(minutes=1)) == {}
    assert monitor.id in read.during([monitor], datetime(2026, 11, 22, 3, tzinfo=UTC))


def test_a_calendar_that_fails_keeps_what_is_known_says_so_and_is_asked_less_and_less(
    organization: Organization, httpserver: HTTPServer, read_at: Callable[[datetime], int]
) -> None:
    httpserver.expect_ordered_request("/a.ics").respond_with_data(calendar(ONE))
    plan(organization, httpserver.url_for("/a.ics"))
    read_at(NOW)
    now = NOW + 2 * HOUR
    pauses = []
    for _ in range(8):
        httpserver.expect_ordered_request("/a.ics").respond_with_data("gone", status=404)
        assert read_at(now) == 1
        pauses.append(next_at() - now)
        now = next_at()
    assert known() == ["Disks"]
    assert the_window().fetch_error.startswith("The calendar is not shared with us: its server answers 404.")
    assert the_window().fetched_at == NOW
    assert timedelta(minutes=4) < pauses[0] < timedelta(minutes=6)
    assert 5 * HOUR < pauses[-1] < 7 * HOUR
    httpserver.expect_ordered_request("/a.ics").respond_with_data(calendar(TWO))
    read_at(now)
    assert (the_window().fetch_error, the_window().fetch_failures) == ("", 0)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", "is none"),
        (calendar(ONE) + b"x" * 11_000_000, "larger than 10 MB"),
        (b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\nEND:VEVENT\r\n" * 100_000, "more than 20,000 events"),
    ],
)
def test_a_hostile_calendar_is_refused_with_the_reason(
    organization: Organization, httpserver: HTTPServer, read_at: Callable[[datetime], int], body: bytes, why: str
) -> None:
    httpserver.expect_request("/a.ics").respond_with_data(body)
    plan(organization, httpserver.url_for("/a.ics"))
    assert read_at(NOW) == 1
    assert why in the_window().fetch_error


def test_a_private_address_is_not_asked(organization: Organization, httpserver: HTTPServer) -> None:
    plan(organization, httpserver.url_for("/a.ics"))
    assert calendars.read_due(Client(), NOW) == 1
    assert "private network" in the_window().fetch_error
    assert httpserver.log == []


def test_an_address_that_is_changed_meanwhile_is_read_and_not_the_old_one(
    organization: Organization, httpserver: HTTPServer, app: Flask, read_at: Callable[[datetime], int]
) -> None:
    new = httpserver.url_for("/new.ics")
    window_id = plan(organization, httpserver.url_for("/old.ics"))

    def slow(request: Request) -> Response:
        with app.app_context():
            maintenance.edit(window_id, {"ical_url": new}, TOKIFLOW, NOW)
        return Response(calendar(ONE))

    httpserver.expect_request("/old.ics").respond_with_handler(slow)
    httpserver.expect_request("/new.ics").respond_with_data(calendar(TWO))
    read_at(NOW)
    assert known() == []
    assert read_at(NOW) == 1
    assert known() == ["Network"]


def test_a_window_deleted_meanwhile_is_no_trouble(
    organization: Organization, httpserver: HTTPServer, app: Flask, read_at: Callable[[datetime], int]
) -> None:
    window_id = plan(organization, httpserver.url_for("/a.ics"))

    def slow(request: Request) -> Response:
        with app.app_context():
            maintenance.delete(window_id, TOKIFLOW, NOW)
        return Response(calendar(ONE))

    httpserver.expect_request("/a.ics").respond_with_handler(slow)
    assert read_at(NOW) == 1
    assert known() == []


def test_two_workers_never_read_the_same_one(
    organization: Organization, httpserver: HTTPServer, app: Flask, client: Client
) -> None:
    others: list[int] = []

    def meanwhile(request: Request) -> Response:
        with app.app_context():
            others.append(calendars.read_due(client, NOW))
        return Response(calendar(ONE))

    httpserver.expect_request("/a.ics").respond_with_handler(meanwhile)
    plan(organization, httpserver.url_for("/a.ics"))
    assert calendars.read_due(client, NOW) == 1
    assert others == [0]


def test_the_clock_rings_until_somebody_reads(
    organization: Organization, httpserver: HTTPServer, database: Database, read_at: Callable[[datetime], int]
) -> None:
    httpserver.expect_request("/a.ics").respond_with_data(calendar(ONE))
    assert calendars.ring(NOW) is False
    plan(organization, httpserver.url_for("/a.ics"))
    with Redis.from_url(database.redis_url) as redis:
        assert rings(redis) == [(Job.READ_CALENDARS, [])]
    assert calendars.ring(NOW) is True
    read_at(NOW)
    assert calendars.ring(NOW) is False
    assert calendars.ring(NOW + 2 * HOUR) is True
