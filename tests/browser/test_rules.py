"""A rule written in a browser, and the question who would be told, answered while one asks."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.factories import make_channel, make_monitor
from tests.fixtures.browser import NARROW, serious_problems
from tokiflow.models import Organization, User

SOON = 15_000


def test_alice_writes_a_rule_and_asks_who_would_be_told(
    site: str, page: Page, sign_in: Callable[[Page, User], None], alice: User, organization: Organization
) -> None:
    make_channel(organization, "slack", name="#ops")
    make_channel(organization, name="Bob’s pager")
    make_monitor(organization, "Nightly backup", tags=["db"])
    make_monitor(organization, "Invoices")
    sign_in(page, alice)

    page.goto(f"{site}/app/rules/new")
    page.get_by_label("Name", exact=True).fill("Database")
    page.get_by_label("Tagged (optional)", exact=True).fill("db")
    page.locator("#step_0").get_by_label("#ops").check()
    page.get_by_role("button", name="Add a step").click()
    page.get_by_label("After").fill("15 min")
    page.locator("#step_1").get_by_label("Bob’s pager").check()
    assert serious_problems(page) == []
    page.get_by_role("button", name="Add rule").click()
    expect(page.get_by_text("after 15 minutes without acknowledgement tell Bob’s pager")).to_be_visible(timeout=SOON)
    assert serious_problems(page) == []

    page.get_by_role("link", name="Who would be told?").click()
    page.get_by_label("Monitor").select_option(label="Nightly backup")
    expect(page.locator("#answer")).to_contain_text("by step 2 of “Database”", timeout=SOON)
    page.get_by_label("Monitor").select_option(label="Invoices")
    expect(page.locator("#answer")).to_contain_text("Not tagged db.", timeout=SOON)
    assert "monitor=mon_" in page.url
    assert serious_problems(page) == []

    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    page.goto(f"{site}/app/rules")
    page.get_by_role("button", name="Disable Database").click()
    expect(page.get_by_role("button", name="Enable Database")).to_be_visible(timeout=SOON)
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
