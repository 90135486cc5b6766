"""Errors as pages, or as a part for htmx: the one place where nouns of `errors` become HTML."""

from __future__ import annotations

import structlog
from flask import Flask, Response, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from tokiflow import errors
from tokiflow.db import db
from tokiflow.extensions import login
from tokiflow.web import htmx

log = structlog.get_logger()

_FORGED = "This form has been open for too long, or another site sent it. Load its page again and send it anew."
_TITLES = {
    400: "That was not taken",
    403: errors.Forbidden.title,
    404: errors.NotFound.title,
    405: "That does not work here",
    413: "That is too much at once",
    429: errors.RateLimited.title,
}
_SENTENCES = {
    400: "The request could not be read. Go back and try again.",
    403: "Your role in this organization does not include it.",
    404: "There is nothing here, or it is not yours to see.",
    405: "This address can’t be used that way.",
    413: "We take at most 1,000,000 bytes at once, in at most 1,000 fields. Go back, shorten it and send it again.",
    429: "That was too often. Wait a minute and try again.",
}


def init_app(app: Flask) -> None:
    """Turn whatever a view raises into an answer; the API answers for its own paths."""

    @app.errorhandler(errors.TokiflowError)
    def ours(error: errors.TokiflowError) -> Response:
        answer = _answer(error.status, error.title, error.message, getattr(error, "there", ""))
        if isinstance(error, errors.RateLimited | errors.Unavailable):
            answer.headers["Retry-After"] = str(error.retry_after)
        return answer

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        if error.code is None or error.code < 400:
            return make_response(error.get_response())
        sentence = _FORGED if isinstance(error, CSRFError) else _SENTENCES.get(error.code, error.description or "")
        answer = _answer(error.code, _TITLES.get(error.code, error.name), sentence)
        if error.code == 405:
            answer.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or [])
        return answer

    @app.errorhandler(OperationalError)
    @app.errorhandler(PoolTimeout)
    def database_away(error: OperationalError | PoolTimeout) -> Response:
        log.warning("database_away", error=type(getattr(error, "orig", error)).__name__)
        return _plain(503, "Tokiflow can’t reach its database", "Nothing is lost. Try again in a few seconds.")

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.exception("unexpected_error")
        db.session.rollback()
        return _plain(500, "Something went wrong on our side", "We have a note of it. Try again, or go back.")


def _answer(status: int, title: str, message: str, there: str = "") -> Response:
    if htmx.is_htmx():
        return make_response(render_template("errors/_error.html", title=title, message=message), status)
    return _plain(status, title, message, there)


def _plain(status: int, title: str, message: str, there: str = "") -> Response:
    """A page that needs nothing of the database: it may be the database that failed. `there` is where Tokiflow is, if
    not here."""
    g.pop("membership", None)
    # Who it is would be looked up now, by whatever draws a page, where nobody has asked before.
    g.setdefault("_login_user", login.anonymous_user())
    reference = g.get("request_id", "") or request.headers.get("X-Request-ID", "")
    page = render_template(
        "errors/error.html", status=status, title=title, message=message, reference=reference, there=there
    )
    return make_response(page, status)
