"""Calendars of other people, from a real server on this machine: within bounds, read where it can do no harm."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from pytest_httpserver import HTTPServer

from tests.core.test_calendars import calendar
from tokiflow.adapters import calendars
from tokiflow.adapters.http import Client
from tokiflow.core.calendars import NoCalendar

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
END = START + timedelta(days=60)
ONE = calendar("DTSTART:20261122T020000Z|DTEND:20261122T060000Z|SUMMARY:Disks")


def test_a_calendar_is_fetched_even_where_it_has_moved(client: Client, httpserver: HTTPServer) -> None:
    there = httpserver.url_for("/there.ics")
    httpserver.expect_request("/here.ics").respond_with_data("", status=302, headers={"Location": there})
    httpserver.expect_request("/there.ics").respond_with_data(b"x" * 200_000)
    assert len(calendars.fetch(client, httpserver.url_for("/here.ics"))) == 200_000


@pytest.mark.parametrize(("status", "why"), [(404, "not shared with us"), (403, "not shared"), (500, "answers 500")])
def test_what_is_not_there_is_told(client: Client, httpserver: HTTPServer, status: int, why: str) -> None:
    httpserver.expect_request("/a.ics").respond_with_data("no", status=status)
    with pytest.raises(NoCalendar, match=why):
        calendars.fetch(client, httpserver.url_for("/a.ics"))


def test_fifty_megabytes_are_not_read_to_the_end(client: Client, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a.ics").respond_with_data(b"x" * 50_000_000)
    with pytest.raises(NoCalendar, match="larger than 10 MB"):
        calendars.fetch(client, httpserver.url_for("/a.ics"))


def test_a_private_address_is_off_limits(httpserver: HTTPServer) -> None:
    with pytest.raises(NoCalendar, match="private network"):
        calendars.fetch(Client(), httpserver.url_for("/a.ics"))


def test_what_was_read_comes_back_whole() -> None:
    [span] = calendars.read(ONE, START, END, "UTC").spans
    assert (span.starts_at, span.ends_at - span.starts_at, span.words) == (
        datetime(2026, 11, 22, 2, tzinfo=UTC), timedelta(hours=4), "Disks",
    )  # fmt: skip
    with pytest.raises(NoCalendar, match="is none"):
        calendars.read(b"nothing", START, END, "UTC")


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12;BYSECOND=" + ",".join(map(str, range(60))),
        "FREQ=DAILY;INTERVAL=0",
    ],
)
def test_a_rule_that_never_ends_is_ended(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendars, "READ_SECONDS", 3.0)
    event = f"DTSTART:19700101T000000Z|DURATION:PT1S|RRULE:{rule}"
    began = time.monotonic()
    with pytest.raises(NoCalendar, match="takes too long"):
        calendars.read(calendar(event), START, END, "UTC")
    assert time.monotonic() - began < 6


def test_the_reading_process_knows_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "not for calendars")
    told = {name: os.environ[name] for name in calendars._ENVIRONMENT if name in os.environ}
    assert "not for calendars" not in told.values()
