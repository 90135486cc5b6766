"""A real browser holds every page against its policy. What it refused it says in its console, which fails the test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from tests.house.test_access import WORDS, stops
from tests.house.things import make_personal_things, make_things
from tokiflow.core.roles import Right
from tokiflow.models import Organization, User


@pytest.mark.timeout(300)
def test_nothing_on_any_page_is_refused_by_its_policy(
    app: Flask, site: str, page: Page, sign_in: Callable[[Page, User], None], alice: User, organization: Organization
) -> None:
    now = datetime.now(UTC)
    there = WORDS | make_things(organization, now) | make_personal_things(alice, organization, now)
    sign_in(page, alice)
    looked_at = 0
    for stop in stops(app):
        if stop.method == "GET" and isinstance(stop.right, Right) and _is_a_page(app, stop.rule):
            answer = page.goto(site + stop.address(there), wait_until="load")
            looked_at += answer is not None and answer.status == 200
    assert looked_at > 10


def _is_a_page(app: Flask, rule: str) -> bool:
    """What is shown, and not fetched: files come as downloads, and Slack's way leads elsewhere."""
    return not any(word in rule for word in ("raw", "download", "file", "slack", "output", ".csv", ".json"))


def test_a_form_sent_by_a_real_browser_is_ours(
    site: str, page: Page, sign_in: Callable[[Page, User], None], alice: User
) -> None:
    sign_in(page, alice)
    page.goto(f"{site}/app/settings/profile")
    page.locator("form[action*='sign-out'] button").first.evaluate("button => button.form.requestSubmit()")
    expect(page.get_by_text("You are signed out.")).to_be_visible(timeout=15_000)
