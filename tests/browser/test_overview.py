"""The overview of very many monitors in a real browser: the figures come after the page, with JavaScript or without."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.test_overview import up
from tokiflow.models import Organization, User
from tokiflow.web import overview


@pytest.mark.parametrize("scripts", [True, False])
def test_the_figures_come_after_the_page(
    browser: Browser, site: str, sign_in: Callable[[Page, User], None], organization: Organization, vera: User,
    monkeypatch: pytest.MonkeyPatch, scripts: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(overview, "LATER", 1)
    for name in ("Nightly backup", "Invoices"):
        up(organization, name)
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    sign_in(page, vera)
    page.goto(f"{site}/app")
    expect(page.get_by_role("heading", name="Noisiest")).to_be_visible()
    expect(page.locator("#figures")).to_have_count(1)
    expect(page.get_by_text("Summing up")).to_have_count(0)
    context.close()
