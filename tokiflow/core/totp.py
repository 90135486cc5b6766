"""The codes that an authenticator app shows, a new one every 30 seconds (TOTP, RFC 6238).

SHA-1 and six digits, because that is what every app knows; the secret has the 160 bits that RFC 4226 §4 recommends.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hmac import compare_digest
from types import ModuleType

SECONDS = 30
DIGITS = 6
SKEW = 1
"""So many steps may the clock of a phone be early or late (RFC 6238 §5.2)."""

FREE = 5
"""So many wrong codes in a row cost nothing but themselves."""
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
"""At this pace a guesser needs six years for an even chance, and the person never waits longer."""
FORGOTTEN_AFTER = timedelta(days=1)
"""Without another wrong code in that time, the count begins anew."""


def new_secret() -> str:
    """A fresh secret in base32, as apps take it: 32 letters and digits."""
    return str(_pyotp().random_base32())


def grouped(secret: str) -> str:
    """The secret in groups of four, for somebody who types it. Apps ignore the spaces."""
    return " ".join(secret[n : n + 4] for n in range(0, len(secret), 4))


def uri(secret: str, account: str, issuer: str) -> str:
    """What the QR code says (https://github.com/google/google-authenticator/wiki/Key-Uri-Format)."""
    made = _pyotp().TOTP(secret, digits=DIGITS, interval=SECONDS)
    return str(made.provisioning_uri(name=account, issuer_name=issuer))


def looks_like_code(text: str) -> bool:
    """Whether `text` is six digits, as they may be typed: "123 456"."""
    digits = _digits(text)
    return len(digits) == DIGITS and digits.isascii() and digits.isdecimal()


def matching_step(secret: str, text: str, now: datetime, after: int) -> int | None:
    """The time step whose code `text` is, of those around `now` and later than `after`; None if there is none.

    Whoever takes it as `after` the next time takes no code twice.
    """
    if not looks_like_code(text):
        return None
    totp = _pyotp().TOTP(secret, digits=DIGITS, interval=SECONDS)
    here = int(now.timestamp()) // SECONDS
    near = [step for step in range(here - SKEW, here + SKEW + 1) if step > after]
    # All of them are compared, whichever it is: how long it takes tells nothing.
    found = [step for step in near if compare_digest(totp.generate_otp(step), _digits(text))]
    return found[-1] if found else None


def failures(count: int, last: datetime | None, now: datetime) -> int:
    """How many of `count` wrong codes in a row, the last of them at `last`, still count."""
    return 0 if last is None or last <= now - FORGOTTEN_AFTER else count


def wait(count: int, last: datetime | None, now: datetime) -> timedelta:
    """How long the next code has to wait after `count` wrong ones in a row: 30 s after the fifth, then twice as long
    each time, up to LONGEST_WAIT."""
    count = failures(count, last, now)
    if last is None or count < FREE:
        return timedelta(0)
    # The exponent is bounded, or a persistent guesser would make it overflow.
    times: int = 2 ** min(count - FREE, 10)
    return max(last + min(FIRST_WAIT * times, LONGEST_WAIT) - now, timedelta(0))


def _digits(text: str) -> str:
    return "".join(text.split()).replace("-", "")


def _pyotp() -> ModuleType:
    import pyotp  # here: few people ever set up an app

    return pyotp
