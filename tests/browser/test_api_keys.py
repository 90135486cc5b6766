"""A key from the first click to its end: made, copied, used, replaced, revoked."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime

from playwright.sync_api import Browser, Page, expect

from tests.fixtures.browser import NARROW, serious_problems
from tokiflow.models import Organization, User
from tokiflow.queries import api_keys

SOON = 15_000


def call(site: str, key: str) -> int:
    """The status of a call with `key`."""
    request = urllib.request.Request(f"{site}/api/v1/monitors", headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def wide_enough(page: Page) -> bool:
    return not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_alice_makes_copies_replaces_and_revokes_a_key(
    site: str, page: Page, sign_in: Callable[[Page, User], None], alice: User, organization: Organization
) -> None:
    sign_in(page, alice)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
    page.goto(f"{site}/app/settings/api-keys")
    assert serious_problems(page) == []
    page.get_by_role("link", name="Make the first key").click()
    page.get_by_label("Name", exact=True).fill("deploy")
    expect(page.get_by_label("Last day")).to_be_hidden()
    page.get_by_label("Until a date").check()
    page.get_by_label("Last day").fill("2031-12-31")
    assert serious_problems(page) == []
    page.get_by_role("button", name="Make the key").click()

    expect(page.get_by_role("heading", name="Copy your new key")).to_be_visible(timeout=SOON)
    assert serious_problems(page) == []
    assert page.url.startswith(f"{site}/app/settings/api-keys/key_")
    page.get_by_role("button", name="Copy api key").click()
    expect(page.get_by_role("button", name="Copied api key")).to_be_visible(timeout=SOON)
    key = page.evaluate("navigator.clipboard.readText()")
    assert api_keys.authenticate(key, datetime.now(UTC)) is not None
    assert call(site, key) == 200

    page.get_by_role("link", name="I have copied it").click()
    expect(page.locator("#keys").get_by_role("link", name="deploy")).to_be_visible(timeout=SOON)
    assert key not in page.content()
    expect(page.get_by_role("img", name="1 call in 30 days")).to_be_visible()
    assert serious_problems(page) == []
    page.go_back()
    expect(page.get_by_role("heading", name="deploy")).to_be_visible(timeout=SOON)
    assert key not in page.content(), "the way back leads to the page of the key, and not to the key"

    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    page.goto(f"{site}/app/settings/api-keys")
    assert wide_enough(page)
    page.get_by_role("link", name="deploy").click()
    page.get_by_role("link", name="Rotate").click()
    assert serious_problems(page) == []
    page.get_by_label("1 day").check()
    page.get_by_role("button", name="Make the new key").click()
    following = page.get_by_label("API key", exact=True).input_value()
    assert wide_enough(page)
    assert (call(site, key), call(site, following)) == (200, 200)

    page.goto(f"{site}/app/settings/api-keys?state=replaced")
    page.get_by_role("link", name="deploy").click()
    expect(page.get_by_text("Something has used it since")).to_be_visible(timeout=SOON)
    page.get_by_role("link", name="Revoke").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("It was last used")).to_be_visible(timeout=SOON)
    dialog.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("The key deploy is revoked.")).to_be_visible(timeout=SOON)
    assert (call(site, key), call(site, following)) == (401, 200)


def test_without_javascript_the_key_is_a_field_to_copy_from(
    site: str, browser: Browser, sign_in: Callable[[Page, User], None], alice: User
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, alice)
    page.goto(f"{site}/app/settings/api-keys/new")
    page.get_by_label("Name", exact=True).fill("deploy")
    page.get_by_role("button", name="Make the key").click()
    assert call(site, page.get_by_label("API key", exact=True).input_value()) == 200
    expect(page.get_by_role("button", name="Copy api key")).to_be_hidden()
    page.reload()
    expect(page.get_by_text("This form was sent twice.")).to_be_visible(timeout=SOON)
    context.close()
