"""Errors as `application/problem+json` (RFC 9457): the one place where nouns of `errors` become JSON."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Blueprint, Flask, Response, g, request
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from tokiflow import errors
from tokiflow.api import answers
from tokiflow.db import db

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: ("malformed", "The request could not be read"),
    401: ("unauthorized", "A valid API key is needed"),
    403: ("forbidden", "This key may not do that"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "This address can't be used that way"),
    409: ("conflict", "It stands in the way of something else"),
    413: ("too-large", "The request is too large"),
    415: ("unsupported-media-type", "The body has the wrong content type"),
    422: ("invalid", "Some fields need another value"),
    429: ("rate-limited", "Too many requests"),
    500: ("internal", "Something went wrong on our side"),
    503: ("unavailable", "Try again shortly"),
}
_DETAILS = {
    404: "There is nothing here, or it is not yours to see.",
    413: "The body has more than 1,000,000 bytes; send less.",
}


class UnsupportedMediaType(errors.TokiflowError):
    """The body is not said to be JSON."""

    status = 415


def init_app(app: Flask, blueprint: Blueprint) -> None:
    """Answer with problems whatever is raised in `blueprint`, and whatever is asked below /api/ but not there."""
    blueprint.register_error_handler(errors.TokiflowError, _ours)
    blueprint.register_error_handler(HTTPException, _http)
    blueprint.register_error_handler(OperationalError, _away)
    blueprint.register_error_handler(PoolTimeout, _away)
    blueprint.register_error_handler(IntegrityError, _overtaken)
    blueprint.register_error_handler(Exception, _unexpected)
    # An address that no route knows belongs to no blueprint.
    app.before_request(_unrouted)


def answer(status: int, detail: str = "", **more: Any) -> Response:
    """The problem `status`. `detail` is a sentence for people; `more` are further members."""
    word, title = TITLES.get(status, ("error", "The request failed"))
    body = {
        "type": f"urn:tokiflow:problem:{word}",
        "title": title,
        "status": status,
        "detail": detail or _DETAILS.get(status) or f"{title}.",
        **more,
    }
    if "request_id" in g:
        body["request_id"] = g.request_id
    return Response(answers.dump(body), status, content_type=MEDIA_TYPE)


def _ours(error: errors.TokiflowError) -> Response:
    db.session.rollback()
    said = "" if error.message == error.title else error.message
    if isinstance(error, errors.Invalid):
        return answer(422, said, errors=error.fields)
    response = answer(error.status, said)
    if isinstance(error, errors.RateLimited | errors.Unavailable):
        response.headers["Retry-After"] = str(error.retry_after)
    challenge = getattr(error, "challenge", "")
    if challenge:
        response.headers["WWW-Authenticate"] = challenge
    return response


def _http(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        return Response.force_type(error.get_response())  # type: ignore[return-value]
    response = answer(error.code, _DETAILS.get(error.code) or (error.description or ""))
    methods = getattr(error, "valid_methods", None)
    if methods:
        response.headers["Allow"] = ", ".join(sorted(methods))
    return response


def _away(error: Exception) -> Response:
    log.warning("database_away", error=type(error).__name__)
    db.session.rollback()
    response = answer(503, "Tokiflow can't reach its database. Nothing is lost; try again in a few seconds.")
    response.headers["Retry-After"] = "5"
    return response


def _overtaken(error: IntegrityError) -> Response:
    log.warning("overtaken", error=type(error.orig).__name__)
    db.session.rollback()
    return answer(409, "Somebody else changed this at the same moment; read it again and try once more.")


def _unexpected(error: Exception) -> Response:
    log.exception("unexpected_error")
    db.session.rollback()
    return answer(500, "We have a note of it. Try again; if it stays, tell us the request_id.")


def _unrouted() -> Response | None:
    error = request.routing_exception
    if error is None or isinstance(error, RequestRedirect) or not f"{request.path}/".startswith("/api/"):
        return None
    return _http(error)
