"""Google as it is set up for this site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import current_app, url_for

from tokiflow import errors
from tokiflow.settings import Settings

if TYPE_CHECKING:
    from tokiflow.adapters.google import Google

_KEPT = "tokiflow.google"


def get() -> Google:
    """Google as it is set up. Raises NotFound where it is not."""
    # Cryptography and all that comes with it take 8 MB: here, only where somebody signs in with Google.
    from tokiflow.adapters.google import google_from

    if _KEPT not in current_app.extensions:
        current_app.extensions[_KEPT] = google_from(current_app.extensions["tokiflow.settings"])
    made: Google | None = current_app.extensions[_KEPT]
    if made is None:
        raise errors.NotFound
    return made


def callback_url() -> str:
    """Under the public address: it must be the one that was registered with Google."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.public_url + url_for("auth.google_callback")
