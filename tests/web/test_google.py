"""With Google: the first time, linking by proof of both, and everything that can be wrong with an answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select

from tests.web.posting import post
from tests.web.test_second_factors import STEP_PAGE, set_up
from tokiflow.adapters import google
from tokiflow.db import db, transaction
from tokiflow.models import User, UserSession

PROFILE = "/app/settings/profile"
LINK, UNLINK = "/app/settings/google/link", "/app/settings/google/unlink"

# The OpenID provider is older than the Authlib it runs on, and warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


def is_in(browser) -> bool:
    return browser.get(PROFILE).status_code == 200


def to_google(browser, page: str = "/auth/google", **query: str) -> str:
    answer = browser.get(page, query_string=query)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


def count(model) -> int:
    return db.session.execute(select(func.count()).select_from(model)).scalar_one()


def long_ago(user: User) -> None:
    """The person's sessions were begun so long ago that they are to show again who they are."""
    with transaction():
        for one in db.session.execute(select(UserSession).where(UserSession.user_id == user.id)).scalars():
            one.proved_at = datetime.now(UTC) - timedelta(hours=1)


# --- who is known to Google -------------------------------------------------------------------------------------


def test_alice_signs_in_with_google_as_the_person_she_is(provider, browser_of, alice):
    provider.knows("alice-1", "alice@elsewhere.example")
    with transaction():
        alice.google_sub = "alice-1"
    browser = browser_of()
    done = browser.get(provider.answer(to_google(browser, next="/app/incidents"), sub="alice-1"))
    assert (done.status_code, done.headers["Location"]) == (303, "/app/incidents")
    assert is_in(browser)
    assert count(User) == 1


def test_google_is_offered_only_where_it_is_set_up(client, browser_of):
    assert "Continue with Google" in browser_of().get("/auth/sign-in").text
    assert "Continue with Google" not in client.get("/auth/sign-in").text
    assert client.get("/auth/google").status_code == 404
    assert client.get("/auth/google/callback?code=x&state=y").status_code == 404


def test_google_leads_nobody_elsewhere(provider, browser_of):
    provider.knows("dora", "dora@harbour.example")
    browser = browser_of()
    back = provider.answer(to_google(browser, next="//evil.example"), sub="dora")
    assert browser.get(back).headers["Location"] == "/app"


# --- an account that is there already ---------------------------------------------------------------------------


def test_alices_account_is_linked_once_she_shows_that_the_mailbox_is_hers(provider, browser_of, mailbox, alice):
    provider.knows("alice-1", alice.email)
    browser = browser_of()
    back = browser.get(provider.answer(to_google(browser, next="/app/incidents"), sub="alice-1"))
    assert (back.status_code, back.headers["Location"]) == (303, "/auth/google/mailbox")
    assert not is_in(browser)
    page = browser.get("/auth/google/mailbox")
    assert "One more step" in page.text
    sent = post(browser, "/auth/google/mailbox", page="/auth/google/mailbox")
    assert sent.headers["Location"] == "/auth/sent"
    assert "links Google once" in browser.get("/auth/sent").text
    assert "Sign in and link Google" in browser.get(mailbox.link()).text
    assert alice.google_sub is None
    done = post(browser, mailbox.link(), page=mailbox.link())
    assert done.headers["Location"] == "/app/incidents"
    db.session.expire_all()
    linked = db.session.get_one(User, alice.id)
    assert linked.google_sub == "alice-1"
    assert is_in(browser)
    assert "Google was linked" in mailbox.newest()["Subject"]
    again = browser_of()
    assert again.get(provider.answer(to_google(again), sub="alice-1")).headers["Location"] == "/app"


def test_a_second_factor_is_part_of_the_proof(provider, browser_of, mailbox, alice):
    """Whoever reads her mail, and no more, links no Google account of theirs to hers."""
    _, codes = set_up(alice)
    mailbox.deliver()  # that she was told of it
    provider.knows("alice-1", alice.email)
    browser = browser_of()
    browser.get(provider.answer(to_google(browser, next="/app/incidents"), sub="alice-1"))
    post(browser, "/auth/google/mailbox", page="/auth/google/mailbox")
    assert post(browser, mailbox.link(), page=mailbox.link()).headers["Location"] == STEP_PAGE
    db.session.expire_all()
    assert (alice.google_sub, is_in(browser)) == (None, False)
    done = post(browser, STEP_PAGE, page=STEP_PAGE, recovery=codes[0])
    assert done.headers["Location"] == "/app/incidents"
    db.session.expire_all()
    assert (alice.google_sub, is_in(browser)) == ("alice-1", True)


def test_who_only_has_a_google_account_with_alices_address_comes_nowhere(provider, browser_of, mailbox, alice):
    provider.knows("mallory", alice.email)
    mallory, hers = browser_of(), browser_of(alice)
    mallory.get(provider.answer(to_google(mallory), sub="mallory"))
    post(mallory, "/auth/google/mailbox", page="/auth/google/mailbox")
    # Alice, signed in or not, opens the link in the browser she uses: it works only where it was asked for.
    assert hers.get(mailbox.link()).status_code == 403
    assert "came from Google" in mailbox.text()
    assert (alice.google_sub, is_in(mallory)) == (None, False)


def test_the_step_is_over_after_a_quarter_of_an_hour(provider, browser_of, mailbox, alice):
    provider.knows("alice-1", alice.email)
    browser = browser_of()
    browser.get(provider.answer(to_google(browser), sub="alice-1"))
    with browser.session_transaction() as session:
        session["google_pending"][2] = (datetime.now(UTC) - timedelta(minutes=16)).isoformat()
        session.modified = True
    late = post(browser, "/auth/google/mailbox")
    assert late.status_code == 403
    assert "15 minutes" in late.text
    assert browser.get("/auth/google/mailbox").headers["Location"] == "/auth/sign-in"
    assert mailbox.deliver() == 0


def test_nobody_has_a_link_mailed_who_did_not_come_from_google(browser_of, mailbox):
    browser = browser_of()
    assert post(browser, "/auth/google/mailbox").status_code == 403
    assert mailbox.deliver() == 0


# --- linking while signed in ------------------------------------------------------------------------------------


def test_alice_links_google_unlinks_it_and_is_told_of_both(provider, browser_of, mailbox, alice):
    provider.knows("private", "alice@private.example")
    browser = browser_of(alice)
    assert "Link Google" in browser.get(PROFILE).text
    linked = browser.get(provider.answer(to_google(browser, LINK), sub="private"))
    assert linked.headers["Location"] == PROFILE
    page = browser.get(PROFILE).text
    assert "you can sign in as alice@private.example" in page
    assert "Unlink Google" in page
    assert alice.google_sub == "private"
    assert mailbox.newest()["Subject"] == "Google was linked to your account"
    assert mailbox.newest()["To"] == alice.email
    assert browser.get(LINK).headers["Location"] == PROFILE
    assert alice.email in browser.get(UNLINK).text
    assert post(browser, UNLINK, page=UNLINK).headers["Location"] == PROFILE
    assert alice.google_sub is None
    assert mailbox.newest()["Subject"] == "Google was unlinked from your account"


def test_both_ask_first_who_it_is(browser_of, alice):
    browser = browser_of(alice)
    long_ago(alice)
    for page in (LINK, UNLINK):
        assert browser.get(page).headers["Location"].startswith("/auth/prove?next=/app/settings/google/")
    assert post(browser, UNLINK, page=PROFILE).headers["Location"].startswith("/auth/prove")


def test_the_google_account_of_somebody_else_is_not_taken_over(provider, browser_of, alice, bob):
    provider.knows("alice-1", alice.email)
    with transaction():
        alice.google_sub = "alice-1"
    his = browser_of(bob)
    assert his.get(provider.answer(to_google(his, LINK), sub="alice-1")).headers["Location"] == PROFILE
    assert "linked to another account" in his.get(PROFILE).text
    assert (alice.google_sub, bob.google_sub) == ("alice-1", None)


def test_an_answer_that_was_meant_for_one_session_links_nothing_in_another(provider, browser_of, alice, bob):
    """Bob signs in in the browser in which Alice went to link hers."""
    provider.knows("alice-1", alice.email)
    browser = browser_of(alice)
    back = provider.answer(to_google(browser, LINK), sub="alice-1")
    browser.sign_in(bob)
    assert browser.get(back).headers["Location"] == PROFILE
    assert "signed in anew" in browser.get(PROFILE).text
    assert (alice.google_sub, bob.google_sub) == (None, None)


def test_an_answer_that_comes_after_she_was_signed_out_links_and_signs_in_nobody(provider, browser_of, alice):
    provider.knows("alice-1", alice.email)
    browser = browser_of(alice)
    back = provider.answer(to_google(browser, LINK), sub="alice-1")
    with browser.session_transaction() as session:
        session.pop("_user_id")
    answer = browser.get(back)
    assert answer.status_code == 403
    assert "Continue with Google" in answer.text
    assert (alice.google_sub, is_in(browser)) == (None, False)


@pytest.mark.parametrize("page", [LINK, "/auth/google"])
def test_nobody_chooses_for_another_what_they_go_to_google_for(browser_of, alice, page):
    """What it is for is in the session, and the state says nothing of it."""
    query = parse_qs(urlsplit(to_google(browser_of(alice) if page == LINK else browser_of(), page)).query)
    assert "link" not in str(query)


# --- answers that are no good -----------------------------------------------------------------------------------


ANSWERS = {
    "denied": (lambda browser, provider: provider.answer(to_google(browser), action="deny"), "did not let Google"),
    "refused": (lambda browser, provider: "/auth/google/callback?error=server_error&state=x", "refused to sign you in"),
    "forged state": (
        lambda browser, provider: "/auth/google/callback?code=x&state=forged",
        "not begun in this browser",
    ),
    "nothing": (lambda browser, provider: "/auth/google/callback", "not begun in this browser"),
    "hostile": (
        lambda browser, provider: "/auth/google/callback?state=%00%F0%9F%9A%A2&code=%3Cscript%3E&error_description=x",
        "not begun in this browser",
    ),
    "unverified": (lambda browser, provider: provider.answer(to_google(browser), sub="eve"), "has not verified"),
    "no address": (lambda browser, provider: provider.answer(to_google(browser), sub="nobody"), "your e-mail address"),
    "odd address": (lambda browser, provider: provider.answer(to_google(browser), sub="odd"), "no mail can be sent"),
    "made-up code": (
        lambda browser, provider: (
            "/auth/google/callback?code=x&state=" + parse_qs(urlsplit(to_google(browser)).query)["state"][0]
        ),
        "no longer accepts",
    ),
}


@pytest.mark.parametrize("answer", list(ANSWERS))
def test_an_answer_that_is_no_good_leads_to_a_friendly_page(provider, browser_of, answer):
    provider.knows("eve", "alice@harbour.example", email_verified=False)
    provider.knows("nobody", "")
    provider.knows("odd", "alice@harbour")
    come_back, said = ANSWERS[answer]
    browser = browser_of()
    page = browser.get(come_back(browser, provider))
    assert page.status_code == 403
    assert said in page.text
    assert "Continue with Google" in page.text
    assert "Send me a new link" in page.text
    assert "<script>" not in page.text
    assert not is_in(browser)
    assert count(User) == 0


def test_an_answer_counts_once_and_not_in_another_browser(provider, browser_of):
    provider.knows("alice-1", "alice@harbour.example")
    browser, other = browser_of(), browser_of()
    back = provider.answer(to_google(browser), sub="alice-1")
    assert other.get(back).status_code == 403
    assert browser.get(back).status_code == 303
    browser.delete_cookie("tokiflow")
    assert browser.get(back).status_code == 403


def test_a_denial_ends_the_visit_too(provider, browser_of):
    provider.knows("alice-1", "alice@harbour.example")
    browser = browser_of()
    location = to_google(browser)
    denied = provider.answer(location, action="deny")
    state = parse_qs(urlsplit(location).query)["state"][0]
    assert browser.get(f"{denied}&state={state}").status_code == 403
    assert browser.get(provider.answer(location, sub="alice-1")).status_code == 403


def test_an_answer_that_took_too_long_is_refused(provider, browser_of, monkeypatch):
    provider.knows("alice-1", "alice@harbour.example")
    browser = browser_of()
    back = provider.answer(to_google(browser), sub="alice-1")
    monkeypatch.setattr(google, "SIGN_IN_SECONDS", -1)
    assert "ten minutes" in browser.get(back).text


def test_a_second_google_account_with_her_address_is_refused(provider, browser_of):
    provider.knows("alice-1", "alice@harbour.example")
    provider.knows("twin", "alice@harbour.example")
    first, second = browser_of(), browser_of()
    first.get(provider.answer(to_google(first), sub="alice-1"))
    answer = second.get(provider.answer(to_google(second), sub="twin"))
    assert answer.status_code == 403
    assert "another Google account" in answer.text
    assert count(User) == 1


def test_google_that_is_away_leaves_the_other_way(google_site, browser_of):
    away = google.Google("client-1", "secret", "http://127.0.0.1:9/none")
    google_site.extensions["tokiflow.google"] = away
    answer = browser_of().get("/auth/google")
    assert answer.status_code == 503
    assert "can&#39;t be reached" in answer.text
    assert "Send me a new link" in answer.text
    assert int(answer.headers["Retry-After"]) > 0


def test_a_first_sign_in_in_a_new_browser_is_told_by_mail(provider, browser_of, mailbox, alice):
    provider.knows("alice-1", alice.email)
    with transaction():
        alice.google_sub = "alice-1"
    browser = browser_of()
    for _ in range(2):
        assert browser.get(provider.answer(to_google(browser), sub="alice-1")).status_code == 303
        assert mailbox.deliver() == 1
        browser.delete_cookie("tokiflow")
    assert mailbox.newest()["Subject"] == "You signed in with a new browser"


def test_a_newcomer_is_not_told_of_their_own_arrival(provider, browser_of, mailbox):
    provider.knows("dora", "dora@harbour.example")
    browser = browser_of()
    assert browser.get(provider.answer(to_google(browser), sub="dora")).headers["Location"] == "/app"
    assert mailbox.deliver() == 0
