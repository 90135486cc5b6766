"""The two ceremonies of passkeys: making one and signing in with one (https://www.w3.org/TR/webauthn-3, §7).

Pure: options out, answers in. What browsers answer is verified by a library; it takes 15 MB, so the first answer loads
it, and whoever only looks at a page with a passkey's button does not.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

TIMEOUT_MS = 300_000
TRANSPORTS = ("ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb")
"""How a browser may reach an authenticator (§5.8.4)."""
ALGORITHMS = (-8, -7, -257)
"""EdDSA, ES256 and RS256 by their numbers in COSE: what authenticators of today have, best first."""
LONGEST_ANSWER = 20_000
"""Characters of JSON; the answers of real authenticators have one to four thousand."""

T = TypeVar("T")


@dataclass(frozen=True)
class Site:
    """Whom a passkey is for: the name it is bound to, and the one origin whose pages may use it."""

    id: str
    origin: str


@dataclass(frozen=True)
class Made:
    """A new passkey, as an authenticator made it."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    synced: bool
    transports: list[str]


@dataclass(frozen=True)
class Used:
    """A passkey has signed: how often it has by its own count (0 if it does not count), and if it is synced by now."""

    sign_count: int
    synced: bool


class Refused(ValueError):
    """The answer of a browser that proves nothing. The text says why, for the log."""


def site(public_url: str) -> Site | None:
    """Whom passkeys are for at `public_url`. They are bound to names: the loopback goes by `localhost`, and for any
    other address without a name there is None."""
    parts = urlsplit(public_url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    try:
        if not ip_address(host).is_loopback:
            return None
        host = "localhost"
    except ValueError:
        pass
    return Site(host, f"{parts.scheme}://{host}{port}")


def options_to_make(
    at: Site, challenge: bytes, user_id: bytes, address: str, name: str, existing: Iterable[tuple[bytes, list[str]]]
) -> dict[str, Any]:
    """What the browser is asked for a new passkey (§5.4, as JSON by §5.1.8): one that is found without a name, and that
    verifies its person.

    existing: credential ids of the person with their transports, of which none is made again.
    """
    return {
        "rp": {"id": at.id, "name": "Tokiflow"},
        "user": {"id": _text(user_id), "name": address, "displayName": name or address},
        "challenge": _text(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": number} for number in ALGORITHMS],
        "timeout": TIMEOUT_MS,
        "excludeCredentials": [_descriptor(*one) for one in existing],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


def options_to_use(at: Site, challenge: bytes, allowed: Iterable[tuple[bytes, list[str]]] = ()) -> dict[str, Any]:
    """What the browser is asked to sign with (§5.5); without `allowed`, any passkey of this site that it finds."""
    return {
        "challenge": _text(challenge),
        "timeout": TIMEOUT_MS,
        "rpId": at.id,
        "allowCredentials": [_descriptor(*one) for one in allowed],
        "userVerification": "required",
    }


def made(answer: str, at: Site, challenge: bytes) -> Made:
    """The passkey in the browser's `answer` (JSON) to `options_to_make`. Raises Refused."""
    from webauthn import verify_registration_response

    given = _parsed(answer)
    done = _verified(
        lambda: verify_registration_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=at.id,
            expected_origin=at.origin,
            require_user_verification=True,
            supported_pub_key_algs=_algorithms(),
        )
    )
    if len(done.credential_id) > 1023:
        raise Refused("a credential id longer than 1023 bytes")
    told = given["response"].get("transports")
    transports = [one for one in told if one in TRANSPORTS] if isinstance(told, list) else []
    return Made(
        done.credential_id, done.credential_public_key, done.sign_count, done.credential_backed_up, sorted(transports)
    )


def credential_id(answer: str) -> bytes:
    """Which passkey the browser's `answer` says it is from. Raises Refused."""
    from webauthn import base64url_to_bytes

    given = _parsed(answer)
    return _verified(lambda: base64url_to_bytes(given["rawId"]))


def used(answer: str, at: Site, challenge: bytes, public_key: bytes, user_id: bytes, *, named: bool) -> Used:
    """Check the browser's `answer` (JSON) to `options_to_use` against the `public_key` of its passkey. Raises Refused.

    named: it was asked for passkeys of this person; else the answer has to name the person itself (§7.2, step 6).
    The counter is the caller's to judge.
    """
    from webauthn import verify_authentication_response
    from webauthn.helpers import parse_authentication_credential_json

    given = _parsed(answer)
    credential = _verified(lambda: parse_authentication_credential_json(given))
    handle = credential.response.user_handle
    if handle != user_id and not (named and not handle):
        raise Refused("it belongs to another person than it says")
    done = _verified(
        lambda: verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=at.id,
            expected_origin=at.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    )
    return Used(done.new_sign_count, done.credential_backed_up)


def _verified(check: Callable[[], T]) -> T:
    """What `check` gives. The library was written for honest browsers: on other input it raises whatever the line it
    had reached raises, and all of it means the same."""
    try:
        return check()
    except Exception as error:
        raise Refused(f"{type(error).__name__}: {str(error)[:200]}") from error


def _parsed(answer: str) -> dict[str, Any]:
    if len(answer) > LONGEST_ANSWER:
        raise Refused("it is too long")
    given = _verified(lambda: json.loads(answer))
    if not isinstance(given, dict) or not isinstance(given.get("response"), dict):
        raise Refused("it is not the JSON of a credential")
    return given


def _descriptor(identifier: bytes, transports: list[str]) -> dict[str, Any]:
    known = [one for one in transports if one in TRANSPORTS]
    return {"type": "public-key", "id": _text(identifier), **({"transports": known} if known else {})}


def _text(data: bytes) -> str:
    """Base64 for addresses, without padding, as browsers read it (§3)."""
    return urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _algorithms() -> list[Any]:
    from webauthn.helpers.cose import COSEAlgorithmIdentifier as Algorithm

    return [Algorithm(number) for number in ALGORITHMS]
