"""Signing in with Google: OpenID Connect, authorization code with PKCE (RFC 7636) and a nonce.

Google is only the default: any issuer with a discovery document will do, which is how the tests run a real one.
Of Authlib we take the protocol and not its clients, which would bring an HTTP library of their own along. What must be
remembered between going there and coming back lies in the visitor's signed session, for ten minutes and one use.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from dataclasses import astuple, dataclass
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask import Request, Response, redirect, session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tokiflow import errors
from tokiflow.adapters.http import Client, OutboundResponse
from tokiflow.settings import Settings

SCOPE = "openid email profile"
TIME_LIMIT = 10.0
SIGN_IN_SECONDS = 600
METADATA_SECONDS = 3_600
TABS = 5
CLOCK_LEEWAY_SECONDS = 120
_SESSION_KEY = "google_sign_ins"
_ALGORITHMS = ["RS256", "ES256"]
# Whom to trust with signing in is the operator's choice, on their own networks as well.
_client = Client((ip_network("0.0.0.0/0"), ip_network("::/0")))


class SignInRefused(errors.Forbidden):
    """Google, or the visitor at Google, did not let them in, or the answer can't be trusted. Trying again may help."""

    title = "Signing in with Google did not work"


class NotFresh(SignInRefused):
    """Google did not say that the visitor has shown who they are just now."""

    title = "Google did not ask you again"


@dataclass(frozen=True)
class GooglePerson:
    """Who signed in. `sub` is Google's name for them and never changes; the address was verified by Google."""

    sub: str
    email: str
    email_verified: bool
    name: str


class Google:
    """One registered client at one issuer. Safe for threads; the discovery document is kept for an hour."""

    def __init__(self, client_id: str, client_secret: str, discovery_url: str) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._discovery_url = discovery_url
        self._tells_when = True
        self._lock = threading.Lock()
        self._provider: tuple[float, _Provider] | None = None

    def authorize_redirect(
        self, callback_url: str, errand: str = "", *, hint: str = "", max_age: timedelta | None = None
    ) -> Response:
        """Sends the visitor to Google, to come back to `callback_url`. Raises Unavailable if Google is away.

        errand: what they go there for, which `errand` tells when they are back. hint: the address of the account.
        max_age: Google is to make sure that they have shown who they are within that time (OIDC Core §3.1.2.1).
        """
        sign_in = _SignIn.new(errand, max_age)
        more = {"prompt": "select_account"} if max_age is None else _again(max_age)
        if hint:
            more["login_hint"] = hint
        url = prepare_grant_uri(
            self._known_provider().authorization_endpoint,
            client_id=self._client_id,
            response_type="code",
            redirect_uri=callback_url,
            scope=SCOPE,
            state=sign_in.state,
            nonce=sign_in.nonce,
            code_challenge=create_s256_code_challenge(sign_in.verifier),
            code_challenge_method="S256",
            **more,
        )
        _remember(sign_in)
        answer = redirect(str(url), 303)
        answer.headers["Cache-Control"] = "no-store"
        assert isinstance(answer, Response)
        return answer

    def errand(self, request: Request) -> str:
        """What the visitor who comes back with this request went to Google for; empty if that is not known."""
        found = _pending(request.args.get("state", ""))
        return found.errand if found else ""

    @property
    def tells_when(self) -> bool:
        """Whether Google tells when somebody signed in there; known only after it was asked once."""
        return self._tells_when

    def fetch_person(self, request: Request, callback_url: str) -> GooglePerson:
        """Who came back to `callback_url` with this request.

        Raises SignInRefused for a denied, forged, expired or repeated answer and for an address that Google
        has not verified; NotFresh for somebody who has not shown who they are in the time that was asked for;
        Unavailable if Google can't be reached.
        """
        if request.args.get("error"):  # lets nobody in, so it matters little who says it
            _forget(request.args.get("state", ""))
            raise _refusal(request.args["error"])
        sign_in = _recall(request.args.get("state", ""))
        if not request.args.get("code"):
            raise SignInRefused("Google sent no code along. Please try again.")
        provider = self._known_provider()
        token = self._token(provider, request.args["code"], sign_in, callback_url)
        claims = self._claims(provider, token, sign_in)
        if sign_in.max_age:
            self._check_fresh(claims, sign_in.max_age)
        return _person(claims)

    def _check_fresh(self, claims: dict[str, Any], max_age: int) -> None:
        """The answer to `max_age` is `auth_time`: when they showed who they are (OIDC Core §2)."""
        at = claims.get("auth_time")
        if not isinstance(at, int | float) or isinstance(at, bool):
            self._tells_when = False
            raise NotFresh("It does not tell us when you signed in there, so we can’t go by it. Use another way.")
        if not time.time() - max_age - CLOCK_LEEWAY_SECONDS <= at <= time.time() + CLOCK_LEEWAY_SECONDS:
            raise NotFresh(
                "You signed in to Google a while ago, and it let you through without a question. Use another way, "
                "or sign out of Google and try again."
            )

    def _token(self, provider: _Provider, code: str, sign_in: _SignIn, callback_url: str) -> str:
        """The ID token that `code` is worth (RFC 6749 §4.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback_url,
            "code_verifier": sign_in.verifier,
            "client_id": self._client_id,
            "client_secret": self._client_secret,
        }
        answer = _answer(
            "POST",
            provider.token_endpoint,
            content=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        if 400 <= answer.status_code < 500:
            raise SignInRefused("Google no longer accepts this sign-in. Please try again.")
        token = _document(answer).get("id_token")
        if not isinstance(token, str):
            raise SignInRefused("Google did not say who you are. Please try again.")
        return token

    def _claims(self, provider: _Provider, token: str, sign_in: _SignIn) -> dict[str, Any]:
        """What the ID token says, once signature, issuer, audience, times and nonce are right (OIDC Core §3.1.3.7)."""
        registry = jwt.JWTClaimsRegistry(
            leeway=CLOCK_LEEWAY_SECONDS,
            iss={"essential": True, "values": [provider.issuer, provider.issuer.removeprefix("https://")]},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": sign_in.nonce},
            azp={"value": self._client_id},
        )
        try:
            decoded = jwt.decode(token, self._keys(provider), algorithms=_ALGORITHMS)
            registry.validate(decoded.claims)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:  # anybody's words
            raise SignInRefused("The answer could not be verified as Google's. Please try again.") from error
        return dict(decoded.claims)

    def _keys(self, provider: _Provider) -> KeySet:
        # Fetched for each sign-in: Google changes its keys when it likes, and sign-ins are rare.
        return KeySet.import_key_set(_fetched(provider.jwks_uri))  # type: ignore[arg-type]

    def _known_provider(self) -> _Provider:
        with self._lock:
            if self._provider is None or self._provider[0] < time.monotonic():
                document = _fetched(self._discovery_url)
                self._provider = (time.monotonic() + METADATA_SECONDS, _Provider.read(document))
            return self._provider[1]


def google_from(settings: Settings) -> Google | None:
    """Google as these settings have it; None if signing in with it is not set up."""
    if not settings.google:
        return None
    return Google(settings.google_client_id, settings.google_client_secret, settings.google_discovery_url)


@dataclass(frozen=True)
class _Provider:
    """What we need of a discovery document (OpenID Connect Discovery §3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str

    @classmethod
    def read(cls, document: dict[str, Any]) -> _Provider:
        try:
            return cls(**{name: str(document[name]) for name in cls.__dataclass_fields__})
        except KeyError as error:
            raise _away() from error


@dataclass(frozen=True)
class _SignIn:
    """One visit to Google that has not come back yet. `max_age` in seconds; 0 asks for nothing."""

    state: str
    nonce: str
    verifier: str
    begun_at: int
    errand: str = ""
    max_age: int = 0

    @classmethod
    def new(cls, errand: str, max_age: timedelta | None) -> _SignIn:
        return cls(
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(48),
            int(time.time()),
            errand,
            int(max_age.total_seconds()) if max_age else 0,
        )


def _again(max_age: timedelta) -> dict[str, str]:
    """Ask them again, and tell when they last showed who they are. Google itself wants the claim to be named
    (https://developers.google.com/identity/siwg/security-bundle), and does not know `prompt=login`."""
    claims = {"id_token": {"auth_time": {"essential": True}}}
    return {"prompt": "login", "max_age": str(int(max_age.total_seconds())), "claims": json.dumps(claims)}


def _remember(sign_in: _SignIn) -> None:
    """Beside those begun in other tabs, of which the newest few count."""
    session[_SESSION_KEY] = [*list(session.get(_SESSION_KEY, []))[-TABS + 1 :], list(astuple(sign_in))]


def _pending(state: str) -> _SignIn | None:
    """The visit that `state` belongs to, if it is one of this visitor's."""
    visits = (_SignIn(*values) for values in session.get(_SESSION_KEY, []))
    return next((one for one in visits if secrets.compare_digest(one.state.encode(), state.encode())), None)


def _forget(state: str) -> None:
    """From now on no answer belongs to the visit of `state`."""
    if _SESSION_KEY in session:
        session[_SESSION_KEY] = [values for values in session[_SESSION_KEY] if values[0] != state]


def _recall(state: str) -> _SignIn:
    """The visit that `state` belongs to, which is then over. Raises SignInRefused if it is none of this visitor's."""
    found = _pending(state)
    if found is None:
        raise SignInRefused("This sign-in was not begun in this browser, or was used already. Please try again.")
    _forget(state)
    if time.time() - found.begun_at > SIGN_IN_SECONDS:
        raise SignInRefused("This sign-in took longer than ten minutes. Please try again.")
    return found


def _refusal(error: str) -> SignInRefused:
    if error == "access_denied":
        return SignInRefused("You did not let Google tell us who you are, so nobody was signed in.")
    return SignInRefused("Google refused to sign you in. Please try again.")


def _away() -> errors.Unavailable:
    return errors.Unavailable("Google can't be reached at the moment. Try again shortly, or sign in by e-mail.")


def _fetched(url: str) -> dict[str, Any]:
    """A JSON document of the issuer. Raises Unavailable."""
    return _document(_answer("GET", url))


def _answer(method: str, url: str, **options: Any) -> OutboundResponse:
    try:
        return _client.send(method, url, timeout=TIME_LIMIT, **options)
    except errors.DeliveryError as error:
        raise _away() from error


def _document(answer: OutboundResponse) -> dict[str, Any]:
    try:
        document = json.loads(answer.content) if 200 <= answer.status_code < 300 else None
    except ValueError as error:
        raise _away() from error
    if not isinstance(document, dict):
        raise _away()
    return document


def _person(claims: dict[str, Any]) -> GooglePerson:
    address = str(claims.get("email") or "").strip()
    # Some issuers write the boolean as text.
    verified = str(claims.get("email_verified", "")).lower() == "true"
    if not address:
        raise SignInRefused("Google did not tell us your e-mail address, which we need to know you by.")
    if not verified:
        raise SignInRefused(f"Google has not verified that {address} is yours. Verify it there, then try again.")
    sub = claims["sub"]
    # "It MUST NOT exceed 255 ASCII characters in length" (OIDC Core §2).
    if not isinstance(sub, str) or not 0 < len(sub) <= 255 or not sub.isascii() or not sub.isprintable():
        raise SignInRefused("Google did not say who you are in a way we understand. Please try again.")
    name = " ".join(str(claims.get("name") or "").split())[:200]
    return GooglePerson(sub, address.lower(), True, name or address.partition("@")[0])
