"""Identifiers: UUIDv7 inside, a prefix and 26 Crockford base32 characters outside.

Version 7 (RFC 9562 §5.7) begins with the time in milliseconds, so new rows land together in an index, and
an id can be made before the row is written. The outside form is case-insensitive and has no look-alikes.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

from tokiflow.errors import NotFound

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)} | {"i": 1, "l": 1, "o": 0}
_LENGTH = 26
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
_PLACES = range(120, -1, -10)


_lock = threading.Lock()
_last = 0


def new() -> UUID:
    """A fresh UUIDv7: 48 bits of milliseconds, 12 of their fraction (RFC 9562 §6.2, method 3), 62 random bits.

    Within a process every id is greater than the one before, so ids order what happened in the same millisecond.
    """
    ticks = _next_tick()
    value = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0x2 << 62
    return UUID(int=value | int.from_bytes(os.urandom(8), "big") >> 2)


def earliest(at: datetime) -> UUID:
    """The smallest id that can have been made at `at`."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def made_at(identifier: UUID) -> datetime:
    """When an id was made, to the millisecond."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)


def _next_tick() -> int:
    """The time in 1/4096 ms since 1970, or one more than last time if that is later."""
    global _last
    with _lock:
        _last = max(time.time_ns() * 4096 // 1_000_000, _last + 1)
        return _last


def public(prefix: str, identifier: UUID) -> str:
    """`public("mon", id)` → `mon_01jd…`, 26 characters after the underscore."""
    number = identifier.int
    # Two letters at a time: a message names half a dozen ids, and a storm has thousands of messages.
    return f"{prefix}_{''.join([_PAIRS[number >> place & 1023] for place in _PLACES])}"


def parse(prefix: str, text: str) -> UUID:
    """The id behind `text`. Raises NotFound for a wrong prefix, length or letter: it names nothing of ours."""
    head, _, tail = text.partition("_")
    if head != prefix or len(tail) != _LENGTH:
        raise NotFound
    value = 0
    for letter in tail.lower():
        if letter not in _VALUES:
            raise NotFound
        value = value * 32 + _VALUES[letter]
    if value >> 128:
        raise NotFound
    return UUID(int=value)
