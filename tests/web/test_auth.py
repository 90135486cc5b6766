"""The ways in and out, as browsers go them. Every form carries its token against forged requests."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import current_app
from sqlalchemy import func, select

from tests.factories import make_membership, make_organization
from tests.fixtures.app import Client
from tests.fixtures.post import Post, serving
from tests.web.posting import post, token_on
from tokiflow import outside
from tokiflow.adapters import mail
from tokiflow.channels import Outside
from tokiflow.db import db, in_transaction, transaction
from tokiflow.models import Organization, SignInLink, User, UserSession
from tokiflow.services import sessions, sign_in, sign_in_letters

PROFILE = "/app/settings/profile"
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@pytest.fixture
def letters(app):
    """The mail server of the story; the app's mail goes there."""
    received = Post()
    with serving(received) as port:
        before = outside.of(app)
        mailer = mail.smtp_from(f"smtp://127.0.0.1:{port}", forbidden=in_transaction)
        outside.use(app, Outside(before.http, mailer, before.email_from, before.public_url))
        yield received
        outside.use(app, before)


@pytest.fixture
def other(app):
    """Another browser."""
    return app.test_client()


def ask(client: Client, email: str, **fields: str) -> None:
    """Ask for a link on the page, and let the worker mail it."""
    answer = post(client, "/auth/sign-in", email=email, **fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/auth/sent")
    waiting = db.session.execute(select(SignInLink.id).where(SignInLink.sent_at.is_(None))).scalars()
    sign_in_letters.mail(list(waiting), outside.of(current_app))


def link_in(letters: Post) -> str:
    """The path of the link in the newest mail."""
    part = message_from_bytes(letters.mails[-1].content, policy=policy.default).get_body(("plain",))
    text = part.get_content() if part else ""
    return re.search(r"http://localhost(/auth/link/\S+)", text)[1]  # type: ignore[index]


def is_in(client: Client) -> bool:
    return client.get(PROFILE).status_code == 200


def count(model) -> int:
    return db.session.execute(select(func.count()).select_from(model)).scalar_one()


def test_a_session_that_ends_leads_back_to_the_page_that_was_open(client):
    token = {"X-CSRFToken": token_on(client, "/auth/sign-in")}
    htmx = {"HX-Request": "true", "HX-Current-URL": "http://localhost/app?days=30#trend"} | token

    def back(answer):
        target = answer.headers.get("HX-Redirect") or answer.headers["Location"]
        return parse_qs(urlsplit(target).query)["next"][0]

    def after_sending(page):
        return back(client.post("/app/incidents/presets/no-default", headers={"Referer": page} | token))

    assert back(client.get("/app?part=figures&days=30", headers=htmx)) == "/app?days=30"
    assert back(client.post("/app/incidents/bulk", headers=htmx)) == "/app?days=30"
    assert after_sending("http://localhost/app/incidents/presets") == "/app/incidents/presets"
    for elsewhere in ("https://evil.example/app/presets", "http://[", "http://localhost//evil.example"):
        assert after_sending(elsewhere) == "/app"


# --- the link ---------------------------------------------------------------------------------------------------


def test_alice_signs_in_with_a_link_and_lands_where_she_wanted_to(client, letters, alice):
    wanted = client.get("/app/monitors?status=down")
    assert wanted.status_code == 303
    assert urlsplit(wanted.headers["Location"]).path == "/auth/sign-in"
    target = parse_qs(urlsplit(wanted.headers["Location"]).query)["next"][0]
    ask(client, alice.email, next=target)
    assert alice.email in client.get("/auth/sent").text
    page = client.get(link_in(letters))
    assert page.status_code == 200
    assert alice.email in page.text
    assert not is_in(client)
    done = post(client, link_in(letters), page=link_in(letters))
    assert (done.status_code, done.headers["Location"]) == (303, "/app/monitors?status=down")
    assert is_in(client)
    assert "Harbour Freight" in client.get(PROFILE).text


def test_mia_signs_up_and_owns_an_organization(client, letters):
    ask(client, "Mia@Harbour.example")
    done = client.post(
        link_in(letters),
        data={"csrf_token": token_on(client, link_in(letters)), "timezone": "Europe/Lisbon"},
    )
    assert done.headers["Location"] == "/app"
    mia = db.session.execute(select(User)).scalar_one()
    assert (mia.email, mia.timezone) == ("mia@harbour.example", "Europe/Lisbon")
    assert "Mia’s organization" in client.get(PROFILE).text


def test_a_scanner_that_opens_every_link_uses_none_up(client, other, letters):
    ask(client, "alice@harbour.example")
    for _ in range(3):
        assert other.get(link_in(letters), headers={"User-Agent": "LinkScanner"}).status_code == 403
        assert client.get(link_in(letters)).status_code == 200
    assert count(User) == 0
    assert post(client, link_in(letters)).headers["Location"] == "/app"


@pytest.mark.parametrize("purpose", [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {}])
def test_nothing_that_looks_ahead_uses_it_up(client, letters, purpose):
    ask(client, "alice@harbour.example")
    assert client.head(link_in(letters), headers=purpose).status_code == 200
    assert client.get(link_in(letters), headers=purpose).status_code == 200
    assert count(User) == 0
    assert post(client, link_in(letters), page=link_in(letters)).headers["Location"] == "/app"


def test_two_tabs_each_with_a_link_of_its_own(client, letters):
    ask(client, "alice@harbour.example", next="/app/incidents")
    first = link_in(letters)
    ask(client, "alice@harbour.example", next="/app/monitors")
    second, one, two = link_in(letters), token_on(client, first), token_on(client, link_in(letters))
    assert client.post(first, data={"csrf_token": one}).headers["Location"] == "/app/incidents"
    # Signing in began a new session, and the page of the other tab is of the old one.
    stale = client.post(second, data={"csrf_token": two})
    assert stale.status_code == 400
    assert f'href="{second}"' in stale.text, "it leads to a page of the new one"
    assert post(client, second, page=second).headers["Location"] == "/app/monitors"
    assert post(client, first, page=PROFILE).headers["Location"] == "/app/incidents", "it did its work; on it goes"
    alive = db.session.execute(select(UserSession).where(UserSession.ended_at.is_(None))).scalars().all()
    assert len(alive) == 1, "one browser, one session"


def test_the_mail_names_device_and_place(client, letters):
    fields = {"csrf_token": token_on(client, "/auth/sign-in"), "email": "alice@harbour.example"}
    client.post("/auth/sign-in", data=fields, headers=FIREFOX, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    waiting = db.session.execute(select(SignInLink.id)).scalars()
    sign_in_letters.mail(list(waiting), outside.of(current_app))
    part = message_from_bytes(letters.mails[-1].content, policy=policy.default).get_body(("plain",))
    assert part is not None
    assert "Firefox on Linux, 203.0.113.7" in part.get_content()


def test_a_link_in_another_browser_is_refused_and_offers_a_new_one(client, other, letters):
    ask(client, "alice@harbour.example")
    for answer in (other.get(link_in(letters)), post(other, link_in(letters))):
        assert answer.status_code == 403
        assert "only in the browser where you asked" in answer.text
        assert "Copy its address from the mail and open it there" in answer.text
        assert "Send me a new link" in answer.text
        assert "alice@harbour.example" not in answer.text
    assert not is_in(other)


def test_a_used_link_is_refused_but_a_second_press_just_goes_on(client, letters):
    ask(client, "alice@harbour.example")
    post(client, link_in(letters), page=link_in(letters))
    again = post(client, link_in(letters), page=PROFILE)
    assert (again.status_code, again.headers["Location"]) == (303, "/app")
    post(client, "/auth/sign-out", page=PROFILE)
    refused = client.get(link_in(letters))
    assert refused.status_code == 403
    assert "each link works once" in refused.text


def test_an_expired_link_is_refused(client, letters):
    ask(client, "alice@harbour.example")
    with transaction():
        db.session.execute(select(SignInLink)).scalar_one().expires_at = datetime.now(UTC) - timedelta(seconds=1)
    for answer in (client.get(link_in(letters)), post(client, link_in(letters))):
        assert answer.status_code == 403
        assert "15 minutes" in answer.text


@pytest.mark.parametrize("token", ["x", "a.b", "%00", "%F0%9F%9A%A2", "x" * 5000, "..%2F..", "<script>"])
def test_a_forged_link_is_refused(client, token):
    answer = client.get(f"/auth/link/{token}")
    assert answer.status_code in (403, 404)
    assert "<script>" not in answer.text.replace("<script src", "").replace("<script defer", "")


def test_the_answer_is_the_same_for_alice_and_for_nobody(client, other, letters, alice):
    def seen(browser: Client, email: str) -> str:
        ask(browser, email)
        page = browser.get("/auth/sent").text
        return re.sub(
            r'(csrf-token" content=|X-CSRFToken": )"[^"]*"|data-now="[^"]*"', "", page.replace(email, "EMAIL")
        )

    assert seen(client, alice.email) == seen(other, "nobody@harbour.example")
    assert len(letters.mails) == 2


def test_the_same_is_said_when_no_more_mail_goes_there(client, letters, monkeypatch):
    monkeypatch.setattr(sign_in, "MOST_FOR_ADDRESS", 1)
    ask(client, "alice@harbour.example")
    ask(client, "alice@harbour.example")
    assert len(letters.mails) == 1


def test_one_client_can_ask_only_so_often_and_locks_nobody_else_out(app, client, other):
    def asked(browser: Client, email: str, address: str) -> int:
        token = token_on(browser, "/auth/sign-in")
        fields = {"csrf_token": token, "email": email}
        return browser.post("/auth/sign-in", data=fields, environ_base={"REMOTE_ADDR": address}).status_code

    tried = [asked(client, "alice@harbour.example", "203.0.113.7") for _ in range(8)]
    assert tried == 6 * [303] + 2 * [429]
    assert asked(client, "bob@harbour.example", "203.0.113.7") == 303
    assert asked(other, "alice@harbour.example", "203.0.113.8") == 303
    # An IPv6 subscriber has 2⁶⁴ addresses and is still one client.
    spread = [asked(other, "alice@harbour.example", f"2001:db8::{n:x}") for n in range(8)]
    assert spread == 6 * [303] + 2 * [429]


def test_a_browser_in_which_alice_signed_in_is_counted_by_itself(client, other, letters, alice):
    """Whoever shares her network, or types her address all day, does not keep her out."""

    def asked(browser: Client, email: str) -> tuple[int, int]:
        before = count(SignInLink)
        fields = {"csrf_token": token_on(browser, "/auth/sign-in"), "email": email}
        return browser.post("/auth/sign-in", data=fields).status_code, count(SignInLink) - before

    ask(client, alice.email)
    post(client, link_in(letters), page=link_in(letters))
    post(client, "/auth/sign-out", page=PROFILE)
    tried = [asked(other, alice.email) for _ in range(6)]
    assert tried[-1] == (429, 0), "one of the six was hers"
    assert asked(client, f" {alice.email.upper()} ") == (303, 1)
    # Her note is no use to others, in another browser, or for another address.
    other.set_cookie("tokiflow_known", client.get_cookie("tokiflow_known", path="/auth/").value, path="/auth/")
    assert asked(other, alice.email) == (429, 0)
    for n in range(60):
        other.post("/auth/sign-in", data={"csrf_token": "x", "email": f"{n}@harbour.example"})
        asked(other, f"{n}@harbour.example")
    assert asked(client, "bob@harbour.example") == (429, 0)
    assert asked(client, alice.email) == (303, 1)


def test_a_mailbox_that_is_flooded_still_gets_what_she_asks_for_in_her_browser(client, letters, alice, monkeypatch):
    monkeypatch.setattr(sign_in, "MOST_FOR_ADDRESS", 1)
    ask(client, alice.email)
    post(client, link_in(letters), page=link_in(letters))
    post(client, "/auth/sign-out", page=PROFILE)
    ask(client, alice.email)
    ask(client, alice.email)
    assert len(letters.mails) == 3


@pytest.mark.parametrize("note", ["", "x", "WyJ4IixbInkiXV0.x.y", "\x7f", "a" * 3_000])
def test_a_forged_note_makes_no_browser_known(client, note):
    client.set_cookie("tokiflow_known", note, path="/auth/")
    statuses = [post(client, "/auth/sign-in", email="alice@harbour.example").status_code for _ in range(7)]
    assert statuses == 6 * [303] + [429]


def test_too_often_says_when_and_what_else_there_is(client):
    for _ in range(6):
        post(client, "/auth/sign-in", email="alice@harbour.example")
    answer = post(client, "/auth/sign-in", email="alice@harbour.example")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert "where you signed in before" in answer.text
    assert "alice@harbour.example" in answer.text, "what was typed is not lost"


@pytest.mark.parametrize(
    "address", ["", "alice", "a@b", "a\x00b@harbour.example", "x" * 100_000, "<b>@harbour.example>"]
)
def test_a_bad_address_comes_back_with_the_reason(client, address):
    answer = post(client, "/auth/sign-in", email=address)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert "<b>" not in answer.text
    assert count(SignInLink) == 0


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
        "/\n/evil.example", " //evil.example", "http:evil.example", "javascript:x", "app", "/" + "x" * 5000,
        "/auth/sign-in", "/app\x00",
    ],
)  # fmt: skip
def test_nobody_is_led_elsewhere(client, letters, target):
    ask(client, "alice@harbour.example", next=target)
    assert post(client, link_in(letters)).headers["Location"] == "/app"
    already_in = client.get("/auth/sign-in", query_string={"next": target})
    assert already_in.headers["Location"] == "/app"


# --- sessions ---------------------------------------------------------------------------------------------------


def test_a_form_without_its_token_is_refused(client, client_for, alice):
    assert client.post("/auth/sign-in", data={"email": alice.email}).status_code == 400
    assert client.post("/auth/link/x").status_code == 400
    hers = client_for(alice)
    for url in ("/auth/sign-out", "/app/switch-organization", PROFILE):
        assert hers.post(url, data={"organization": "x", "name": "Eve", "timezone": "UTC"}).status_code == 400
    assert is_in(hers)


def test_signing_in_begins_a_new_session(client, letters):
    ask(client, "alice@harbour.example")
    with client.session_transaction() as session:
        session["planted"] = "by somebody else"
        before = session["csrf_token"]
    post(client, link_in(letters))
    with client.session_transaction() as session:
        assert "planted" not in session
        assert session.get("csrf_token") != before
        assert session.permanent


def test_the_cookies_are_for_us_alone(app, client, letters):
    answer = post(client, "/auth/sign-in", email="alice@harbour.example")
    cookies = answer.headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    assert all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in cookies)


def test_alice_signs_out(client_for, alice):
    hers = client_for(alice)
    assert is_in(hers)
    answer = post(hers, "/auth/sign-out", page=PROFILE)
    assert answer.headers["Location"] == "/auth/sign-in"
    assert not is_in(hers)
    assert "You are signed out." in hers.get("/auth/sign-in").text


def test_a_cookie_that_was_copied_is_worth_nothing_after_she_signed_out(client_for, alice, other):
    hers = client_for(alice)
    cookie = hers.get_cookie("tokiflow")
    other.set_cookie("tokiflow", cookie.value)
    assert is_in(other)
    post(hers, "/auth/sign-out", page=PROFILE)
    assert not is_in(other)


def test_all_of_alices_sessions_can_be_ended_at_once(client_for, alice):
    browsers = [client_for(alice), client_for(alice)]
    assert all(is_in(one) for one in browsers)
    sessions.end_all(alice.id, datetime.now(UTC))
    assert not any(is_in(one) for one in browsers)


def test_bob_switches_between_his_organizations_and_to_no_other(
    client_for, bob, organization, charlie, other_organization
):
    second = make_organization("Second")
    make_membership(second, bob)
    his = client_for(bob)
    answer = post(his, "/app/switch-organization", page=PROFILE, organization=second.slug)
    assert answer.headers["Location"] == "/app"
    with his.session_transaction() as session:
        assert session["organization"] == str(second.id)
    for slug in (other_organization.slug, "", "nonsense", "\x00"):
        assert post(his, "/app/switch-organization", page=PROFILE, organization=slug).status_code == 404
    with his.session_transaction() as session:
        assert session["organization"] == str(second.id)


def test_no_page_on_the_way_in_makes_an_organization_by_being_looked_at(client):
    for page in ("/", "/auth/sign-in", "/auth/sent", "/auth/link/x"):
        client.get(page)
    assert (count(User), count(Organization), count(SignInLink)) == (0, 0, 0)
