"""`Idempotency-Key`: a POST that is sent again, because its answer got lost, is answered again and not done again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from flask import Response, request

from tokiflow import errors
from tokiflow.api import access, moments
from tokiflow.services import idempotency
from tokiflow.services.idempotency import Asked, Kept

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST = 255
FORM = "^[!-~]+$"


def answer(work: Callable[[], Response], *, outside: bool = False) -> Response:
    """The answer of `work`, or the one it gave the first time. `outside` work may take no transaction along.

    Raises Malformed for a bad key, Invalid for a key that came with another request before, Conflict while the first
    is still being worked on.
    """
    if HEADER not in request.headers:
        return work()
    asked = Asked(access.organization_id(), _key(), request.path, _fingerprint())
    do = idempotency.once_outside if outside else idempotency.once
    kept, replayed = do(asked, lambda: _kept(work()), moments.now())
    response = Response(kept.body, kept.status, content_type="application/json")
    if kept.location:
        response.headers["Location"] = kept.location
        response.autocorrect_location_header = False
    if replayed:
        response.headers[REPLAYED] = "true"
    return response


def _key() -> str:
    key = request.headers[HEADER]
    if not re.fullmatch(FORM, key) or len(key) > LONGEST:
        raise errors.Malformed(f"{HEADER} needs 1 to {LONGEST} letters, digits or signs, like a new UUID.")
    return key


def _fingerprint() -> str:
    return hashlib.sha256(request.query_string + b"\n" + request.get_data(cache=True)).hexdigest()


def _kept(response: Response) -> Kept:
    return Kept(response.status_code, response.get_data(as_text=True), response.headers.get("Location", ""))
