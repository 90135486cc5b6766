"""Is it still you? Before something that does harm, and by each way there is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from redis.exceptions import RedisError
from sqlalchemy import func, select

from tests.factories import make_membership, make_user
from tests.web.posting import post, token_on
from tests.web.test_google import LINK, UNLINK, long_ago, to_google
from tests.web.test_local import HERE, visitor_of
from tokiflow import queue
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.models import ApiKey, AuditEvent, UserSession
from tokiflow.services import drafts, sign_in
from tokiflow.web import prove

DANGER = "/app/settings/sessions/end-others"
PROVE = f"/auth/prove?next={DANGER}"

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


@pytest.fixture
def hers(browser_of, alice):
    """A browser in which Alice signed in an hour ago."""
    made = browser_of(alice)
    long_ago(alice)
    return made


def is_proved(browser) -> bool:
    return browser.get(DANGER).status_code == 200


def with_google(user, sub: str = "alice-1") -> None:
    with transaction():
        user.google_sub = sub


def test_it_asks_says_why_and_lets_whoever_shows_it_go_on(hers, mailbox, alice):
    asked = hers.get(DANGER)
    assert (asked.status_code, asked.headers["Location"]) == (303, "/auth/prove?next=/app/settings/sessions/end-others")
    page = hers.get(asked.headers["Location"])
    assert "could do harm in the wrong hands" in page.text
    assert alice.email in page.text
    assert "You last showed it <time" in page.text
    sent = post(hers, "/auth/prove/link", page=PROVE, next=DANGER)
    assert sent.headers["Location"] == "/auth/sent"
    assert "It shows that it is still you once" in hers.get("/auth/sent").text
    assert "still the one who uses the account" in " ".join(mailbox.text().split())
    assert not is_proved(hers)
    confirm = hers.get(mailbox.link())
    assert "It is me" in confirm.text
    assert not is_proved(hers)
    sessions_before = db.session.execute(select(UserSession.id)).scalars().all()
    done = post(hers, mailbox.link(), page=mailbox.link())
    assert (done.status_code, done.headers["Location"]) == (303, DANGER)
    assert is_proved(hers)
    assert db.session.execute(select(UserSession.id)).scalars().all() == sessions_before
    again = post(hers, mailbox.link(), page="/app/settings/sessions")
    assert (again.status_code, again.headers["Location"]) == (303, DANGER)


def test_it_holds_for_a_quarter_of_an_hour_and_does_not_ask_meanwhile(hers, alice):
    with transaction():
        row = db.session.execute(select(UserSession)).scalar_one()
        row.proved_at = datetime.now(UTC) - timedelta(minutes=14)
    assert hers.get(PROVE).headers["Location"] == DANGER
    assert is_proved(hers)
    with transaction():
        row.proved_at = datetime.now(UTC) - timedelta(minutes=15)
    assert not is_proved(hers)


def test_the_link_proves_no_other_session_of_hers(hers, browser_of, mailbox, alice):
    post(hers, "/auth/prove/link", page=PROVE, next=DANGER)
    other = browser_of(alice)
    long_ago(alice)
    assert other.get(mailbox.link()).status_code == 403
    assert post(other, mailbox.link(), page=PROVE).status_code == 403
    assert not is_proved(other)
    # Nor whoever signs in in that browser later.
    hers.sign_in(make_user("Mallory"))
    refused = hers.get(mailbox.link())
    assert refused.status_code == 403
    assert "signed in anew" in refused.text


def test_a_stolen_cookie_alone_is_not_enough(hers, browser_of, mailbox, alice):
    """Whoever copied the session cookie has not the browser's own value, to which links are bound."""
    post(hers, "/auth/prove/link", page=PROVE, next=DANGER)
    thief = browser_of()
    thief.set_cookie("tokiflow", hers.get_cookie("tokiflow").value)
    assert post(thief, mailbox.link(), page=PROVE).status_code == 403
    assert not is_proved(thief)


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/auth/sign-out", "", "/\\evil.example"])
def test_it_leads_nobody_elsewhere(hers, mailbox, alice, target):
    assert "evil" not in hers.get("/auth/prove", query_string={"next": target}).text
    post(hers, "/auth/prove/link", page=PROVE, next=target)
    assert post(hers, mailbox.link(), page=mailbox.link()).headers["Location"] == "/app"
    assert hers.get("/auth/prove", query_string={"next": target}).headers["Location"] == "/app"


def test_asking_for_many_links_is_told_openly_and_keeps_nobody_from_signing_in(hers, browser_of, mailbox, alice):
    for _ in range(sign_in.MOST_FOR_KNOWN_BROWSER):
        assert post(hers, "/auth/prove/link", page=PROVE, next=DANGER).status_code == 303
    often = post(hers, "/auth/prove/link", page=PROVE, next=DANGER)
    assert often.status_code == 429
    assert "newest one works" in often.text
    assert post(browser_of(), "/auth/sign-in", email=alice.email).status_code == 303
    assert mailbox.deliver() == sign_in.MOST_FOR_KNOWN_BROWSER + 1


def test_a_button_without_a_page_of_its_own_leads_back_to_where_it_was(hers):
    token = hers.get(PROVE).text.partition('name="csrf-token" content="')[2].partition('"')[0]
    answer = hers.post(UNLINK, data={"csrf_token": token})
    assert answer.headers["Location"] == f"/auth/prove?next={UNLINK}"
    in_a_dialog = hers.get(DANGER, headers={"HX-Request": "true"})
    assert in_a_dialog.headers["HX-Redirect"] == "/auth/prove?next=/app/settings/sessions/end-others"


# --- what was typed ---------------------------------------------------------------------------------------------

LOST_TIME = [
    ("/app/settings/api-keys/new", {"name": "Nightly <ci>", "scopes": "write", "lasts": "365"}, ["Nightly &lt;ci&gt;"]),
    ("/app/settings/organization/delete", {"typed": "Harbour Freight"}, ['value="Harbour Freight"']),
    (
        "/app/settings/organization/hand-over",
        {"to": "adam@x.example", "typed": "Harbuor"},
        ["adam@x.example", "Harbuor"],
    ),
    ("/app/settings/data/delete-account", {"typed": "alice@x.example"}, ["alice@x.example"]),
    ("/app/settings/security/passkeys/new", {"name": "Red key", "credential": "{secret}"}, ["Red key"]),
]


def late(browser, url, **fields):
    """Open the form in time, and send it when the time is over; where that leads."""
    row = db.session.execute(select(UserSession).order_by(UserSession.id.desc()).limit(1)).scalar_one()
    with transaction():
        row.proved_at = datetime.now(UTC)
    token = token_on(browser, url)
    with transaction():
        row.proved_at = datetime.now(UTC) - timedelta(minutes=16)
    return browser.post(url, data={"csrf_token": token, **fields})


def show_it(browser, mailbox, answer):
    """Show who one is, by mail; the address one is led to."""
    target = parse_qs(urlsplit(answer.headers["Location"]).query)["next"][0]
    post(browser, "/auth/prove/link", page=answer.headers["Location"], next=target)
    return post(browser, mailbox.link(), page=mailbox.link()).headers["Location"]


@pytest.mark.parametrize(("url", "typed", "seen"), LOST_TIME, ids=[one[0] for one in LOST_TIME])
def test_a_form_open_for_too_long_is_filled_in_again_and_does_nothing(hers, mailbox, organization, url, typed, seen):
    make_membership(organization, make_user("Olga"), Role.OWNER)
    before = db.session.scalar(select(func.count()).select_from(AuditEvent))
    answer = late(hers, url, **typed)
    assert answer.headers["Location"] == f"/auth/prove?next={url}", "nothing typed is in an address"
    assert not any(str(value) in str(answer.headers) for value in typed.values() if len(value) > 4)
    back = show_it(hers, mailbox, answer)
    assert back == url
    page = hers.get(back).text
    assert "nothing has happened yet" in page
    assert [one for one in seen if one not in page] == []
    assert "{secret}" not in page
    assert db.session.scalar(select(func.count()).select_from(AuditEvent)) == before, "it takes a button"
    again = hers.get(back).text
    assert "nothing has happened yet" not in again, "it is given once"
    assert not any(one in again for one in seen[-1:])


def test_what_was_ticked_is_ticked_and_the_button_then_works(hers, mailbox, organization):
    answer = late(hers, "/app/settings/api-keys/new", name="ci", scopes="write", lasts="30")
    page = hers.get(show_it(hers, mailbox, answer)).text
    fields = dict(re.findall(r'name="(once|csrf_token)"[^>]* value="([^"]+)"', page))
    ticked = re.findall(r'<input checked[^>]*name="(?:scopes|lasts)"[^>]*value="([^"]+)"', page)
    assert ticked == ["write", "30"]
    made = hers.post("/app/settings/api-keys/new", data={**fields, "name": "ci", "scopes": "write", "lasts": "30"})
    assert made.status_code == 200
    assert [row.name for row in db.session.execute(select(ApiKey)).scalars()] == ["ci"]


def test_another_session_or_page_finds_nothing(hers, browser_of, alice, mailbox, organization):
    answer = late(hers, "/app/settings/organization/delete", typed="Harbour Freight")
    other = browser_of(alice)
    assert "nothing has happened yet" not in other.get("/app/settings/organization/delete").text
    show_it(hers, mailbox, answer)
    assert "nothing has happened yet" not in hers.get("/app/settings/data/delete-account").text


def test_it_lies_sealed_and_not_for_long(hers, organization):
    valkey = queue.connection()
    late(hers, "/app/settings/organization/delete", typed="Harbour Freight")
    (key,) = valkey.scan_iter("tokiflow-draft-*")
    sealed = valkey.get(key)
    assert isinstance(sealed, bytes)
    assert b"Harbour" not in sealed
    assert 0 < valkey.ttl(key) <= 1800
    late(hers, "/app/settings/data/delete-account", typed="x" * drafts.LARGEST)
    assert len(list(valkey.scan_iter("tokiflow-draft-*"))) == 1, "what is no small form is not kept"


def test_without_redis_the_form_is_empty_and_works(hers, mailbox, organization, monkeypatch):
    def away():
        raise RedisError("away")

    with monkeypatch.context() as patched:
        patched.setattr(queue, "connection", away)
        answer = late(hers, "/app/settings/organization/delete", typed="Harbour Freight")
        assert answer.status_code == 303
    back = show_it(hers, mailbox, answer)
    assert 'value="Harbour Freight"' not in hers.get(back).text


# --- Google -----------------------------------------------------------------------------------------------------


def test_google_is_told_to_ask_again_and_says_when_it_did(hers, provider, alice):
    with_google(alice)
    provider.asked_again("alice-1", alice.email)
    assert "Confirm with Google" in hers.get(PROVE).text
    location = to_google(hers, "/auth/prove/google", next=DANGER)
    query = parse_qs(urlsplit(location).query)
    assert (query["prompt"], query["max_age"], query["login_hint"]) == (["login"], ["900"], [alice.email])
    assert "auth_time" in query["claims"][0]
    assert hers.get(provider.answer(location, sub="alice-1")).headers["Location"] == DANGER
    assert is_proved(hers)


@pytest.mark.parametrize(
    ("seconds_ago", "said"),
    [(3600, "a while ago"), (1100, "a while ago"), (-600, "a while ago"), (None, "does not tell")],
)
def test_google_that_let_her_through_unasked_proves_nothing(hers, provider, alice, seconds_ago, said):
    with_google(alice)
    if seconds_ago is None:
        provider.knows("alice-1", alice.email, auth_time=None)
    else:
        provider.asked_again("alice-1", alice.email, seconds_ago)
    answer = hers.get(provider.answer(to_google(hers, "/auth/prove/google", next=DANGER), sub="alice-1"))
    assert answer.status_code == 403
    assert said in answer.text
    assert "Mail me a link" in answer.text
    assert ("Confirm with Google" in answer.text) is (seconds_ago is not None), "offered only where it can work"
    assert not is_proved(hers)


NONSENSE = {"word": "now", "large": 10**400, "yes": True, "list": [1], "object": {"x": 1}, "float": 1e308}


@pytest.mark.parametrize("auth_time", list(NONSENSE))
def test_nonsense_about_when_is_no_proof(hers, provider, alice, auth_time):
    with_google(alice)
    provider.knows("alice-1", alice.email, auth_time=NONSENSE[auth_time])
    answer = hers.get(provider.answer(to_google(hers, "/auth/prove/google", next=DANGER), sub="alice-1"))
    assert answer.status_code == 403
    assert not is_proved(hers)


def test_another_google_account_proves_nothing(hers, provider, alice):
    with_google(alice)
    provider.asked_again("mallory", alice.email)
    answer = hers.get(provider.answer(to_google(hers, "/auth/prove/google", next=DANGER), sub="mallory"))
    assert "another Google account" in answer.text
    assert not is_proved(hers)


def test_saying_no_at_google_leads_back_to_the_question(hers, provider, alice):
    with_google(alice)
    location = to_google(hers, "/auth/prove/google", next=DANGER)
    state = parse_qs(urlsplit(location).query)["state"][0]
    denied = hers.get(f"/auth/google/callback?error=access_denied&state={state}")
    assert denied.status_code == 403
    assert "Mail me a link" in denied.text
    assert not is_proved(hers)


def test_an_ordinary_sign_in_proves_no_session_of_somebody_else(hers, provider, browser_of, alice, bob):
    """Going to Google to sign in, and coming back as another person, begins a session of that person."""
    with_google(bob, "bob-1")
    provider.knows("bob-1", bob.email)
    hers.get(provider.answer(to_google(hers), sub="bob-1"))
    assert bob.email in hers.get("/app/settings/profile").text
    rows = db.session.execute(select(UserSession).where(UserSession.user_id == alice.id)).scalars().all()
    assert all(one.ended_at is not None for one in rows), "what was there before is over"


def test_what_is_not_linked_is_not_offered(hers, client_for, alice):
    assert "Confirm with Google" not in hers.get(PROVE).text
    assert hers.get("/auth/prove/google", query_string={"next": DANGER}).status_code == 403
    assert hers.get(LINK).headers["Location"].startswith("/auth/prove")


# --- this machine, and more -------------------------------------------------------------------------------------


def test_the_person_at_this_machine_presses_a_button(app, database):
    browser = visitor_of(database)
    browser.get("/auth/sign-in", environ_overrides=HERE)
    with transaction():
        db.session.execute(select(UserSession)).scalar_one().proved_at = None
    page = browser.get(PROVE, environ_overrides=HERE).text
    assert "Yes, it is me" in page
    assert "Mail me a link" not in page
    token = page.partition('name="csrf-token" content="')[2].partition('"')[0]
    fields = {"csrf_token": token, "next": DANGER}
    elsewhere = browser.post("/auth/prove/local", data=fields, environ_overrides={"REMOTE_ADDR": "203.0.113.7"})
    assert elsewhere.status_code == 403
    done = browser.post("/auth/prove/local", data=fields, environ_overrides=HERE)
    assert done.headers["Location"] == DANGER
    assert browser.get(DANGER, environ_overrides=HERE).status_code == 200
    with browser.application.app_context():
        db.engine.dispose()


def test_this_machine_vouches_only_for_its_own_person(hers):
    assert post(hers, "/auth/prove/local", page=PROVE, next=DANGER).status_code == 403
    assert not is_proved(hers)


def test_whoever_has_a_second_factor_is_asked_for_nothing_less(hers, alice, monkeypatch):
    way = prove.Way("code", "auth/prove/_link.html", lambda user: user.id == alice.id, strong=True)
    monkeypatch.setattr(prove, "WAYS", [*prove.WAYS, way])
    assert [one.name for one in prove.ways(alice)] == ["code"]
    assert post(hers, "/auth/prove/link", page=PROVE, next=DANGER).status_code == 403


def test_nobody_is_asked_who_is_not_signed_in(browser_of):
    browser = browser_of()
    assert browser.get(PROVE).headers["Location"].startswith("/auth/sign-in")
    assert post(browser, "/auth/prove/link", next=DANGER).headers["Location"].startswith("/auth/sign-in")
