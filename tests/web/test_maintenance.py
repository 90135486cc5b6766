"""Planning maintenance in the browser's words: the form, the list, the window, and what its monitors say."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from tests.factories import make_channel, make_monitor
from tests.fixtures.app import Client
from tests.house.things import fail
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db, transaction
from tokiflow.models import MaintenanceWindow, Organization, User
from tokiflow.services import maintenance

ClientFor = Callable[[User], Client]
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def _without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """That every form carries its token is shown by the browser tests and the house."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


def plain(page: TestResponse) -> str:
    """The words of a page, as one reads them."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def wall(**later: float) -> str:
    """A time from now, as the field of date and time has it in Berlin."""
    at = datetime.now(UTC) + timedelta(**later)
    return at.astimezone(BERLIN).replace(tzinfo=None, second=0, microsecond=0).isoformat(timespec="minutes")


def typed(**fields: Any) -> dict[str, Any]:
    return {"name": "Database upgrade", "timezone": "Europe/Berlin", "scope": "everything", **fields}


def the_window() -> MaintenanceWindow:
    db.session.expire_all()
    return db.session.execute(select(MaintenanceWindow)).scalar_one()


def plan(organization: Organization, **values: Any) -> str:
    """The path of a window that runs now, for everything unless `values` say otherwise."""
    now = datetime.now(UTC)
    usual = {"name": "Upgrade", "kind": "once", "starts_at": now - timedelta(minutes=5), "everything": True}
    window_id = maintenance.create(
        organization.id, usual | {"ends_at": now + timedelta(hours=1)} | values, TOKIFLOW, now - timedelta(minutes=5)
    )
    return f"/app/maintenance/{ids.public('mnt', window_id)}"


def test_nothing_planned_teaches_what_will_be_here(alice: User, vera: User, client_for: ClientFor) -> None:
    assert "Plan an hour or every Sunday night" in plain(client_for(alice).get("/app/maintenance"))
    assert "Whoever may edit monitors here can plan" in plain(client_for(vera).get("/app/maintenance"))


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"kind": "repeating", "expression": "0 2 * * 0", "duration": "4 h"}, ("0 2 * * 0", 14_400, "")),
        ({"kind": "calendar", "ical_url": "webcal://cal.example.com/a.ics"}, ("", None, "https://cal.example.com/a.ics")),
        # What a hidden field of another kind still holds is not meant.
        ({"kind": "calendar", "ical_url": "https://cal.example.com/a.ics", "expression": "x", "duration": "y"},
         ("", None, "https://cal.example.com/a.ics")),
    ],
)  # fmt: skip
def test_alice_plans_it(alice: User, client_for: ClientFor, fields: dict[str, str], kept: Any) -> None:
    answer = client_for(alice).post("/app/maintenance/new", data=typed(**fields))
    row = the_window()
    assert (answer.status_code, answer.location) == (303, f"/app/maintenance/{ids.public('mnt', row.id)}")
    assert (row.expression, row.duration_seconds, row.ical_url) == kept
    assert (row.everything, row.timezone) == (True, "Europe/Berlin")


def test_times_are_those_of_the_chosen_zone(alice: User, client_for: ClientFor) -> None:
    starts, ends = wall(hours=2), wall(hours=4)
    client_for(alice).post("/app/maintenance/new", data=typed(kind="once", starts=starts, ends=ends))
    row = the_window()
    assert row.starts_at
    assert row.starts_at.astimezone(BERLIN).replace(tzinfo=None).isoformat(timespec="minutes") == starts


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"scope": "some"}, "It is missing; name some monitors, or a tag, or choose everything."),
        ({"starts": "tomorrow"}, "It is no date and time; write one such as 2026-11-24 09:00."),
        ({"starts": "2027-03-28T02:30"}, "It does not exist in Berlin: clocks go forward then; write another time."),
        ({"ends": "2020-01-01T00:00"}, "It is not after the start; write a later time."),
        ({"name": " "}, "It is empty; write what is done then."),
        ({"kind": "repeating", "expression": "0 2 * * 0"}, "It is missing; write how long it is."),
        ({"kind": "repeating", "expression": "0 2 * *", "duration": "4 h"}, "field"),
        ({"kind": "repeating", "expression": "0 2 * * *", "duration": "1 day"}, "never ends"),
        ({"kind": "calendar", "ical_url": "ftp://x"}, "not a web address"),
        ({"kind": "yearly"}, "none of these"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_comes_back_with_the_reason(
    alice: User, client_for: ClientFor, fields: dict[str, str], said: str
) -> None:
    given = typed(kind="once", starts=wall(hours=1), ends=wall(hours=2)) | fields
    answer = client_for(alice).post("/app/maintenance/new", data=given)
    assert answer.status_code == 422
    assert said in plain(answer)
    if fields.get("name", "x").strip():
        assert 'value="Database upgrade"' in answer.text, "nothing that was typed is lost"


def test_a_preset_fills_the_fields_and_saves_nothing(alice: User, client_for: ClientFor) -> None:
    answer = client_for(alice).post("/app/maintenance/new", data=typed(kind="repeating", preset="0"))
    assert answer.status_code == 200
    assert 'value="0 2 * * 0"' in answer.text
    assert "At 02:00 on Sunday, Berlin, for 4 hours" in plain(answer)
    assert db.session.execute(select(MaintenanceWindow)).first() is None


def test_the_preview_says_when_it_is_and_what_it_covers(
    alice: User, organization: Organization, client_for: ClientFor
) -> None:
    for name in ("Invoices", "Nightly backup", "Reports"):
        make_monitor(organization, name, tags=["db"] if name != "Reports" else [])
    query = typed(kind="repeating", expression="0 2 * * 0", duration="4 h", scope="some", tags="db")
    page = plain(client_for(alice).get("/app/maintenance/preview", query_string=query))
    assert "02:00 – 06:00" in page
    assert "Covers 2 monitors: Invoices and Nightly backup." in page


def test_who_saves_second_is_shown_who_was_first_and_loses_nothing(
    alice: User, bob: User, organization: Organization, client_for: ClientFor
) -> None:
    path = plan(organization)
    fields = typed(kind="once", starts=wall(hours=-1), ends=wall(hours=3))
    assert client_for(bob).post(f"{path}/edit", data=fields | {"name": "Bob’s", "version": "0"}).status_code == 303
    late = client_for(alice).post(f"{path}/edit", data=fields | {"name": "Alice’s", "version": "0"})
    assert late.status_code == 409
    assert "Bob saved this window" in plain(late)
    assert 'value="Alice’s"' in late.text
    again = client_for(alice).post(f"{path}/edit", data=fields | {"name": "Alice’s", "version": "1"})
    assert (again.status_code, the_window().name) == (303, "Alice’s")


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 30])
def test_a_broken_version_is_a_broken_form(
    alice: User, organization: Organization, client_for: ClientFor, version: str
) -> None:
    fields = typed(kind="once", starts=wall(hours=-1), ends=wall(hours=3), version=version)
    assert client_for(alice).post(f"{plan(organization)}/edit", data=fields).status_code == 400


def test_the_monitor_and_its_incident_say_why_nobody_was_told(
    alice: User, organization: Organization, client_for: ClientFor
) -> None:
    make_channel(organization, "slack", name="#ops")
    monitor = make_monitor(organization, "Nightly backup", tags=["db"])
    path = plan(organization, everything=False, tags=["db"])
    fail(monitor, datetime.now(UTC))
    browser = client_for(alice)
    page = browser.get(f"/app/monitors/{ids.public('mon', monitor.id)}")
    standing = r"In maintenance until [\w ]*\d\d:\d\d ?:? ?Upgrade ?\. Alerts wait until then"
    assert re.search(standing, plain(page)), plain(page)
    assert f'href="{path}"' in page.text
    assert "Told nobody yet: maintenance “Upgrade”" in plain(page)
    assert "Nightly backup Down" in plain(browser.get(path))


def test_a_window_for_a_monitor_begins_with_its_name(
    alice: User, organization: Organization, client_for: ClientFor
) -> None:
    monitor = ids.public("mon", make_monitor(organization, "Nightly backup").id)
    page = client_for(alice).get(f"/app/maintenance/new?monitor={monitor}")
    assert 'value="Work on Nightly backup"' in page.text
    assert client_for(alice).get("/app/maintenance/new?monitor=mon_x").status_code == 404


def test_ending_it_early_is_said_and_only_once(alice: User, organization: Organization, client_for: ClientFor) -> None:
    path = plan(organization)
    browser = client_for(alice)
    assert browser.post(f"{path}/end").status_code == 303
    assert "Ended. Whoever is still in trouble is told of now." in plain(browser.get(path))
    assert browser.post(f"{path}/end").status_code == 409


def test_a_calendar_can_be_read_at_once_and_keeps_its_secret(
    alice: User, vera: User, organization: Organization, client_for: ClientFor
) -> None:
    values = {"kind": "calendar", "ical_url": "https://cal.example.com/secret-key.ics", "starts_at": None}
    path = plan(organization, **values)
    page = client_for(vera).get(path)
    assert "cal.example.com" in page.text
    assert "secret-key" not in page.text
    with transaction():
        db.session.execute(update(MaintenanceWindow).values(fetched_at=datetime.now(UTC), next_fetch_at=None))
    assert "Read it now" not in client_for(vera).get(path).text
    assert "Read it now" in client_for(alice).get(path).text
    assert client_for(alice).post(f"{path}/read").status_code == 303
    assert the_window().next_fetch_at is not None
    assert client_for(alice).post(f"{plan(organization)}/read").status_code == 409


def test_deleting_asks_first(alice: User, organization: Organization, client_for: ClientFor) -> None:
    path = plan(organization)
    browser = client_for(alice)
    assert "Delete" in plain(browser.get(f"{path}/delete"))
    assert browser.post(f"{path}/delete").location == "/app/maintenance"
    assert browser.get(path).status_code == 404
