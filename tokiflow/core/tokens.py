"""Secrets that people carry around: ping tokens, ping keys and API keys."""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
API_KEY_MARK = "tfk"
PING_KEY_MARK = "pk_"
_PING_TOKEN = re.compile(r"[0-9A-Za-z]{22}")
_API_KEY = re.compile(rf"{API_KEY_MARK}_[0-9A-Za-z]{{8}}_[0-9A-Za-z]{{38}}")


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_ping_token() -> str:
    """22 letters and digits: 131 bits, too many to guess and safe in a URL without escaping."""
    return _random(22)


def looks_like_ping_token(text: str) -> bool:
    """Whether `text` has the form of a ping token."""
    return _PING_TOKEN.fullmatch(text) is not None


def new_ping_key() -> str:
    """`pk_` and 22 letters and digits: 131 bits, and never to be taken for a ping token."""
    return PING_KEY_MARK + _random(22)


def looks_like_ping_key(text: str) -> bool:
    """Whether `text` has the form of a ping key."""
    return text.startswith(PING_KEY_MARK) and looks_like_ping_token(text.removeprefix(PING_KEY_MARK))


@dataclass(frozen=True)
class ApiKey:
    """A key at the only moment it is whole. `text` is shown once; `prefix` and `digest` are kept."""

    text: str
    prefix: str
    digest: str


def new_api_key() -> ApiKey:
    """`tfk_<8 visible>_<32 secret><6 checksum>`: 190 secret bits, and a checksum that lets scanners
    recognise a leaked key without asking us."""
    visible, secret = _random(8), _random(32)
    body = f"{API_KEY_MARK}_{visible}_{secret}"
    text = body + _checksum(body)
    return ApiKey(text=text, prefix=f"{API_KEY_MARK}_{visible}", digest=digest(text))


def looks_like_api_key(text: str) -> bool:
    """Whether `text` has the form and checksum of a key of ours. Says nothing about whether it is valid."""
    return _API_KEY.fullmatch(text) is not None and _checksum(text[:-6]) == text[-6:]


def digest(text: str) -> str:
    """SHA-256 in hex. A key has more entropy than the hash, so no salt and no slow hash are needed."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _checksum(body: str) -> str:
    """CRC-32 (ISO 3309) in base 62, six digits. docs/api-keys.md tells scanners the same."""
    value, letters = zlib.crc32(body.encode("utf-8", "surrogateescape")), []
    for _ in range(6):
        value, index = divmod(value, 62)
        letters.append(ALPHABET[index])
    return "".join(reversed(letters))
