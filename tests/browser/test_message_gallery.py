"""The gallery of messages in a real browser: nothing is refused by its own policy, nothing sticks out on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.browser import NARROW, serious_problems


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_messages_can_be_looked_at(page: Page, site: str, scheme: str) -> None:
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    for path in ("", "/slack_app"):
        page.goto(f"{site}/dev/gallery/messages{path}")
        assert serious_problems(page) == []
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    page.goto(f"{site}/dev/gallery/messages?width=phone")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_mail_shows_in_its_frame_in_the_scheme_it_stands_in(page: Page, site: str) -> None:
    page.goto(f"{site}/dev/gallery/messages/email?only=failed")
    for scheme, paper in (("light", "rgb(246, 244, 240)"), ("dark", "rgb(20, 22, 26)")):
        frame = page.frame_locator(f'iframe[title="The mail, {scheme}"]')
        expect(frame.get_by_role("link", name="Open the incident")).to_be_visible()
        expect(frame.locator("body")).to_have_css("background-color", paper)
