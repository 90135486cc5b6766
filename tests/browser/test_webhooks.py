"""A webhook in a real browser: what would be sent is seen before it is saved, and a secret is changed."""

from __future__ import annotations

from flask import Flask
from playwright.sync_api import Page, expect

from tests.browser.test_incidents import sign_in
from tests.factories import make_channel
from tests.fixtures.browser import NARROW, serious_problems
from tokiflow.core import ids
from tokiflow.models import Organization, User


def test_alice_sees_what_would_be_sent_before_she_saves_it(app: Flask, page: Page, site: str, alice: User) -> None:
    sign_in(app, page, site, alice)
    page.goto(f"{site}/app/channels/new/webhook")
    page.get_by_label("Body").fill('{"text": "{{ hedline }}"}')
    show = page.get_by_role("button", name="Show what would be sent")
    show.click()
    expect(page.locator("#template-error")).to_contain_text("did you mean headline?")
    page.get_by_label("Body").fill('{"text": "{{ headline }}"}')
    show.click()
    seen = page.locator("#requests")
    expect(seen).to_contain_text('{"text": "Down: Nightly database backup missed its 02:05 ping"}')
    expect(page.locator("#template-error")).to_have_count(0)
    seen.locator("summary", has_text="It is over").click()
    expect(seen).to_contain_text("Up: Nightly database backup is back after 9 h 12 min")
    assert page.url.endswith("/new/webhook")
    assert serious_problems(page) == []
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_the_secret_is_changed_in_a_dialog_and_the_page_follows(
    app: Flask, page: Page, site: str, alice: User, organization: Organization
) -> None:
    channel = make_channel(
        organization, "webhook", name="Pager", config={"url": "https://example.com/", "secret": "s3cret"}
    )
    sign_in(app, page, site, alice)
    page.goto(f"{site}/app/channels/{ids.public('chn', channel.id)}")
    page.get_by_text("Ruby", exact=True).click()
    expect(page.get_by_role("region", name="Ruby")).to_contain_text("OpenSSL.secure_compare")
    page.get_by_role("link", name="Change the secret").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Make a new secret").click()
    expect(dialog.get_by_label("Signing secret")).not_to_have_value("")
    assert serious_problems(page) == []
    dialog.get_by_text("I have copied it").click()
    expect(page.locator("#signing")).to_contain_text("Each request has two signatures")
    assert serious_problems(page) == []
    page.get_by_role("button", name="Stop the former").click()
    expect(page.locator("#signing")).not_to_contain_text("two signatures")
