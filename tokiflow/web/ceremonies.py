"""What a browser was asked to sign with a passkey: in its session, for a few minutes, and for one answer."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from flask import session

from tokiflow.services import passkeys
from tokiflow.web import frame

LIFETIME = timedelta(minutes=10)
_KEY = "ceremonies"


def begin(purpose: str) -> bytes:
    """A fresh challenge for `purpose` (add · sign_in · second_step · …); the one before is forgotten."""
    challenge = secrets.token_bytes(32)
    session[_KEY] = {**session.get(_KEY, {}), purpose: [challenge.hex(), frame.now().timestamp()]}
    return challenge


def take(purpose: str) -> passkeys.Challenge:
    """The challenge of this browser for `purpose`, once. Raises passkeys.Refused if there is none, or it is too old."""
    waiting = dict(session.get(_KEY, {}))
    text, at = waiting.pop(purpose, ("", 0.0))
    session[_KEY] = waiting
    made_at = datetime.fromtimestamp(at, UTC)
    if not text or made_at <= frame.now() - LIFETIME:
        raise passkeys.Refused(passkeys.STALE)
    return passkeys.Challenge(bytes.fromhex(text), made_at)
