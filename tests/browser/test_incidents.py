"""An incident in two browsers at once, and with one hand on the keyboard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from tests.factories import make_channel, make_monitor, save
from tests.fixtures.app import Client
from tests.fixtures.browser import NARROW, serious_problems
from tokiflow.core import ids
from tokiflow.models import Incident, Organization, User

SOON = 15_000


@pytest.fixture
def incident(organization: Organization) -> Incident:
    at = datetime.now(UTC) - timedelta(hours=9)
    make_channel(organization, "email", name="Ops", config={"to": ["ops@example.com"]}, enabled=False)
    return save(
        Incident(
            organization_id=organization.id, monitor_id=make_monitor(organization, status="down").id, class_="outage",
            kind="missed", status="open", opened_at=at, last_opened_at=at,
            summary="should have pinged by 02:05 and was silent", reason="It runs every hour.",
        )
    )  # fmt: skip


def sign_in(app: Flask, page: Page, site: str, user: User) -> None:
    """Give `page` the cookie of a session of `user`."""
    client = app.test_client()
    assert isinstance(client, Client)
    cookie = client.sign_in(user).get_cookie("tokiflow")
    assert cookie is not None
    page.context.add_cookies([{"name": "tokiflow", "value": cookie.value, "url": site}])


def test_bob_acknowledges_with_one_key_and_alice_sees_it_without_losing_her_words(
    app: Flask, browser: Browser, page: Page, site: str, alice: User, bob: User, incident: Incident
) -> None:
    url = f"{site}/app/incidents/{ids.public('inc', incident.id)}"
    sign_in(app, page, site, alice)
    page.goto(url)
    page.get_by_label("Comment", exact=True).fill("I think that cron")

    context = browser.new_context()
    bobs = context.new_page()
    sign_in(app, bobs, site, bob)
    bobs.goto(url)
    bobs.keyboard.press("a")
    expect(bobs.get_by_text("Acknowledged by Bob")).to_be_visible(timeout=SOON)

    expect(page.get_by_text("Acknowledged by Bob")).to_be_visible(timeout=SOON)
    comment = page.get_by_label("Comment", exact=True)
    expect(comment).to_have_value("I think that cron")
    comment.press_sequentially(" was off")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(comment).to_have_value("")
    for one in (page, bobs):
        expect(one.locator("#timeline").get_by_text("I think that cron was off")).to_be_visible(timeout=SOON)
    context.close()


def test_the_list_follows_and_a_row_answers_to_the_keyboard(
    app: Flask, page: Page, site: str, bob: User, incident: Incident
) -> None:
    sign_in(app, page, site, bob)
    page.goto(f"{site}/app/incidents")
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.get_by_text("acknowledged by Bob")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("heading", level=1)).to_have_text("One incident is acknowledged", timeout=SOON)


def test_a_key_that_comes_before_htmx_is_ready_waits_for_it(
    app: Flask, page: Page, site: str, bob: User, incident: Incident
) -> None:
    # It begins its work in a timer of no length.
    page.add_init_script("const soon = setTimeout; setTimeout = (f, ms, ...more) => soon(f, ms ?? 700, ...more)")
    sign_in(app, page, site, bob)
    page.goto(f"{site}/app/incidents", wait_until="domcontentloaded")
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.get_by_text("acknowledged by Bob")).to_be_visible(timeout=SOON)
    assert page.url == f"{site}/app/incidents"


def test_muting_in_the_dialog(app: Flask, page: Page, site: str, bob: User, incident: Incident) -> None:
    sign_in(app, page, site, bob)
    page.goto(f"{site}/app/incidents/{ids.public('inc', incident.id)}")
    page.get_by_role("link", name="Mute").click()
    page.get_by_role("button", name="Mute until then").click()
    expect(page.get_by_text("Write a date and a time")).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="8 hours").click()
    expect(page.get_by_role("button", name="Unmute")).to_be_visible(timeout=SOON)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_fit_for_everybody(
    app: Flask, page: Page, site: str, alice: User, incident: Incident, scheme: str
) -> None:
    sign_in(app, page, site, alice)
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    for path in (
        "/app/incidents", f"/app/incidents/{ids.public('inc', incident.id)}", "/app/channels", "/app/channels/new",
        "/app/channels/new/webhook",
    ):  # fmt: skip
        page.goto(f"{site}{path}")
        assert serious_problems(page) == []
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    page.goto(f"{site}/app/incidents/{ids.public('inc', incident.id)}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert serious_problems(page) == []
