"""Speaking with htmx: who is asking, and the answers only it understands.

Every page works without it, so these are choices of form, never of what happens.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Response, make_response, redirect, render_template, request


def is_htmx() -> bool:
    """Did htmx ask for a part of a page? Boosted links and restored history want the whole page."""
    headers = request.headers
    boosted = headers.get("HX-Boosted") == "true" or headers.get("HX-History-Restore-Request") == "true"
    return headers.get("HX-Request") == "true" and not boosted


def target() -> str:
    """The id of the element that will be swapped (`HX-Target: div#monitors` → `monitors`), or the empty string."""
    return request.headers.get("HX-Target", "").partition("#")[2]


def see_other(url: str) -> Response:
    """After a POST: go to `url`. A browser gets 303; htmx would follow that inside the swap, so it gets HX-Redirect."""
    if is_htmx():
        return _with_vary(Response(status=200, headers={"HX-Redirect": url}))
    return _with_vary(make_response(redirect(url, code=303)))


def refresh(back: str) -> Response:
    """Make htmx load the page it is on again; a browser without it is sent to `back`."""
    if is_htmx():
        return _with_vary(Response(status=200, headers={"HX-Refresh": "true"}))
    return see_other(back)


def page(full: str, partial: str, status: int = 200, **context: Any) -> Response:
    """The `partial` template for htmx, else the `full` page, with the same context for both."""
    return _with_vary(make_response(render_template(partial if is_htmx() else full, **context), status))


def toast(response: Response, text: str, kind: str = "up") -> Response:
    """Also say `text` in the corner of the page; `kind` is a status: up, late or down.

    Triggered on the body, because the element that asked may be gone after the swap.
    """
    response.headers["HX-Trigger"] = json.dumps({"toast": {"target": "body", "text": text, "kind": kind}})
    return response


def wake(response: Response, region: str, text: str = "", kind: str = "up") -> Response:
    """Make the live region `region` (an id) ask the server now; and say `text`, if there is any, as `toast` does."""
    events: dict[str, Any] = {"poll": {"target": f"#{region}"}}
    if text:
        events["toast"] = {"target": "body", "text": text, "kind": kind}
    response.headers["HX-Trigger"] = json.dumps(events)
    return response


def push(response: Response, url: str) -> Response:
    """Show `url` in the address bar: filters and pages belong there."""
    response.headers["HX-Push-Url"] = url
    return response


def _with_vary(response: Response) -> Response:
    """A cache must not answer a reload with the part that htmx once asked for."""
    response.vary.add("HX-Request")
    return response
