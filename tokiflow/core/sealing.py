"""Secrets at rest: sealed with a key that is not in the database, so that a copy of it opens nothing.

AES-128-CBC with an HMAC-SHA256 (Fernet, https://github.com/fernet/spec), its key derived from SECRET_KEY by HKDF. Where
several keys are given, the first seals and all of them open: so a key can be exchanged while everything goes on.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

Keys = str | Sequence[str]
"""One key (any text with enough randomness in it), or several, the newest first (settings.secret_keys)."""


def seal(secret: str, keys: Keys) -> str:
    """`secret`, readable only with the first of `keys`."""
    return _fernet(_several(keys)).encrypt(secret.encode()).decode("ascii")


def unseal(sealed: str, keys: Keys) -> str:
    """What was sealed with one of `keys`. Raises ValueError for anything else: another key, a changed text."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(_several(keys)).decrypt(sealed.encode()).decode()
    except (InvalidToken, UnicodeError):
        raise ValueError("it was sealed with another key, or changed since") from None


def sealed_anew(sealed: str, keys: Keys) -> str:
    """The same secret under the first of `keys`; `sealed` itself if that is its key. Raises ValueError as `unseal`."""
    newest = _several(keys)[:1]
    try:
        unseal(sealed, newest)
    except ValueError:
        return seal(unseal(sealed, keys), newest)
    return sealed


def _several(keys: Keys) -> tuple[str, ...]:
    return (keys,) if isinstance(keys, str) else tuple(keys)


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    # Here and not above: it takes several megabytes, which only a process that opens something should pay.
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key))) for key in keys])


def _derived(key: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt=None, info=b"tokiflow sealing v1").derive(key.encode())
