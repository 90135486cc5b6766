"""Secrets at rest: sealed with a key that is not in the database, so that a copy of it opens nothing.

AES-128-CBC with an HMAC-SHA256 (Fernet, https://github.com/fernet/spec), its key derived from SECRET_KEY by HKDF.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


def seal(secret: str, key: str) -> str:
    """`secret`, readable only with `key` (any text with enough randomness in it)."""
    return _fernet(key).encrypt(secret.encode()).decode("ascii")


def unseal(sealed: str, key: str) -> str:
    """What was sealed with `key`. Raises ValueError for anything else: another key, a changed text."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(key).decrypt(sealed.encode()).decode()
    except (InvalidToken, UnicodeError):
        raise ValueError("it was sealed with another key, or changed since") from None


@lru_cache(maxsize=8)
def _fernet(key: str) -> Fernet:
    # Here and not above: it takes several megabytes, which only a process that opens something should pay.
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(SHA256(), 32, salt=None, info=b"tokiflow sealing v1").derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
