"""Signing in at a real OpenID provider on this machine, which stands in for Google."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask import Flask, jsonify, request
from oidc_provider_mock import User, run_server_in_thread

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
