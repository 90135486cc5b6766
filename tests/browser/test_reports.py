"""Reports in a real browser: readable for everybody, and narrowed down without leaving the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.factories import make_monitor
from tests.fixtures.browser import serious_problems
from tests.queries.test_analytics import down
from tokiflow.models import Organization, User

NOW = datetime.now(UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def jobs(organization: Organization) -> None:
    made = {
        tag: make_monitor(organization, f"Job for {tag}", created_at=NOW - 50 * DAY, last_ping_at=NOW, tags=[tag])
        for tag in ("billing", "db")
    }
    down(made["db"], NOW - 9 * DAY, NOW - 9 * DAY + HOUR)


@pytest.mark.usefixtures("jobs")
def test_a_report_is_narrowed_down_and_ordered_by_mail(
    page: Page, site: str, alice: User, sign_in: Callable[[Page, User], None]
) -> None:
    sign_in(page, alice)
    page.goto(f"{site}/app/reports?period=30d")
    expect(page.get_by_role("heading", level=1)).to_have_text("Report for the last 30 days")
    expect(page.get_by_role("link", name="Job for billing")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious_problems(page) == []
    page.get_by_label("Which monitors").select_option("db")
    expect(page.get_by_role("link", name="Job for billing")).to_have_count(0)
    assert page.url.endswith("/app/reports?period=30d&tag=db")
    page.get_by_role("button", name="Mail me every month").click()
    expect(page.locator("#by-mail")).to_contain_text("Monitors tagged db")
    page.get_by_label("When").select_option("dates")
    expect(page.get_by_label("From", exact=True)).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
