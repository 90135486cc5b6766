"""One Chromium for all stories of this folder that follow each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.fixtures.browser import chromium_running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, in which each test opens a window of its own.

    For the folder, not the session: tests of other folders may need an event loop of their own.
    """
    with chromium_running() as made:
        yield made
