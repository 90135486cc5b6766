import hmac
import re
import time

TOLERANCE = 300  # seconds


def is_from_tokiflow(secret: str, header: str, body: bytes) -> bool:
    """header: Tokiflow-Signature. body: as it came, before it is parsed."""
    fields = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in fields if name == "t"]
    if len(times) != 1 or not re.fullmatch("[0-9]{1,12}", times[0]):
        return False
    if abs(time.time() - int(times[0])) > TOLERANCE:
        return False
    signed = times[0].encode() + b"." + body
    expected = hmac.new(secret.encode(), signed, "sha256").hexdigest().encode()
    # While the secret is changed there are two signatures: one is enough.
    given = [value.encode() for name, _, value in fields if name == "v1"]
    return any(hmac.compare_digest(expected, one) for one in given)
