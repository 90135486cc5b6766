"""The wall: what is down with since when and who is on it, nothing that needs a hand, and nothing that is not true."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.factories import make_monitor, save
from tests.fixtures.app import Client
from tests.house.statements import statements
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import Incident, Monitor, Organization, User, UserSession
from tokiflow.queries import sessions, unresolved
from tokiflow.services import heartbeats, pings
from tokiflow.web import wall

ClientFor = Callable[[User], Client]


@pytest.fixture
def veras(client_for: ClientFor, vera: User) -> Client:
    heartbeats.beat("clock")
    return client_for(vera)


def break_down(organization: Organization, name: str = "Nightly backup", **values: Any) -> Incident:
    at = datetime.now(UTC) - timedelta(hours=2)
    monitor = make_monitor(organization, name, status="down", last_ping_at=at - timedelta(hours=1))
    usual = {
        "class_": "outage", "kind": "failed", "status": "open", "opened_at": at, "last_opened_at": at,
        "summary": "exit code 3: “disk full”",
    }  # fmt: skip
    return save(Incident(organization_id=organization.id, monitor_id=monitor.id, **{**usual, **values}))


def counts(body: str) -> dict[str, str]:
    return {kind: n for n, kind in re.findall(r"<strong>([\d,]+)</strong><span>(\w+)</span>", body)}


def test_what_is_down_says_since_when_and_that_nobody_is_on_it(veras: Client, organization: Organization) -> None:
    break_down(organization)
    make_monitor(organization, "Invoices", status="up", due_at=datetime.now(UTC) + timedelta(hours=1))
    body = veras.get("/app/wall").text
    assert "One job needs you" in body
    assert counts(body) == {"down": "1", "late": "0", "up": "1"}
    for words in ("Nightly backup", "disk full", "2 h", "nobody is on it", "Harbour Freight"):
        assert words in body


def test_who_has_acknowledged_or_got_it_is_on_it(veras: Client, alice: User, organization: Organization) -> None:
    break_down(organization, "One", status="acknowledged", acknowledged_by="Bob")
    break_down(organization, "Two", assigned_to=alice.id)
    body = veras.get("/app/wall").text
    assert "Bob is on it" in body
    assert "Alice is on it" in body


def test_all_well_is_said_too(veras: Client, organization: Organization) -> None:
    make_monitor(organization, "Invoices", status="up", due_at=datetime.now(UTC) + timedelta(hours=1))
    break_down(organization, "Backup", status="resolved", resolved_at=datetime.now(UTC))
    db.session.query(Monitor).filter_by(name="Backup").delete()
    db.session.commit()
    body = veras.get("/app/wall").text
    assert "Your job is fine" in body
    assert "Nothing right now." in body


def test_the_last_incident_and_what_runs_are_named(veras: Client, organization: Organization) -> None:
    now = datetime.now(UTC)
    break_down(organization, "Backup", status="resolved", resolved_at=now - timedelta(hours=1))
    monitor = make_monitor(organization, "Import")
    pings.record([pings.Incoming(monitor.token, Ping(Signal.START, now))], now)
    body = veras.get("/app/wall").text
    assert "Backup was down for 1 h and is back since" in body
    assert re.search(r"Import</span><span class=\"since\">since \d\d:\d\d", body)


def test_nothing_that_is_down_is_left_out_uncounted(veras: Client, organization: Organization) -> None:
    for n in range(wall.DOWN + 7):
        break_down(organization, f"Job {n}")
    body = veras.get("/app/wall").text
    assert body.count("nobody is on it") == wall.DOWN
    assert "and 7 more are down" in body


def test_pages_of_strips_take_turns_and_what_is_down_stays(veras: Client, organization: Organization) -> None:
    break_down(organization)
    for n in range(30):
        make_monitor(organization, f"Job {n:02}", status="up", due_at=datetime.now(UTC) + timedelta(hours=1))
    now, shown, wrong = datetime.now(UTC), set(), unresolved.of_organization(organization.id, 1)
    for turn in range(3):
        strips, page, pages = wall._strips(organization.id, 1, "", wrong, now + turn * wall.TURN)
        shown |= {one.name for one in strips}
        assert pages == 3
        assert page in range(3)
    assert shown == {f"Job {n:02}" for n in range(30)}


def test_what_gets_worse_comes_before_all_that_is_well_and_says_so(veras: Client, organization: Organization) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for name in ("Archive", "Backup"):
        make_monitor(organization, name, status="up", due_at=tomorrow)
    break_down(organization, "Zebra", class_="performance", kind="anomaly", summary="took 3 s; usually 12 m")
    db.session.execute(update(Monitor).where(Monitor.name == "Zebra").values(status="up", due_at=tomorrow))
    db.session.commit()
    body = veras.get("/app/wall").text
    assert re.findall(r"<span>(Archive|Backup|Zebra)</span>", body) == ["Zebra", "Archive", "Backup"]
    assert "<em>unusual</em>" in body


def test_a_tag_chooses_whose_runs_are_shown(veras: Client, organization: Organization) -> None:
    make_monitor(organization, "Invoices", tags=["wall"])
    make_monitor(organization, "Rest")
    body = veras.get("/app/wall?tag=wall").text
    assert "Invoices" in body
    assert "Rest" not in body
    assert 'hx-get="/app/wall?tag=wall"' in body
    both = veras.get("/app/wall?tag=wall&tag=other").text
    assert "Rest" in both, "of two tags none is meant: better all than half of it"


def test_dark_and_the_organizations_zone_unless_the_address_says_otherwise(
    veras: Client, organization: Organization
) -> None:
    make_monitor(organization)
    with transaction():
        organization.quiet_hours = {"timezone": "Asia/Tokyo"}
        db.session.merge(organization)
    body = veras.get("/app/wall").text
    assert 'data-scheme="dark"' in body
    assert 'data-zone="Asia/Tokyo"' in body
    other = veras.get("/app/wall?scheme=light&zone=America/New_York").text
    assert 'data-scheme="light"' in other
    assert 'data-zone="America/New_York"' in other
    assert 'data-zone="Asia/Tokyo"' in veras.get("/app/wall?zone=Mars/Base").text


def test_it_says_so_when_nobody_watches(client_for: ClientFor, vera: User, organization: Organization) -> None:
    make_monitor(organization)
    client = client_for(vera)
    assert "clock is not running" in client.get("/app/wall").text
    heartbeats.beat("clock")
    assert "clock is not running" not in client.get("/app/wall").text


def test_without_javascript_the_browser_loads_it_again(veras: Client) -> None:
    assert '<noscript><meta http-equiv="refresh" content="15"></noscript>' in veras.get("/app/wall").text


def test_a_screen_says_in_time_that_it_will_be_signed_out(veras: Client, organization: Organization) -> None:
    assert "This screen is signed in until" not in veras.get("/app/wall").text
    session = db.session.query(UserSession).one()
    session.created_at = datetime.now(UTC) - sessions.LONGEST + timedelta(days=3)
    db.session.commit()
    assert "This screen is signed in until" in veras.get("/app/wall").text


def test_a_stranger_sees_nothing(client_for: ClientFor, charlie: User, organization: Organization) -> None:
    break_down(organization)
    assert "Nightly backup" not in client_for(charlie).get("/app/wall").text


def test_a_fixed_number_of_statements(veras: Client, organization: Organization) -> None:
    break_down(organization)
    make_monitor(organization, "Fine")

    def asked() -> int:
        with statements() as sent:
            assert veras.get("/app/wall").status_code == 200
        return len(sent)

    few = asked()
    for n in range(20):
        break_down(organization, f"Job {n}")
        make_monitor(organization, f"Fine {n}")
    assert asked() == few <= 20


def test_a_wall_without_monitors_says_so(veras: Client) -> None:
    body = veras.get("/app/wall").text
    assert "No monitors yet." in body
    assert "Nothing right now." not in body
