"""Where to go next, when the address says it: only to a page of ours."""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

from flask import current_app, request

LONGEST = 2_000
HOME = "/app"


def safe(target: str | None, otherwise: str = HOME) -> str:
    """`target` if it is a path on this site, else `otherwise`.

    `//evil.example`, `/\\evil.example` and `https:evil.example` lead elsewhere in some browser; control characters and
    spaces are dropped by browsers, and what is left may lead elsewhere too.
    """
    if not target or len(target) > LONGEST or not target.startswith("/") or target.startswith("//"):
        return otherwise
    if "\\" in target or any(letter.isspace() or unicodedata.category(letter).startswith("C") for letter in target):
        return otherwise
    try:
        parts = urlsplit(target)
    except ValueError:
        return otherwise
    # To /auth/… nobody wants to come back: it would sign out, or begin signing in again.
    return otherwise if parts.scheme or parts.netloc or parts.path.startswith("/auth/") else target


def came_from(otherwise: str = HOME) -> str:
    """The page of ours that the person has before their eyes, as htmx or the browser says; else `otherwise`."""
    try:
        page = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
    except ValueError:
        return otherwise
    return safe(page._replace(scheme="", netloc="", fragment="").geturl()) if page.netloc == request.host else otherwise


def answers_get() -> bool:
    """Whether there is a page at the address of this request."""
    addresses = current_app.create_url_adapter(request)
    return addresses is not None and addresses.test(method="GET")
