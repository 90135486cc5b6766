import hashlib
import hmac
import time

TOLERANCE = 300  # seconds


def is_from_tokiflow(secret: str, header: str, body: bytes) -> bool:
    """header: Tokiflow-Signature. body: the bytes as they came, before anything parses them."""
    fields = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in fields if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) < 13):
        return False
    if abs(time.time() - int(times[0])) > TOLERANCE:
        return False
    signed = times[0].encode() + b"." + body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()
    # While a secret is being changed there are two signatures; one that fits is enough.
    return any(hmac.compare_digest(expected, value.encode()) for name, _, value in fields if name == "v1")
