"""A run unlike the usual, looked at: its incident, its own page, and what a person says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select

from tests.browser.test_incidents import sign_in
from tests.factories import make_channel, make_monitor
from tests.fixtures.browser import NARROW, serious_problems
from tokiflow.core import ids
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db
from tokiflow.models import Incident, Monitor, Organization, Run, User
from tokiflow.services import judging, pings
from tokiflow.services.pings import Incoming


@pytest.fixture
def monitor(organization: Organization) -> Monitor:
    """A job of each hour that has just been twelve minutes quicker than ever."""
    make_channel(organization, "email", name="Ops", config={"to": ["ops@example.com"]}, enabled=False)
    monitor = make_monitor(organization, "Nightly backup")
    now = datetime.now(UTC)
    for number, seconds in enumerate([*[720, 700, 740, 715] * 5, 3]):
        at = now - timedelta(hours=20 - number, minutes=5)
        body = b"copied 88,412 files\n" * 40
        ping = Ping(Signal.SUCCESS, at, duration_ms=seconds * 1000, body=body, body_size=len(body))
        pings.record([Incoming(monitor.token, ping)], at)
    judging.judge([monitor.id], now)
    return monitor


def addresses(site: str, monitor: Monitor) -> tuple[str, str, str]:
    """Of the incident, the run and the monitor."""
    incident = db.session.execute(select(Incident).where(Incident.monitor_id == monitor.id)).scalar_one()
    run = next(run for run in db.session.execute(select(Run)).scalars() if run.findings)
    of_monitor = f"{site}/app/monitors/{ids.public('mon', monitor.id)}"
    of_run = f"{of_monitor}/runs/{ids.public('run', run.id)}"
    return f"{site}/app/incidents/{ids.public('inc', incident.id)}", of_run, of_monitor


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_looked_at(app: Flask, page: Page, site: str, alice: User, monitor: Monitor, scheme: str) -> None:
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    sign_in(app, page, site, alice)
    for size in ({"width": 1440, "height": 900}, NARROW):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for address in (*addresses(site, monitor), f"{addresses(site, monitor)[2]}/edit"):
            page.goto(address)
            assert serious_problems(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_is_not_a_problem_says_alice(app: Flask, page: Page, site: str, alice: User, monitor: Monitor) -> None:
    sign_in(app, page, site, alice)
    incident, run, _ = addresses(site, monitor)
    page.goto(incident)
    page.get_by_role("button", name="Not a problem").click()
    expect(page.get_by_text("taken as usual from now on").first).to_be_visible()
    expect(page.get_by_role("button", name="Not a problem")).to_have_count(0)
    page.goto(run)
    expect(page.get_by_text("Not a problem, says Alice")).to_be_visible()
