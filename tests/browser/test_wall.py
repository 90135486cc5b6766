"""The wall on a real screen: it follows, it says when it has lost touch, and it fits whatever screen there is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, Route, expect
from werkzeug.serving import make_server

from tests.browser.test_incidents import sign_in
from tests.factories import make_monitor, save
from tests.fixtures.browser import serious_problems
from tokiflow.models import Incident, Organization, User
from tokiflow.services import heartbeats

SOON = 20_000


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    """The app, served to real browsers."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def screen(app: Flask, browser: Browser, site: str, vera: User) -> Iterator[Page]:
    """A screen on which Vera, a viewer, is signed in. What htmx can not fetch it writes to the console: no mistake
    here."""
    heartbeats.beat("clock")
    context = browser.new_context(viewport={"width": 1920, "height": 1080}, locale="en-GB", timezone_id="Europe/Berlin")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    sign_in(app, page, site, vera)
    yield page
    context.close()
    assert not errors


def break_down(organization: Organization, name: str) -> None:
    at = datetime.now(UTC) - timedelta(hours=9)
    save(
        Incident(
            organization_id=organization.id, monitor_id=make_monitor(organization, name, status="down").id,
            class_="outage", kind="failed", status="open", opened_at=at, last_opened_at=at, summary="exit code 3",
        )
    )  # fmt: skip


def test_it_follows_by_itself_says_when_it_lost_touch_and_comes_back(
    screen: Page, site: str, organization: Organization
) -> None:
    make_monitor(organization, "Invoices", status="up", due_at=datetime.now(UTC) + timedelta(hours=1))
    screen.clock.install()
    screen.goto(f"{site}/app/wall")
    heading, lost = screen.get_by_role("heading", level=1), screen.get_by_role("alert")
    expect(heading).to_have_text("Your job is fine")

    def away(route: Route) -> None:
        route.abort()

    screen.route("**/app/wall*", away)
    screen.clock.run_for(15_000)
    expect(lost).to_be_hidden()
    break_down(organization, "Nightly backup")
    screen.clock.run_for(10_000)
    expect(lost).to_contain_text("Lost touch with Tokiflow. This is how it was at")
    expect(screen.locator("html[data-lost]")).to_have_count(1)
    assert float(screen.locator("main").evaluate("one => getComputedStyle(one).opacity")) < 0.5
    screen.clock.run_for(120_000)
    expect(lost).to_contain_text("2 min ago")

    screen.unroute("**/app/wall*", away)
    with screen.expect_response("**/app/wall*"):
        screen.clock.run_for(6_000)
    screen.clock.resume()
    expect(heading).to_have_text("One job needs you", timeout=SOON)
    expect(lost).to_be_hidden(timeout=SOON)
    expect(screen.get_by_text("Nightly backup")).to_be_visible()


@pytest.mark.parametrize("size", [(1024, 768), (1920, 1080), (3840, 2160), (1080, 1920)], ids=str)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_that_is_down_is_on_the_screen_and_nothing_serious_is_found(
    screen: Page, site: str, organization: Organization, size: tuple[int, int], scheme: str
) -> None:
    screen.set_viewport_size({"width": size[0], "height": size[1]})
    make_monitor(organization, "نسخ احتياطي ليلي", status="up")
    known = 0
    for number in (1, 3, 8, 24, 60):
        for n in range(known, number):
            break_down(organization, f"Job number {n} " + "with a long name " * (n % 5))
        known = number
        screen.goto(f"{site}/app/wall?scheme={scheme}")
        inside = "one => one.getBoundingClientRect().bottom <= innerHeight"
        assert screen.locator(".broken li").evaluate_all(f"all => all.every({inside})"), number
        assert screen.locator(".broken li").count() == number
        assert screen.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert serious_problems(screen) == []
