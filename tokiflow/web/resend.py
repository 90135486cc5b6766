"""What Resend tells us later: mails that came back, and people who called them spam.

It signs as Svix does (https://docs.svix.com/receiving/verifying-payloads/how-manual): HMAC-SHA256 over id, timestamp
and body, with the secret that follows `whsec_` in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, current_app, request
from werkzeug.datastructures import Headers

from tokiflow import errors, extensions
from tokiflow.services import mail_events
from tokiflow.settings import Settings
from tokiflow.web import access, frame

blueprint = Blueprint("resend", __name__)

TOLERANCE = timedelta(minutes=5)


@blueprint.post("/hooks/resend")
@access.public
@extensions.csrf.exempt  # type: ignore[untyped-decorator]  # flask-wtf ships no types
def hear() -> Response:
    """Take an event. 404 where no secret is set, 401 for what Resend did not sign, 200 for all that it did."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    if not settings.resend_webhook_secret:
        raise errors.NotFound
    body = request.get_data()
    if not signed(request.headers, body, settings.resend_webhook_secret, frame.now()):
        return _plain("the signature does not fit", 401)
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return _plain("this is not JSON", 400)
    mail_events.take(event if isinstance(event, dict) else {}, frame.now())
    return _plain("ok", 200)


def signed(headers: Headers, body: bytes, secret: str, now: datetime) -> bool:
    """Whether one of the signatures is ours and fresh."""
    given = headers.get("svix-id", ""), headers.get("svix-timestamp", "")
    try:
        at = datetime.fromtimestamp(int(given[1]), UTC)
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (ValueError, OverflowError, OSError, binascii.Error):
        return False
    content = b".".join([*(one.encode("utf-8", "surrogateescape") for one in given), body])
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest())
    # While a secret is changed, there are several signatures: "v1,… v1,…".
    versions = (one.partition(",") for one in headers.get("svix-signature", "").split())
    candidates = [one.encode("utf-8", "surrogateescape") for version, _, one in versions if version == "v1"]
    fits = [hmac.compare_digest(expected, one) for one in candidates]
    return any(fits) and abs(now - at) <= TOLERANCE


def _plain(said: str, status: int) -> Response:
    return Response(said, status, content_type="text/plain; charset=utf-8")
