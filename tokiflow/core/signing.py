"""Signed text, as it stands in links: good under the newest key, and under those before it while they are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from itsdangerous import URLSafeSerializer


def serializer(keys: Sequence[str], use: str) -> URLSafeSerializer:
    """What signs and reads texts for one `use`; a text signed for another is refused. `keys`: the newest first."""
    return URLSafeSerializer(
        # It signs with the last and takes them all.
        list(reversed(keys)),
        salt=f"tokiflow.{use}",
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )
