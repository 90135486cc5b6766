"""Identifiers: UUIDv7 inside, a prefix and 26 Crockford base32 characters outside.

Version 7 (RFC 9562 §5.7) begins with the time in milliseconds, so new rows land together in an index, and
an id can be made before the row is written. The outside form is case-insensitive and has no look-alikes.
"""

from __future__ import annotations

import os
import time
from uuid import UUID

from tokiflow.errors import NotFound

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)} | {"i": 1, "l": 1, "o": 0}
_LENGTH = 26


def new() -> UUID:
    """A fresh UUIDv7: 48 bits of milliseconds, then 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big")
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & ((1 << 48) - 1)) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def public(prefix: str, identifier: UUID) -> str:
    """`public("mon", id)` → `mon_01jd…`, 26 characters after the underscore."""
    value, letters = identifier.int, []
    for _ in range(_LENGTH):
        value, index = divmod(value, 32)
        letters.append(ALPHABET[index])
    return f"{prefix}_{''.join(reversed(letters))}"


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
