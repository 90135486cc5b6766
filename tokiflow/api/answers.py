"""What a view answers with: JSON, pages of a list, nothing, bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Response, current_app, request

from tokiflow.queries.paging import Page
from tokiflow.settings import Settings

T = TypeVar("T")


def ok(value: Any, status: int = 200) -> Response:
    """`value` as JSON."""
    return Response(dump(value), status, content_type="application/json")


def created(value: Any, path: str) -> Response:
    """`value` as JSON, with the address where it is from now on."""
    response = ok(value, 201)
    response.headers["Location"] = f"{public_url()}{path}"
    response.autocorrect_location_header = False
    return response


def nothing() -> Response:
    """Done, and there is nothing to say."""
    return Response(status=204)


def page(found: Page[T], shape: Callable[[T], Any] | None = None, items: Iterable[Any] | None = None) -> Response:
    """`{"items", "next"}`: each row in its `shape`, or `items` made already."""
    shaped = list(items) if items is not None else [shape(one) for one in found.items] if shape else []
    return ok({"items": shaped, "next": _next(found.next)})


def public_url() -> str:
    """Where the world finds us, without a slash at the end."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.public_url


def dump(value: Any) -> bytes:
    """`value` as JSON in UTF-8. Half characters, which UTF-8 can't hold, become question marks."""
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")


def _next(cursor: str | None) -> str | None:
    """The address of the next page, with the filters of this one."""
    if cursor is None:
        return None
    kept = {name: text for name, text in request.args.items() if text and name != "cursor"}
    return f"{public_url()}{request.path}?{urlencode(kept | {'cursor': cursor})}"
