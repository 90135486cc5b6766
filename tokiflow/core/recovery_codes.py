"""Codes on paper, each of which stands in once for a lost second factor."""

from __future__ import annotations

import secrets

from tokiflow.core import tokens
from tokiflow.core.ids import ALPHABET

COUNT = 10
FEW = 3
"""With so many left or fewer it is time for new ones."""

_LENGTH = 24
_GROUP = 4
_LOOK_ALIKE = str.maketrans({"i": "1", "l": "1", "o": "0"})


def new() -> str:
    """`k7m2-9qxd-…`: six groups of four out of 32 letters and digits, 120 bits, so that a plain digest can be kept
    (OWASP ASVS 5.0, 6.5.2 asks for 112)."""
    text = "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH))
    return "-".join(text[n : n + _GROUP] for n in range(0, _LENGTH, _GROUP))


def digest(text: str) -> str | None:
    """What is kept of the code that somebody typed, with or without hyphens, in any case; None if it can't be one."""
    typed = "".join(letter for letter in text.lower() if not letter.isspace() and letter != "-").translate(_LOOK_ALIKE)
    if len(typed) != _LENGTH or not set(typed) <= set(ALPHABET):
        return None
    return tokens.digest(typed)
