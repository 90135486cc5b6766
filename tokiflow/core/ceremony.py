"""The two ceremonies of passkeys: making one and signing in with one (https://www.w3.org/TR/webauthn-3, §7).

Pure: options out, answers in. The library takes 15 MB with all that it can verify, so it is loaded by the first who
uses it, and not by processes that never do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

TIMEOUT_MS = 300_000
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
    """What the browser is asked for a new passkey: one that is found without a name, and that verifies its person.

    existing: credential ids of the person with their transports, of which none is made again.
    """
    from webauthn import generate_registration_options
    from webauthn.helpers.structs import (
        AttestationConveyancePreference,
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    return _json(
        generate_registration_options(
            rp_id=at.id,
            rp_name="Tokiflow",
            user_id=user_id,
            user_name=address,
            user_display_name=name or address,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[_descriptor(*one) for one in existing],
            supported_pub_key_algs=_algorithms(),
        )
    )


def options_to_use(at: Site, challenge: bytes, allowed: Iterable[tuple[bytes, list[str]]] = ()) -> dict[str, Any]:
    """What the browser is asked to sign with; without `allowed`, any passkey of this site that it finds."""
    from webauthn import generate_authentication_options
    from webauthn.helpers.structs import UserVerificationRequirement

    return _json(
        generate_authentication_options(
            rp_id=at.id,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            allow_credentials=[_descriptor(*one) for one in allowed],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


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
    transports = [one for one in told if one in _transports()] if isinstance(told, list) else []
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


def _json(options: Any) -> dict[str, Any]:
    from webauthn import options_to_json

    found: dict[str, Any] = json.loads(options_to_json(options))
    return found


def _descriptor(identifier: bytes, transports: list[str]) -> PublicKeyCredentialDescriptor:
    from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor

    known = [AuthenticatorTransport(one) for one in transports if one in _transports()]
    return PublicKeyCredentialDescriptor(id=identifier, transports=known or None)


def _transports() -> set[str]:
    from webauthn.helpers.structs import AuthenticatorTransport

    return {str(one.value) for one in AuthenticatorTransport}


def _algorithms() -> list[Any]:
    """EdDSA, ES256 and RS256: what authenticators of today have, best first."""
    from webauthn.helpers.cose import COSEAlgorithmIdentifier as Algorithm

    return [Algorithm.EDDSA, Algorithm.ECDSA_SHA_256, Algorithm.RSASSA_PKCS1_v1_5_SHA_256]
