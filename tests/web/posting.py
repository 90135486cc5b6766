"""Filling in forms as a browser does: the token against forged requests comes from the page."""

from __future__ import annotations

import re

from werkzeug.test import TestResponse

from tests.fixtures.app import Client


def token_on(client: Client, page: str) -> str:
    """The CSRF token that `page` gives to the browser of `client`."""
    found = re.search(r'name="csrf-token" content="([^"]+)"', client.get(page).text)
    assert found, f"{page} has no token"
    return found[1]


def post(client: Client, url: str, page: str = "/auth/sign-in", **fields: str) -> TestResponse:
    """Send `fields` to `url` from a form on `page`."""
    return client.post(url, data={"csrf_token": token_on(client, page), **fields})
