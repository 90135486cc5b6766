"""How often a key may call: counted in Redis, or in this process while Redis is away; never a reason to fail."""

from __future__ import annotations

import time

import structlog
from flask import Blueprint, Flask, Response, current_app, g
from flask_limiter.errors import RateLimitExceeded

from tokiflow import errors, extensions
from tokiflow.api import keys

log = structlog.get_logger()

RATE = "API_RATE"
USUAL = "600 per minute"


def init_app(app: Flask, blueprint: Blueprint) -> None:
    """Tell on each answer how much is left."""
    app.config.setdefault(RATE, USUAL)
    blueprint.after_request(_tell)


def count() -> None:
    """Count this request for its key. Raises RateLimited when it was one too many."""
    try:
        _counted()
    except RateLimitExceeded:
        _note()
        limit, _, reset = g.api_rate
        raise errors.RateLimited(f"This key may call {limit} times a minute; wait {reset} s.", reset) from None
    _note()


@extensions.limiter.shared_limit(lambda: current_app.config[RATE], scope="api", key_func=lambda: str(keys.current().id))
def _counted() -> None:
    """Calling this counts."""


def _note() -> None:
    """Remember limit, what is left and seconds until it is whole again, for the headers."""
    g.api_rate = (600, 0, 60)
    found = extensions.limiter.current_limit
    try:
        if found is not None:
            g.api_rate = (found.limit.amount, max(found.remaining, 0), extensions.wait_for(found, time.time()))
    except Exception as error:
        # Redis went away between counting and telling.
        log.warning("rate_unknown", error=type(error).__name__)


def _tell(response: Response) -> Response:
    if "api_rate" in g:
        for name, number in zip(("Limit", "Remaining", "Reset"), g.api_rate, strict=True):
            response.headers[f"RateLimit-{name}"] = str(number)
    return response
