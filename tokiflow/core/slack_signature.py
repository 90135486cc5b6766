"""Whether it is Slack that asks: version 0 of its signatures, an HMAC-SHA256 over the time and the body as it came.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

TOLERANCE_SECONDS = 300
"""So far a request's clock may be from ours, in both directions: what was caught on its way can't be sent next week."""


def sign(secret: str, timestamp: int | str, body: bytes) -> str:
    """The signature of `body` sent at `timestamp` (Unix seconds): `v0=` and 64 hexadecimal digits."""
    signed = b"v0:" + str(timestamp).encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def genuine(secret: str, timestamp: str, signature: str, body: bytes, now: datetime) -> bool:
    """Whether whoever knows `secret` signed `body`, at most five minutes from `now`."""
    if not (secret and timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    return hmac.compare_digest(sign(secret, timestamp, body).encode(), signature.encode("utf-8", "replace"))
