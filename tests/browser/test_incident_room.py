"""The incident room with two people in it: filters, presets, many at once, and what the other one sees of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_incidents import SOON, sign_in
from tests.factories import make_monitor, save
from tests.fixtures.browser import NARROW, serious_problems
from tests.house.things import fail
from tokiflow.core import ids
from tokiflow.models import Incident, Monitor, Organization, User


def make_incident(monitor: Monitor, minutes: int, kind: str = "missed") -> Incident:
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    return save(
        Incident(
            organization_id=monitor.organization_id, monitor_id=monitor.id, class_="outage", kind=kind, status="open",
            opened_at=at, last_opened_at=at, summary="exit code 3", reason="It runs every hour.",
        )
    )  # fmt: skip


@pytest.fixture
def three(organization: Organization) -> list[Incident]:
    """Nightly backup (db), Mails and Warehouse (db), each in trouble, in this order on the list."""
    named = (("Nightly backup", ["db"], "missed"), ("Mails", ["mail"], "failed"), ("Warehouse", ["db"], "failed"))
    return [
        make_incident(make_monitor(organization, name, tags=tags, status="down"), 10 + n, kind)
        for n, (name, tags, kind) in enumerate(named)
    ]


def rows(page: Page) -> list[str]:
    return page.locator(".incident-row .name").all_inner_texts()


def test_alice_filters_saves_a_preset_and_comes_back_to_it(
    app: Flask, page: Page, site: str, alice: User, three: list[Incident]
) -> None:
    sign_in(app, page, site, alice)
    page.goto(f"{site}/app/incidents")
    page.get_by_label("Kind").select_option("failed")
    expect(page.locator(".incident-row")).to_have_count(2, timeout=SOON)
    page.get_by_text("More filters").click()
    page.get_by_label("Tag").select_option("db")
    expect(page.locator(".incident-row")).to_have_count(1, timeout=SOON)
    assert rows(page) == ["Warehouse"]
    assert page.url == f"{site}/app/incidents?status=unresolved&kind=failed&tag=db"

    page.get_by_role("link", name="Save as preset").click()
    page.get_by_label("Name").fill("Databases that fail")
    page.get_by_text("Open it first").click()
    page.get_by_role("button", name="Save").click()
    chip = page.get_by_role("navigation", name="Presets").get_by_role("link", name="Databases that fail")
    expect(chip).to_have_attribute("aria-current", "true", timeout=SOON)

    page.goto(f"{site}/app/incidents")
    assert rows(page) == ["Warehouse"], "it opens first"
    page.get_by_role("link", name="All incidents").click()
    expect(page.locator(".incident-row")).to_have_count(3, timeout=SOON)


def test_words_are_looked_for_while_they_are_typed_and_a_monitor_when_it_is_named(
    app: Flask, page: Page, site: str, alice: User, three: list[Incident]
) -> None:
    sign_in(app, page, site, alice)
    page.goto(f"{site}/app/incidents")
    page.get_by_label("Search incidents").press_sequentially("ware")
    expect(page.locator(".incident-row")).to_have_count(1, timeout=SOON)
    page.get_by_label("Search incidents").fill("")
    expect(page.locator(".incident-row")).to_have_count(3, timeout=SOON)
    page.get_by_text("More filters").click()
    page.get_by_label("Monitor", exact=True).fill("mails")
    page.get_by_label("Monitor", exact=True).press("Enter")
    expect(page.locator(".incident-row")).to_have_count(1, timeout=SOON)
    expect(page.get_by_role("link", name="Only Mails")).to_be_visible()
    page.get_by_label("Monitor", exact=True).fill("nothing like it")
    page.get_by_label("Monitor", exact=True).press("Enter")
    expect(page.get_by_text("There is no monitor “nothing like it” here")).to_be_visible(timeout=SOON)


def test_bob_resolves_two_and_alice_sees_it_in_her_browser(
    app: Flask, browser: Browser, page: Page, site: str, alice: User, bob: User, three: list[Incident]
) -> None:
    sign_in(app, page, site, alice)
    page.goto(f"{site}/app/incidents")
    third = page.locator(".incident-row", has_text="Warehouse").locator("[data-pick]")
    third.check()

    context = browser.new_context()
    bobs = context.new_page()
    sign_in(app, bobs, site, bob)
    bobs.goto(f"{site}/app/incidents")
    bobs.keyboard.press("j")
    bobs.keyboard.press("x")
    bobs.keyboard.press("j")
    bobs.keyboard.press("Shift+X")
    expect(bobs.get_by_text("2 ticked")).to_be_visible()
    bobs.locator("[data-bulk-resolve]").click()
    expect(bobs.get_by_role("heading", name="Resolve 2 incidents?")).to_be_visible(timeout=SOON)
    bobs.get_by_role("button", name="Resolve 2").click()
    expect(bobs.get_by_text("2 incidents were resolved.")).to_be_visible(timeout=SOON)

    expect(page.locator(".incident-row")).to_have_count(1, timeout=SOON)
    expect(third).to_be_checked()
    expect(page.get_by_role("heading", level=1)).to_have_text("One incident needs somebody")
    context.close()


def test_one_key_acknowledges_all_that_are_ticked_in_as_many_requests_as_it_takes(
    app: Flask, page: Page, site: str, bob: User, three: list[Incident], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokiflow.services.incident_sets.AT_ONCE", 1)
    monkeypatch.setattr("tokiflow.web.incident_sets.PATIENCE", 0)
    sign_in(app, page, site, bob)
    page.goto(f"{site}/app/incidents")
    page.get_by_label("All on this page").check()
    expect(page.get_by_text("3 ticked")).to_be_visible()
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("a")
    page.get_by_role("button", name="Acknowledge 3").click()
    expect(page.get_by_text("3 incidents were acknowledged.")).to_be_visible(timeout=SOON)


def test_a_comment_is_written_where_the_browser_keeps_nothing(
    app: Flask, page: Page, site: str, bob: User, three: list[Incident]
) -> None:
    refuse = "get() { throw new DOMException('', 'SecurityError'); }"
    page.add_init_script(f"Object.defineProperty(window, 'sessionStorage', {{ {refuse} }})")
    sign_in(app, page, site, bob)
    page.goto(f"{site}/app/incidents/{ids.public('inc', three[0].id)}")
    page.get_by_label("Comment").type("It is the disk.")
    page.get_by_role("button", name="Comment").click()
    expect(page.locator(".timeline, #timeline").get_by_text("It is the disk.")).to_be_visible(timeout=SOON)


def test_nothing_ticked_is_said(app: Flask, page: Page, site: str, bob: User, three: list[Incident]) -> None:
    sign_in(app, page, site, bob)
    page.goto(f"{site}/app/incidents")
    page.locator("[data-bulk-mute]").click()
    expect(page.locator("#toasts").get_by_text("Tick the incidents that you mean first.")).to_be_visible(timeout=SOON)


def test_it_all_works_without_javascript(
    app: Flask, browser: Browser, site: str, bob: User, three: list[Incident]
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(app, page, site, bob)
    page.goto(f"{site}/app/incidents")
    page.get_by_label("Kind").select_option("failed")
    page.get_by_role("button", name="Show").click()
    assert len(rows(page)) == 2
    page.locator("[data-pick]").first.check()
    page.locator("[data-bulk-resolve]").click()
    page.get_by_role("button", name="Resolve 1").click()
    expect(page.get_by_text("1 incident was resolved.")).to_be_visible()
    page.get_by_role("link", name="Save as preset").click()
    page.get_by_label("Name").fill("What fails")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("navigation", name="Presets").get_by_text("What fails")).to_be_visible()
    context.close()


def test_words_are_previewed_written_changed_and_seen_by_the_other(
    app: Flask, browser: Browser, page: Page, site: str, alice: User, bob: User, three: list[Incident]
) -> None:
    url = f"{site}/app/incidents/{ids.public('inc', three[0].id)}"
    context = browser.new_context()
    bobs = context.new_page()
    for one, user in ((page, alice), (bobs, bob)):
        sign_in(app, one, site, user)
        one.goto(url)
    bobs.get_by_label("Comment", exact=True).fill("It is **the disk**")
    bobs.context.clear_cookies()
    bobs.reload()
    expect(bobs.get_by_role("heading", name="Sign in to Tokiflow")).to_be_visible(timeout=SOON)
    sign_in(app, bobs, site, bob)
    bobs.goto(url)  # and what was being written is there again
    bobs.get_by_role("button", name="Preview").click()
    expect(bobs.locator(".preview strong")).to_have_text("the disk", timeout=SOON)
    expect(bobs.get_by_label("Comment", exact=True)).to_have_value("It is **the disk**")
    with_trouble = re.compile("/comment$")
    bobs.route(with_trouble, lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    bobs.get_by_role("button", name="Comment", exact=True).click()
    expect(bobs.locator("#toasts")).to_contain_text("Tokiflow could not do that")
    expect(bobs.get_by_label("Comment", exact=True)).to_have_value("It is **the disk**")
    bobs.unroute(with_trouble)
    bobs.get_by_role("button", name="Comment", exact=True).dblclick()  # is said once all the same
    expect(page.locator("#timeline strong")).to_have_text("the disk", timeout=SOON)
    expect(page.get_by_role("link", name="Change")).to_have_count(0)
    bobs.reload()
    expect(bobs.get_by_label("Comment", exact=True)).to_have_value("")
    bobs.get_by_role("link", name="Change").click(timeout=SOON)
    bobs.locator("#ask-dialog").get_by_label("Comment").fill("It was the *network*")
    bobs.get_by_role("button", name="Save").click()
    expect(page.locator("#timeline em")).to_have_text("network", timeout=SOON)
    context.close()


def test_the_difference_opens_in_its_place_and_stays(
    app: Flask, page: Page, site: str, alice: User, organization: Organization
) -> None:
    monitor = make_monitor(organization)
    fail(monitor, datetime.now(UTC) - timedelta(minutes=3))
    sign_in(app, page, site, alice)
    page.goto(f"{site}/app/incidents")
    page.locator(".incident-row .name").click()
    page.get_by_text("Compare with the last good run").click()
    said = page.get_by_text("there is nothing to compare with")
    expect(said).to_be_visible(timeout=SOON)
    with page.expect_response(lambda one: "/app/incidents/inc_" in one.url and "hx-request" in one.request.headers):
        pass
    expect(said).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_room_is_fit_for_everybody(
    app: Flask, page: Page, site: str, alice: User, three: list[Incident], scheme: str
) -> None:
    sign_in(app, page, site, alice)
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    one = ids.public("inc", three[0].id)
    for path in (
        "/app/incidents?status=all&tag=db", "/app/incidents?status=x", "/app/incidents/presets",
        "/app/incidents/presets/new?status=open", f"/app/incidents/bulk?do=mute&id={one}",
        f"/app/incidents/{one}/snooze", f"/app/incidents/{one}/difference",
    ):  # fmt: skip
        page.goto(f"{site}{path}")
        assert serious_problems(page) == [], path
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    for path in ("/app/incidents?status=all&tag=db", f"/app/incidents/{one}", "/app/incidents/presets"):
        page.goto(f"{site}{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert serious_problems(page) == [], path
