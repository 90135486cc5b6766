"""Signing in at a real OpenID provider on this machine, which stands in for Google."""

from __future__ import annotations

import base64
import hmac
import json
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask import Flask, jsonify, request
from joserfc import jwt
from joserfc.jwk import RSAKey
from oidc_provider_mock import User, run_server_in_thread
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tokiflow.adapters import google
from tokiflow.errors import TokiflowError

# The provider is older than the Authlib it runs on, and warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

ALICE = User(sub="alice", claims={"email": "Alice@harbour.example", "email_verified": True, "name": "Alice  Ahoi"})
UNVERIFIED = User(sub="eve", claims={"email": "alice@harbour.example", "email_verified": False})
NAMELESS = User(sub="bob", claims={"email": "bob@harbour.example", "email_verified": "true"})
MAILLESS = User(sub="nobody", claims={"email_verified": True})
CALLBACK = "http://127.0.0.1/auth/google/callback"


@pytest.fixture(scope="module")
def provider():
    with run_server_in_thread(user_claims=(ALICE, UNVERIFIED, NAMELESS, MAILLESS)) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def site(provider):
    return make_site(google.Google("client-1", "secret", f"{provider}/.well-known/openid-configuration"))


def make_site(signer: google.Google):
    """A tiny site with two doors, as a browser of one visitor sees it."""
    app = Flask(__name__)
    app.secret_key = "test"
    app.add_url_rule("/go", view_func=lambda: signer.authorize_redirect(CALLBACK), endpoint="go")
    app.add_url_rule(
        "/auth/google/callback",
        view_func=lambda: jsonify(signer.fetch_person(request, CALLBACK)),
        endpoint="callback",
    )
    app.register_error_handler(TokiflowError, lambda error: (jsonify(error=error.message), error.status))
    return app.test_client()


def at_provider(location: str, **form: str) -> str:
    """What the visitor does at the provider; where it sends them back to, as path and query."""
    answer = httpx.post(location, data=form, trust_env=False)
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def begun(site) -> str:
    answer = site.get("/go")
    assert answer.status_code == 303
    return str(answer.headers["Location"])


def test_alice_signs_in(site):
    answer = site.get(at_provider(begun(site), sub="alice"))
    assert answer.json == {
        "sub": "alice",
        "email": "alice@harbour.example",
        "email_verified": True,
        "name": "Alice Ahoi",
    }


def test_the_request_carries_state_nonce_and_a_hashed_verifier(site):
    first, second = (parse_qs(urlsplit(begun(site)).query) for _ in range(2))
    assert first["code_challenge_method"] == ["S256"]
    assert first["scope"] == ["openid email profile"]
    assert first["redirect_uri"] == [CALLBACK]
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) >= 32
        assert first[name] != second[name]


def test_a_person_without_a_name_is_called_by_their_address(site):
    assert site.get(at_provider(begun(site), sub="bob")).json["name"] == "bob"


def refused(site, url: str) -> str:
    answer = site.get(url)
    assert answer.status_code == 403
    return str(answer.json["error"])


def test_saying_no_at_the_provider_is_told_kindly(site):
    assert "did not let" in refused(site, at_provider(begun(site), action="deny"))


def test_an_address_the_provider_has_not_verified_is_refused(site):
    assert "not verified" in refused(site, at_provider(begun(site), sub="eve"))


def test_a_person_without_an_address_is_refused(site):
    assert "e-mail address" in refused(site, at_provider(begun(site), sub="nobody"))


def test_a_forged_state_is_refused(site):
    begun(site)
    assert "not begun in this browser" in refused(site, "/auth/google/callback?code=1&state=forged")
    assert "not begun in this browser" in refused(site, "/auth/google/callback?code=1")


def test_an_answer_of_somebody_elses_browser_is_refused(site, provider):
    theirs = make_site(google.Google("client-1", "secret", f"{provider}/.well-known/openid-configuration"))
    begun(site)
    assert "not begun in this browser" in refused(site, at_provider(begun(theirs), sub="alice"))


def test_an_answer_counts_once(site):
    back = at_provider(begun(site), sub="alice")
    assert site.get(back).status_code == 200
    assert "used already" in refused(site, back)


def test_a_made_up_code_is_refused(site):
    state = parse_qs(urlsplit(begun(site)).query)["state"][0]
    assert "no longer accepts" in refused(site, f"/auth/google/callback?code=made-up&state={state}")


def test_no_code_is_refused(site):
    state = parse_qs(urlsplit(begun(site)).query)["state"][0]
    assert "no code" in refused(site, f"/auth/google/callback?state={state}")


def test_several_tabs_may_sign_in_at_once(site):
    first, second = begun(site), begun(site)
    assert site.get(at_provider(first, sub="alice")).status_code == 200
    assert site.get(at_provider(second, sub="alice")).status_code == 200


def test_a_sign_in_that_took_too_long_is_refused(site, monkeypatch):
    back = at_provider(begun(site), sub="alice")
    monkeypatch.setattr(google, "SIGN_IN_SECONDS", -1)
    assert "ten minutes" in refused(site, back)


def test_a_token_for_another_visit_is_refused(site):
    """A code of one visit under the state of another: the nonces differ."""
    first, second = begun(site), begun(site)
    code = parse_qs(urlsplit(at_provider(first, sub="alice")).query)["code"][0]
    state = parse_qs(urlsplit(second).query)["state"][0]
    assert "could not be verified" in refused(site, f"/auth/google/callback?code={code}&state={state}")


def test_a_provider_that_is_away_is_told_apart_from_a_refusal(httpserver):
    httpserver.expect_request("/.well-known/openid-configuration").respond_with_data("oops", status=500)
    site = make_site(google.Google("client-1", "secret", httpserver.url_for("/.well-known/openid-configuration")))
    answer = site.get("/go")
    assert answer.status_code == 503
    assert "can't be reached" in answer.json["error"]


def test_a_discovery_document_that_lacks_something_is_a_provider_that_is_away(httpserver):
    httpserver.expect_request("/.well-known/openid-configuration").respond_with_json({"issuer": "x"})
    site = make_site(google.Google("client-1", "secret", httpserver.url_for("/.well-known/openid-configuration")))
    assert site.get("/go").status_code == 503


# --- tokens that are no good ------------------------------------------------------------------------------------


KEY, OTHER_KEY = RSAKey.generate_key(2048), RSAKey.generate_key(2048)


class Issuer:
    """An issuer whose tokens say what a test wants them to."""

    def __init__(self, httpserver: HTTPServer, keys: object = None) -> None:
        self.url = httpserver.url_for("").rstrip("/")
        self.make = lambda claims: jwt.encode({"alg": "RS256"}, claims, KEY)
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        urls = {name: f"{self.url}/{path}" for name, path in names.items()}
        httpserver.expect_request("/known").respond_with_json({"issuer": self.url, **urls})
        httpserver.expect_request("/jwks").respond_with_json(
            {"keys": [KEY.as_dict(private=False)]} if keys is None else keys
        )
        httpserver.expect_request("/token").respond_with_handler(self._token)
        self.site = make_site(google.Google("client-1", "secret", f"{self.url}/known"))
        self.claims: dict = {}

    def _token(self, asked: Request) -> Response:
        return Response(json.dumps({"id_token": self.make(self.claims)}), content_type="application/json")

    def answer(self, **claims: object):
        """What the site says to an answer with these claims, which else are right."""
        query = parse_qs(urlsplit(begun(self.site)).query)
        now = int(time.time())
        right = {
            "iss": self.url,
            "aud": "client-1",
            "sub": "1",
            "exp": now + 60,
            "iat": now,
            "nonce": query["nonce"][0],
        }
        self.claims = {**right, "email": "alice@harbour.example", "email_verified": True, **claims}
        return self.site.get(f"/auth/google/callback?code=x&state={query['state'][0]}")


@pytest.fixture
def issuer(httpserver: HTTPServer) -> Issuer:
    return Issuer(httpserver)


def test_a_right_token_is_taken(issuer):
    assert issuer.answer().json["sub"] == "1"
    assert issuer.answer(aud=["client-1"]).status_code == 200
    assert issuer.answer(azp="client-1").status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://accounts.google.com"}, {"iss": None}, {"aud": "client-2"}, {"aud": None}, {"azp": "client-2"},
        {"nonce": "another"}, {"nonce": None}, {"exp": None}, {"exp": 1}, {"exp": "tomorrow"}, {"sub": None},
        {"sub": 7}, {"sub": "x" * 256}, {"sub": "ü"}, {"sub": ""}, {"sub": "a\x00b"}, {"sub": ["1"]},
        {"email_verified": None}, {"email_verified": "no"}, {"email": None}, {"aud": {"client-1": 1}}, {"iat": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_that_says_something_wrong_is_refused(issuer, claims):
    answer = issuer.answer(**claims)
    assert answer.status_code == 403
    assert answer.json["error"]


@pytest.mark.parametrize("forged", ["another key", "unsigned", "symmetric", "changed", "no token", "a list", "empty"])
def test_a_token_that_the_issuer_did_not_sign_is_refused(issuer, forged):
    """Also one that is signed with what everybody knows of the issuer, as if it were a secret (RFC 8725 §2.1)."""

    def encoded(part: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")

    def changed(claims: dict) -> str:
        head, _, signature = jwt.encode({"alg": "RS256"}, claims, KEY).split(".")
        return f"{head}.{encoded({**claims, 'sub': '2'})}.{signature}"

    def symmetric(claims: dict) -> str:
        signed = f"{encoded({'alg': 'HS256'})}.{encoded(claims)}"
        mac = hmac.digest(KEY.as_pem(private=False), signed.encode(), "sha256")
        return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    issuer.make = {
        "another key": lambda claims: jwt.encode({"alg": "RS256"}, claims, OTHER_KEY),
        "unsigned": lambda claims: f"{encoded({'alg': 'none'})}.{encoded(claims)}.",
        "symmetric": symmetric,
        "changed": changed,
        "no token": lambda claims: "a.b.c",
        "a list": lambda claims: [1],
        "empty": lambda claims: "",
    }[forged]
    answer = issuer.answer()
    assert answer.status_code == 403
    assert answer.json["error"]


@pytest.mark.parametrize("keys", [{"keys": []}, {"keys": [{}]}, {"keys": "x"}, {}, {"keys": [{"kty": "RSA"}]}], ids=str)
def test_keys_that_can_not_be_read_let_nobody_in(httpserver, keys):
    assert Issuer(httpserver, keys).answer().status_code in (403, 503)
