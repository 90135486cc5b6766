"""Secrets at rest: sealed with a key that is not in the database, so that a copy of it opens nothing.

XSalsa20-Poly1305 (NaCl's secretbox, https://nacl.cr.yp.to/secretbox.html), its key derived from SECRET_KEY by HKDF (RFC
5869). Where several keys are given, the first seals and all of them open: so a key can be exchanged while everything
goes on. What was sealed before, with Fernet (https://github.com/fernet/spec), still opens.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet
    from nacl.secret import SecretBox

Keys = str | Sequence[str]
"""One key (any text with enough randomness in it), or several, the newest first (settings.secret_keys)."""

MARK = "s2."
"""What a sealed text begins with, so that the next way to seal can be told from this."""


def seal(secret: str, keys: Keys) -> str:
    """`secret`, readable only with the first of `keys`."""
    sealed = _box(_several(keys)[0]).encrypt(secret.encode())
    return MARK + base64.urlsafe_b64encode(sealed).decode("ascii")


def unseal(sealed: str, keys: Keys) -> str:
    """What was sealed with one of `keys`. Raises ValueError for anything else: another key, a changed text."""
    opened = _opened(sealed, _several(keys)) if sealed.startswith(MARK) else _opened_fernet(sealed, _several(keys))
    if opened is None:
        raise ValueError("it was sealed with another key, or changed since")
    return opened


def sealed_anew(sealed: str, keys: Keys) -> str:
    """The same secret under the first of `keys`; `sealed` itself if that is its key. Raises ValueError as `unseal`."""
    newest = _several(keys)[:1]
    if sealed.startswith(MARK) and _opened(sealed, newest) is not None:
        return sealed
    return seal(unseal(sealed, keys), newest)


def _several(keys: Keys) -> tuple[str, ...]:
    return (keys,) if isinstance(keys, str) else tuple(keys)


def _opened(sealed: str, keys: Sequence[str]) -> str | None:
    from nacl.exceptions import CryptoError

    for key in keys:
        try:
            data = base64.b64decode(sealed.removeprefix(MARK), altchars=b"-_", validate=True)
            return _box(key).decrypt(data).decode()
        except (CryptoError, binascii.Error, ValueError):
            continue
    return None


@lru_cache(maxsize=8)
def _box(key: str) -> SecretBox:
    # Here and not above: only a process that seals or opens something loads it.
    from nacl.secret import SecretBox

    return SecretBox(_derived(key, b"tokiflow sealing v2"))


def _derived(key: str, use: bytes) -> bytes:
    """32 bytes by HKDF-SHA256 (RFC 5869) without salt: one block of it."""
    extracted = hmac.digest(bytes(32), key.encode(), hashlib.sha256)
    return hmac.digest(extracted, use + b"\x01", hashlib.sha256)


# --- as it was before -------------------------------------------------------------------------------------------


def _opened_fernet(sealed: str, keys: tuple[str, ...]) -> str | None:
    # The library takes 10 MB in a process, which is why it seals nothing any more.
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(keys).decrypt(sealed.encode()).decode()
    except (InvalidToken, UnicodeError):
        return None


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key, b"tokiflow sealing v1"))) for key in keys])
