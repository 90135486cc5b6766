"""What Slack tells us: a button was pressed, a command typed, the app removed. Each request proves that it is Slack's.

https://docs.slack.dev/interactivity/handling-user-interaction, …/implementing-slash-commands, …/apis/events-api
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl

import structlog
from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from tokiflow import extensions, outside
from tokiflow.core import slack_commands, slack_signature
from tokiflow.services import slack_installations, slack_requests
from tokiflow.settings import Settings
from tokiflow.web import access, frame, slack_answers, slack_presses

log = structlog.get_logger()

blueprint = Blueprint("slack_hooks", __name__, url_prefix="/hooks/slack")
extensions.csrf.exempt(blueprint)

LARGEST = 256 * 1024
"""Bytes. A card comes back whole with each press of its buttons."""
RATE = "600 per minute"


class NotUnderstood(ValueError):
    """The request is Slack's, and still not what it should be."""


def signed(view: Callable[[bytes, bool], Response]) -> Callable[[], Response]:
    """A view that anybody may call and only Slack is answered: 404 where there is no app, 401 without its signature.

    It is given the body as it came, and whether the very same request came before.
    """

    @wraps(view)
    def wrapped() -> Response:
        settings: Settings = current_app.extensions["tokiflow.settings"]
        if not settings.slack_app:
            return _plain(404, "There is no Slack app here.")
        body = _body()
        if body is None:
            return _plain(413, "That is more than Slack sends.")
        timestamp, signature = (
            request.headers.get(f"X-Slack-{name}", "") for name in ("Request-Timestamp", "Signature")
        )
        if not slack_signature.genuine(settings.slack_signing_secret, timestamp, signature, body, frame.now()):
            return _plain(401, "This is not signed by Slack, or came too late.")
        try:
            return view(body, not slack_requests.first(signature))
        except NotUnderstood as error:
            return _plain(400, str(error))

    return access.public(wrapped)


@blueprint.post("/actions")
@extensions.limiter.limit(RATE)
@signed
def actions(body: bytes, again: bool) -> Response:
    """A button was pressed."""
    payload = _object(_form(body).get("payload", ""))
    if payload.get("type") == "block_actions" and not again:
        slack_presses.answer(slack_presses.read(payload), outside.of(current_app), frame.now())
    return _taken()


@blueprint.post("/commands")
@extensions.limiter.limit(RATE)
@signed
def commands(body: bytes, again: bool) -> Response:
    """Somebody typed `/tokiflow …`; only they see the answer."""
    form = _form(body)
    if form.get("ssl_check"):
        return _taken()
    typed = slack_commands.parse(form.get("text", ""))
    if again and typed.verb in slack_commands.CHANGES:
        return jsonify({"response_type": "ephemeral", "text": "This came twice, and was done once."})
    said = slack_answers.answer(typed, form.get("team_id", ""), _name(form), frame.now())
    return jsonify({"response_type": "ephemeral", **said})


@blueprint.post("/events")
@extensions.limiter.limit(RATE)
@signed
def events(body: bytes, again: bool) -> Response:
    """The app was removed, or Slack wants to see that somebody listens here."""
    told = _object(body.decode("utf-8", "replace"))
    if told.get("type") == "url_verification":
        return jsonify({"challenge": str(told.get("challenge", ""))[:1_000]})
    event = told.get("event")
    if told.get("type") == "event_callback" and isinstance(event, dict) and _ends(event):
        slack_installations.removed_over_there(str(told.get("team_id", "")), frame.now())
    return _taken()


def _ends(event: dict[str, Any]) -> bool:
    """Whether our token is no longer worth anything. Those of persons may be revoked: we have none."""
    if event.get("type") == "tokens_revoked":
        tokens = event.get("tokens")
        return isinstance(tokens, dict) and bool(tokens.get("bot"))
    return event.get("type") == "app_uninstalled"


def _body() -> bytes | None:
    """The body as it came, which is what was signed; None if it is too large."""
    request.max_content_length = LARGEST
    try:
        return request.get_data()
    except RequestEntityTooLarge:
        return None


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise NotUnderstood("This is no form.") from None


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise NotUnderstood("This is no JSON.") from None
    if not isinstance(found, dict):
        raise NotUnderstood("This is no object.")
    return found


def _name(form: dict[str, str]) -> str:
    return form.get("user_name") or form.get("user_id", "")


def _taken() -> Response:
    return _plain(200, "")


def _plain(status: int, words: str) -> Response:
    return Response(words, status, content_type="text/plain; charset=utf-8")
