"""One line for each request, and an id that follows it through the logs.

The line names the route's pattern and never the path: a ping URL or a sign-in link *is* a secret.
"""

from __future__ import annotations

import re
import time
from uuid import UUID, uuid4

import structlog
from flask import Flask, Response, g, request

from tokiflow.observability import metrics

log = structlog.get_logger()

HEADER = "X-Request-ID"
UNROUTED = "(none)"
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
# Asked for by machines every few seconds, or by every page: only of interest when something is wrong.
_QUIET = re.compile(r"/static/|/metrics$|/api/health$|/healthz$")


def init_app(app: Flask) -> None:
    """Give every request of `app` an id, a line in the log and a place in the metrics.

    Call it before anything else adds hooks: what they log then has the id, and the line knows their answer.
    """
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)


def request_id(given: str | None) -> str:
    """The id a proxy gave, if it looks like one, else a new one."""
    return given if given and _SANE.fullmatch(given) else uuid4().hex


def bind_organization(organization: UUID | str) -> None:
    """From here on, every line of this request (or job) names the organization."""
    structlog.contextvars.bind_contextvars(organization=str(organization))


def tell(method: str, route: str, status: int, seconds: float) -> None:
    """Log one answered request and count it. For doors outside of Flask, too: `route` is a pattern, not a path."""
    metrics.count_request(method, route, status, seconds)
    say = log.error if status >= 500 else log.debug if _QUIET.search(route) and status < 400 else log.info
    say("request", method=method, route=route, status=status, duration_ms=round(seconds * 1000, 1))


def _begin() -> None:
    structlog.contextvars.clear_contextvars()
    g.request_id = request_id(request.headers.get(HEADER))
    g.request_began = time.perf_counter()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    if "request_began" in g:
        response.headers[HEADER] = g.request_id
        route = request.url_rule.rule if request.url_rule else UNROUTED
        tell(request.method, route, response.status_code, time.perf_counter() - g.request_began)
    return response


def _forget(error: BaseException | None) -> None:
    structlog.contextvars.clear_contextvars()
