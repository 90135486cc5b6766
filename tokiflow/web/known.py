"""Which browser asks, and whose it is known to be, so that strangers use up nobody's chances but their own.

A browser gets a random value of its own, to which sign-in links are bound. Whoever has signed in there once leaves a
signed note in a second cookie; with it their requests are counted apart from everybody else's
(https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies). It opens nothing by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from ipaddress import ip_address, ip_network

from flask import Response, current_app, request
from itsdangerous import BadData, URLSafeTimedSerializer

from tokiflow import errors
from tokiflow.services import people
from tokiflow.services.sign_in import Asker
from tokiflow.settings import Settings
from tokiflow.web import signed_in

BROWSER_COOKIE = "tokiflow_browser"
KNOWN_COOKIE = "tokiflow_known"
KEPT = timedelta(days=365)
PEOPLE = 10
"""So many of those who signed in last are remembered in one browser."""


def asker(email: str, browser: str = "") -> Asker:
    """Who asks for, or uses, a link for `email`. browser: its value, where it has none yet."""
    return Asker(browser or own(), signed_in.device(), signed_in.address(), whose(email))


def own() -> str:
    """The value of this browser; empty if it has none."""
    return request.cookies.get(BROWSER_COOKIE, "")


def own_or_new() -> str:
    """The value of this browser, or one for it to be given (`give`)."""
    return own() or secrets.token_urlsafe(32)


def give(response: Response, browser: str) -> Response:
    """Let the browser keep its value."""
    _set(response, BROWSER_COOKIE, browser)
    return response


def note(response: Response, email: str) -> Response:
    """Let the browser keep that whoever has this address signed in there."""
    browser, key = own_or_new(), _keys()[0]
    # Marks that a former key made can't be made anew: whoever else signed in here is noted when they come again.
    others = [one for made_with, one in _people() if made_with == key and one != _mark(email, key)]
    _set(response, BROWSER_COOKIE, browser)
    noted = [_mark(browser, key), [_mark(email, key), *others][:PEOPLE]]
    _set(response, KNOWN_COOKIE, str(_serializer(key).dumps(noted)))
    return response


def whose(email: str) -> bool:
    """Whether whoever has this address, as somebody types it, signed in here before."""
    try:
        address = people.address(email)
    except errors.Invalid:
        return False
    return any(mark == _mark(address, key) for key, mark in _people())


def somebodys() -> bool:
    """Whether anybody signed in here before."""
    return bool(_people())


def network() -> str:
    """Whose requests are counted together: one IPv4 address, or the /64 that one IPv6 subscriber has."""
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))


def _people() -> list[tuple[str, str]]:
    """The marks of those who signed in in this browser, each with the key that made it. A note taken to another browser
    says nothing."""
    for key in _keys() if own() else ():
        try:
            browser, marks = _serializer(key).loads(
                request.cookies.get(KNOWN_COOKIE, ""), max_age=int(KEPT.total_seconds())
            )
        except (BadData, ValueError, TypeError):
            continue
        return [(key, str(one)) for one in marks] if browser == _mark(own(), key) else []
    return []


def _mark(text: str, key: str) -> str:
    """Stands for `text`, and does not tell it to whoever sees the cookie."""
    return hmac.digest(key.encode(), text.encode("utf-8", "surrogateescape"), "sha256").hex()[:32]


def _keys() -> tuple[str, ...]:
    """The key of the installation, and former ones."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.secret_keys


def _serializer(key: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        key.encode(),
        salt="tokiflow.known-browser",
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )


def _set(response: Response, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=KEPT,
        path="/auth/",
        secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
        httponly=True,
        samesite="Lax",
    )
