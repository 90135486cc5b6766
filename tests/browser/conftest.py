"""One Chromium for all stories of this folder that follow each other, and who sits before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.fixtures.browser import chromium_running
from tokiflow.models import User

SignIn = Callable[[Page, User], None]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, in which each test opens a window of its own.

    For the folder, not the session: tests of other folders may need an event loop of their own.
    """
    with chromium_running() as made:
        yield made


@pytest.fixture
def alices(page: Page, sign_in: SignIn, alice: User) -> Page:
    sign_in(page, alice)
    return page


@pytest.fixture
def plain(browser: Browser, sign_in: SignIn, alice: User) -> Iterator[Page]:
    """Alice's browser with JavaScript turned off."""
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    made = context.new_page()
    sign_in(made, alice)
    yield made
    context.close()
