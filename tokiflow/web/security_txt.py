"""Whom to tell of a hole: /.well-known/security.txt (RFC 9116)."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, current_app

from tokiflow import errors
from tokiflow.settings import Settings
from tokiflow.web import access, frame

blueprint = Blueprint("security_txt", __name__)

GOOD_FOR = timedelta(days=90)
PATH = "/.well-known/security.txt"


@blueprint.get(PATH)
@access.public
def show() -> Response:
    """Where the operator wants to hear of it; nothing where none is named."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    if not settings.security_contact:
        raise errors.NotFound
    lines = (
        f"Contact: {settings.security_contact}",
        f"Expires: {frame.now() + GOOD_FOR:%Y-%m-%dT%H:%M:%SZ}",
        f"Canonical: {settings.public_url}{PATH}",
        "Preferred-Languages: en",
    )
    return Response("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
