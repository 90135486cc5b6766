"""What every request must be and every answer carries."""

from __future__ import annotations

import re
from io import BytesIO

import pytest

from tests.fixtures.app import Client
from tests.house.statements import statements
from tests.web.posting import token_on
from tokiflow import extensions, settings
from tokiflow.app import create_app
from tokiflow.db import db

OURS_ALONE = ("script-src", "style-src", "connect-src", "font-src", "form-action")
SWITCH = "/app/switch-organization"


@pytest.fixture
def site_with(app, database, tmp_path):
    """`site_with(PUBLIC_URL=…)`: a visitor of an installation in production."""
    made, limits = [], vars(extensions.limiter).copy()

    def make(**variables: str) -> Client:
        there = {"TOKIFLOW_ENV": "production", "PUBLIC_URL": "https://tokiflow.example", "TOKIFLOW_DATA": str(tmp_path)}
        site = create_app(settings.load({**database.environment, **there, **variables}))
        site.test_client_class = Client
        made.append(site)
        visitor = site.test_client()
        assert isinstance(visitor, Client)
        return visitor

    yield make
    vars(extensions.limiter).update(limits)
    for site in made:
        with site.app_context():
            db.engine.dispose()


def policy(answer) -> dict[str, str]:
    parts = answer.headers["Content-Security-Policy"].split("; ")
    return {part.partition(" ")[0]: part.partition(" ")[2] for part in parts}


# --- headers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/auth/sign-in", "/nowhere", "/api/v1/monitors", "/api/health", "/static/x.js"])
def test_every_answer_is_guarded(client, path):
    answer = client.get(path)
    found = policy(answer)
    assert found["default-src"] == "'none'"
    assert {found[name] for name in OURS_ALONE} == {"'self'"}
    assert found["img-src"] == "'self' data:"
    assert {found[name] for name in ("base-uri", "frame-ancestors", "object-src")} == {"'none'"}
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert "publickey-credentials-get=(self)" in answer.headers["Permissions-Policy"]


@pytest.mark.parametrize("path", ["/api/v1/monitors", "/api/v1/nowhere"])
def test_what_the_api_says_is_no_page(client, path):
    assert client.get(path).headers["Content-Disposition"] == 'attachment; filename="api.json"'


@pytest.mark.parametrize("path", ["/", "/app", "/api/v1/monitors", "/auth/sign-in", "/nowhere"])
def test_nobody_keeps_a_copy_of_a_page(client_for, alice, path):
    assert client_for(alice).get(path).headers["Cache-Control"] == "no-store"


def test_no_other_site_may_read_an_answer(client):
    answer = client.get("/api/v1/monitors", headers={"Origin": "https://evil.example"})
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]


def test_in_production_browsers_come_over_tls_only(site_with, client):
    answer = site_with().get("/", base_url="https://tokiflow.example")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert "Strict-Transport-Security" not in client.get("/").headers
    assert "Strict-Transport-Security" not in site_with(PUBLIC_URL="http://tokiflow.example").get("/").headers


# --- cookies ----------------------------------------------------------------------------------------------------


def test_over_tls_the_session_is_bound_to_this_very_host(site_with):
    visitor = site_with()
    cookies = visitor.get("/auth/sign-in", base_url="https://tokiflow.example").headers.getlist("Set-Cookie")
    (session,) = [cookie for cookie in cookies if cookie.startswith("__Host-tokiflow=")]
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(session.split("; "))
    assert "Domain" not in session


def test_files_that_caches_keep_carry_nobodys_cookie(client_for, alice):
    hers = client_for(alice)
    for path in ("/static/css/tokens.css", "/static/nothing.css"):
        answer = hers.get(path, buffered=True)
        assert answer.headers.getlist("Set-Cookie") == []
        assert "Cookie" not in answer.headers.get("Vary", "")
    assert hers.get("/app").headers.getlist("Set-Cookie"), "pages prolong it"


# --- the name ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "tokiflow.example.evil.example", "203.0.113.7", "a@b"])
def test_under_another_name_nothing_is_to_be_seen(site_with, host):
    for path in ("/", "/auth/sign-in", "/api/v1/monitors", "/nowhere"):
        assert site_with().get(path, headers={"Host": host}).status_code in (400, 421)


def test_a_page_says_where_tokiflow_is(site_with):
    answer = site_with().get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert "It is at https://tokiflow.example." in answer.text
    assert "TOKIFLOW_HOSTS" in answer.text
    assert 'href="https://tokiflow.example/app"' in answer.text


@pytest.mark.parametrize(
    "host", ["tokiflow.example", "TOKIFLOW.example:443", "127.0.0.1:80", "localhost", "[::1]:8000"]
)
def test_its_own_names_will_do(site_with, host):
    assert site_with().get("/", headers={"Host": host}).status_code == 200


def test_the_operator_may_allow_more_names(site_with):
    visitor = site_with(TOKIFLOW_HOSTS="tokiflow.internal 10.0.0.7")
    for host in ("tokiflow.internal", "10.0.0.7:8000"):
        assert visitor.get("/", headers={"Host": host}).status_code == 200


def test_in_development_addresses_will_do_and_strange_names_will_not(site_with):
    """A name that another site has pointed at this machine (DNS rebinding) is the danger there."""
    visitor = site_with(TOKIFLOW_ENV="development", PUBLIC_URL="http://127.0.0.1:8000")
    assert visitor.get("/", headers={"Host": "192.168.1.20:8000"}).status_code == 200
    assert visitor.get("/", headers={"Host": "rebound.evil.example:8000"}).status_code == 421


def test_load_balancers_may_ask_for_a_machine_by_its_address(site_with):
    assert site_with().get("/api/health", headers={"Host": "10.0.0.7"}).status_code in (200, 503)


@pytest.mark.parametrize("hosts", ["https://tokiflow.example", "tokiflow.example/app", "tokiflow.example:80"])
def test_what_is_no_name_of_a_host_is_refused_at_the_start(database, hosts):
    with pytest.raises(settings.SettingsError, match=r"TOKIFLOW_HOSTS: .* is not the name of a host"):
        settings.load({**database.environment, "TOKIFLOW_HOSTS": hosts})


# --- what changes something -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
    ids=lambda said: " ".join(said.values()),
)
def test_a_form_sent_from_another_site_is_refused_even_with_its_token(client_for, alice, said):
    hers = client_for(alice)
    data = {"csrf_token": token_on(hers, "/app"), "organization": "x"}
    assert hers.post(SWITCH, data=data, headers=said).status_code == 400


@pytest.mark.parametrize(
    "said",
    [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost"}],
    ids=lambda said: " ".join(said.values()) or "nothing",
)
def test_a_form_of_ours_is_taken(client_for, alice, said):
    hers = client_for(alice)
    data = {"csrf_token": token_on(hers, "/app"), "organization": "x"}
    assert hers.post(SWITCH, data=data, headers=said).status_code != 400


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_whatever_it_is_sent_as_a_change_needs_the_token(client_for, alice, content_type):
    hers = client_for(alice)
    body = b'{"organization": "x"}'
    assert hers.post(SWITCH, data=body, content_type=content_type).status_code == 400
    told = {"X-CSRFToken": token_on(hers, "/app")}
    assert hers.post(SWITCH, data=body, content_type=content_type, headers=told).status_code != 400


def test_a_refused_form_says_what_to_do(client_for, alice):
    answer = client_for(alice).post(SWITCH, data={})
    assert "That was not taken" in answer.text
    assert "Load its page again" in answer.text


def test_an_address_with_an_account_costs_the_same_statements(app, alice):
    """No page and no clock tells who has an account: what is asked of the database is the same."""
    seen = []
    for email in (alice.email, "nobody@harbour.example"):
        visitor = app.test_client()
        data = {"csrf_token": token_on(visitor, "/auth/sign-in"), "email": email}
        with statements() as sent:
            answer = visitor.post("/auth/sign-in", data=data)
        seen.append((answer.status_code, answer.headers["Location"], sent))
    assert seen[0] == seen[1]


# --- how much ---------------------------------------------------------------------------------------------------

MULTIPART = {"content_type": "multipart/form-data; boundary=x"}
FIELD = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n%s\r\n'


def too_much() -> dict[str, dict]:
    return {
        "a form": {"data": b"name=" + b"a" * 1_000_001, "content_type": "application/x-www-form-urlencoded"},
        "a field": {"data": FIELD % (b"a" * 999_999) + b"--x--", **MULTIPART},
        "fields": {"data": (FIELD % b"a") * 1_001 + b"--x--", **MULTIPART},
    }


@pytest.mark.parametrize("what", ["a form", "a field", "fields"])
def test_more_than_we_take_is_answered_with_what_to_do(client, what):
    answer = client.post("/auth/sign-in", **too_much()[what])
    assert answer.status_code == 413
    assert "at most 1,000,000 bytes" in answer.text


def test_more_than_we_take_without_a_length_is_refused_too(client):
    """A body in chunks: nobody knows how long it will be."""
    assert in_chunks(client, b"email=" + b"a" * 2_000_000).status_code == 413


def test_less_than_that_is_read_in_chunks_too(client):
    token = token_on(client, "/auth/sign-in")
    assert in_chunks(client, f"csrf_token={token}&email=nobody".encode()).status_code == 422


def in_chunks(client, body: bytes):
    return client.post(
        "/auth/sign-in",
        input_stream=BytesIO(body),
        content_type="application/x-www-form-urlencoded",
        headers={"Transfer-Encoding": "chunked"},
    )


# --- whom to tell -----------------------------------------------------------------------------------------------


def test_whoever_finds_a_hole_learns_whom_to_tell(site_with):
    there = site_with(TOKIFLOW_SECURITY_CONTACT="mailto:security@tokiflow.example")
    answer = there.get("/.well-known/security.txt")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert "Contact: mailto:security@tokiflow.example\n" in answer.text
    assert re.search(r"^Expires: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", answer.text, re.MULTILINE)
    assert "Canonical: https://tokiflow.example/.well-known/security.txt\n" in answer.text


def test_where_nobody_is_named_there_is_no_such_file(client):
    assert client.get("/.well-known/security.txt").status_code == 404


@pytest.mark.parametrize("contact", ["security@example.com", "javascript:alert(1)", "mailto:a\nPolicy: x"])
def test_a_contact_must_be_an_address(database, contact):
    with pytest.raises(settings.SettingsError, match="TOKIFLOW_SECURITY_CONTACT"):
        settings.load({**database.environment, "TOKIFLOW_SECURITY_CONTACT": contact})
