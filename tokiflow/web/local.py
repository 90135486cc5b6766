"""Does this request come from the very machine Tokiflow runs on, and may whoever sits there come in unasked?"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import current_app, request, session

from tokiflow.settings import LOOPBACK_HOSTS, Settings

# A request that came through a proxy comes from wherever the proxy's client is.
_OF_PROXIES = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")
_SIGNED_OUT = "signed_out"


def from_this_machine() -> bool:
    """Whether the visitor is on this machine. A name that merely resolves to it (DNS rebinding) does not count."""
    if any(name in request.headers for name in _OF_PROXIES):
        return False
    try:
        near = ip_address(request.remote_addr or "").is_loopback
        host = urlsplit(f"//{request.host}").hostname
    except ValueError:
        return False
    return near and host in LOOPBACK_HOSTS


def may_sign_in() -> bool:
    """Whether this visitor may come in without proving who they are. Never in production."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.may_sign_in_locally and from_this_machine()


def comes_in_unasked() -> bool:
    """The same, and they have not just signed out: then they want to stay out until they say otherwise."""
    return may_sign_in() and not session.get(_SIGNED_OUT)


def remember_sign_out() -> None:
    """From now on, ask before signing this browser in."""
    session[_SIGNED_OUT] = True
