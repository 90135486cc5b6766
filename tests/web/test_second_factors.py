"""The page Security, and the second step of signing in, as browsers without a screen go them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
import segno
from sqlalchemy import func, select, update

from tests.fixtures.passkeys import Key
from tests.services.test_second_factors import phone, wrong
from tests.web.posting import post, token_on
from tests.web.test_auth import ask, letters, link_in  # noqa: F401 - the mail server is a fixture
from tokiflow.db import db, transaction
from tokiflow.models import Authenticator, Letter, Passkey, RecoveryCode, User, UserSession
from tokiflow.queries import second_factors as queries
from tokiflow.services import authenticators
from tokiflow.services.security_letters import NOWHERE
from tokiflow.web import proofs, qr, second_factor_proofs

SECURITY = "/app/settings/security"
STEP_PAGE = "/auth/second-step"
STEP = timedelta(seconds=30)


def now() -> datetime:
    return datetime.now(UTC)


def set_up(user) -> tuple[pyotp.TOTP, list[str]]:
    """An app of the person, confirmed with the code of the step before."""
    authenticators.begin(user.id, now())
    app = phone(user)
    before = now() - STEP
    return app, authenticators.confirm(user.id, app.at(before), NOWHERE, before)


def options(client, url, page) -> dict:
    answer = client.post(url, headers={"X-CSRFToken": token_on(client, page)})
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def add_passkey(client, key: Key, name="Laptop"):
    page = f"{SECURITY}/passkeys/new"
    asked = options(client, f"{SECURITY}/passkeys/options", page)
    return post(client, page, page=page, name=name, credential=key.make(asked))


def first_step(client, letters, user, **fields):  # noqa: F811
    ask(client, user.email, **fields)
    return post(client, link_in(letters), page=link_in(letters))


def is_in(client) -> bool:
    return client.get(SECURITY).status_code == 200


def codes_on(answer) -> list[str]:
    return re.findall(r"<li><code>([\w-]+)</code>", answer.text)


# --- the page ---------------------------------------------------------------------------------------------------


def test_alice_sets_up_an_app_sees_her_codes_once_and_removes_it(client_for, alice):
    hers = client_for(alice)
    assert "Whoever can open your mailbox" in hers.get(SECURITY).text
    assert post(hers, f"{SECURITY}/authenticator", page=SECURITY).headers["Location"] == f"{SECURITY}/authenticator"
    page = hers.get(f"{SECURITY}/authenticator").text
    secret = re.search(r"<code>([A-Z2-7 ]{39})</code>", page)[1]  # type: ignore[index]
    assert 'class="qr"' in page
    assert "style=" not in page
    app = pyotp.TOTP(secret.replace(" ", ""))
    wrong_one = post(hers, f"{SECURITY}/authenticator/confirm", page=SECURITY, code=wrong(app, now()))
    assert (wrong_one.status_code, secret in wrong_one.text) == (422, True)
    done = post(hers, f"{SECURITY}/authenticator/confirm", page=SECURITY, code=app.now())
    codes = codes_on(done)
    assert (done.status_code, len(codes)) == (200, 10)
    assert done.headers["Cache-Control"] == "no-store"
    shown = hers.get(SECURITY).text
    assert "10 of 10 left" in shown
    assert not [one for one in codes if one in shown]
    again = hers.get(f"{SECURITY}/authenticator")
    assert (again.status_code, again.headers["Location"]) == (303, SECURITY), "a secret in use is not shown again"

    question = hers.get(f"{SECURITY}/authenticator/remove").text
    assert "It is your last one." in question
    assert post(hers, f"{SECURITY}/authenticator/remove", page=SECURITY).status_code == 303
    assert db.session.get(Authenticator, alice.id) is None
    assert post(hers, f"{SECURITY}/authenticator/remove", page=SECURITY).status_code == 404


def test_alice_adds_renames_and_removes_a_passkey(client_for, alice):
    hers = client_for(alice)
    done = add_passkey(hers, Key())
    assert (done.status_code, len(codes_on(done))) == (200, 10)
    second = add_passkey(hers, Key(), "Phone")
    assert (second.status_code, second.headers["Location"]) == (303, SECURITY)
    page = hers.get(SECURITY).text
    assert "On one device only" in page
    own = re.search(r"/passkeys/(psk_\w+)", page)[1]  # type: ignore[index]
    url = f"{SECURITY}/passkeys/{own}"
    assert 'value="Laptop"' in hers.get(url).text
    assert post(hers, url, page=SECURITY, name="").status_code == 422
    assert post(hers, url, page=SECURITY, name="<b>Work").status_code == 303
    page = hers.get(SECURITY).text
    assert "&lt;b&gt;Work" in page
    assert "<b>Work" not in page
    assert "your last one" not in hers.get(f"{url}/remove").text
    assert post(hers, f"{url}/remove", page=SECURITY).status_code == 303
    assert [one.name for one in queries.passkeys(alice.id)] == ["Phone"]
    subjects = list(db.session.execute(select(Letter.subject).order_by(Letter.id)).scalars())
    assert subjects == ["A passkey was added", "A passkey was added", "A passkey was removed"]


def test_an_answer_to_a_challenge_of_before_adds_nothing(client_for, alice):
    hers, key, page = client_for(alice), Key(), f"{SECURITY}/passkeys/new"
    answer = key.make(options(hers, f"{SECURITY}/passkeys/options", page))
    hers_too = client_for(alice)
    for client in (hers_too, hers, hers):
        if client is hers:
            options(hers, f"{SECURITY}/passkeys/options", page)
        refused = post(client, page, page=page, name="Laptop", credential=answer)
        assert refused.status_code == 422
    assert db.session.execute(select(func.count()).select_from(Passkey)).scalar_one() == 0


def test_new_recovery_codes_are_shown_once_and_the_old_are_over(client_for, alice):
    hers = client_for(alice)
    _, old = set_up(alice)
    assert "stop working at once" in hers.get(f"{SECURITY}/recovery-codes").text
    new = codes_on(post(hers, f"{SECURITY}/recovery-codes", page=SECURITY))
    assert len(new) == 10
    assert not set(new) & set(old)


def test_used_codes_are_struck_out_and_few_are_warned_of(client_for, alice):
    set_up(alice)
    hers = client_for(alice)
    rows = queries.recovery_codes(alice.id)
    with transaction():
        for row in rows[:7]:
            row.used_at = now()
    page = hers.get(SECURITY).text
    assert page.count("<s title=") == 7
    assert "Only 3 recovery codes are left." in page


def test_all_that_changes_something_asks_first_who_it_is(app):
    views = {name: view for name, view in app.view_functions.items() if name.startswith("security.")}
    assert {name for name, view in views.items() if not hasattr(view, proofs.NEEDED)} == {"security.show"}


def test_the_drawing_is_the_qr_code():
    drawn = qr.drawing(text := "otpauth://totp/Tokiflow:alice@example.com?secret=ABC&issuer=Tokiflow")
    dark = {
        (int(x) + n, int(y))
        for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", drawn.path)
        for n in range(int(width))
    }
    matrix = segno.make(text, micro=False, error="m").matrix
    assert dark == {(x + 4, y + 4) for y, row in enumerate(matrix) for x, cell in enumerate(row) if cell}
    assert drawn.size == len(matrix) + 8


# --- signing in: the second step --------------------------------------------------------------------------------


def test_after_a_link_comes_a_code(client, letters, alice):  # noqa: F811
    app, _ = set_up(alice)
    after_link = first_step(client, letters, alice, next="/app/monitors?status=down")
    assert (after_link.status_code, after_link.headers["Location"]) == (303, STEP_PAGE)
    assert not is_in(client), "one step is not enough"
    page = client.get(STEP_PAGE).text
    assert alice.email in page
    assert "Use a passkey" not in page
    refused = post(client, STEP_PAGE, page=STEP_PAGE, code=wrong(app, now()))
    assert (refused.status_code, is_in(client)) == (422, False)
    done = post(client, STEP_PAGE, page=STEP_PAGE, code=app.now())
    assert (done.status_code, done.headers["Location"]) == (303, "/app/monitors?status=down")
    assert is_in(client)
    assert client.get(STEP_PAGE).headers["Location"] == "/auth/sign-in", "it is over"


def test_after_a_link_comes_a_recovery_code(client, letters, alice):  # noqa: F811
    _, codes = set_up(alice)
    first_step(client, letters, alice)
    refused = post(client, STEP_PAGE, page=STEP_PAGE, recovery="nonsense")
    assert (refused.status_code, '<details class="lost-it" open>' in refused.text) == (422, True)
    done = post(client, STEP_PAGE, page=STEP_PAGE, recovery=codes[3])
    assert done.status_code == 303
    assert "9 recovery codes are left." in client.get(SECURITY).text


def test_after_a_link_comes_a_passkey_of_ones_own(client, client_for, letters, alice, bob):  # noqa: F811
    add_passkey(client_for(alice), hers := Key())
    add_passkey(client_for(bob), his := Key())
    first_step(client, letters, alice)
    url = f"{STEP_PAGE}/passkey"
    asked = options(client, f"{url}/options", STEP_PAGE)
    assert len(asked["allowCredentials"]) == 1
    refused = post(client, url, page=STEP_PAGE, credential=his.sign(asked))
    assert (refused.status_code, is_in(client)) == (403, False)
    stale = post(client, url, page=STEP_PAGE, credential=hers.sign(asked))
    assert (stale.status_code, "Try again" in stale.text) == (403, True), "a challenge is for one answer"
    asked = options(client, f"{url}/options", STEP_PAGE)
    assert post(client, url, page=STEP_PAGE, credential=hers.sign(asked)).status_code == 303
    assert is_in(client)
    assert db.session.execute(select(UserSession.how).order_by(UserSession.id.desc()).limit(1)).scalar_one() == "link"


def test_the_first_step_grants_nothing_and_is_forgotten(client, letters, alice, monkeypatch):  # noqa: F811
    app, _ = set_up(alice)
    first_step(client, letters, alice)
    for path in ("/app", SECURITY, "/app/monitors"):
        assert client.get(path).headers["Location"].startswith("/auth/sign-in")
    with client.session_transaction() as session:
        session["second_step"]["at"] -= 601
        session.modified = True
    late = post(client, STEP_PAGE, code=app.now())
    assert (late.headers["Location"], is_in(client)) == ("/auth/sign-in", False)
    assert "too long ago" in client.get("/auth/sign-in").text


def test_another_browser_knows_nothing_of_the_first_step(client, app, letters, alice):  # noqa: F811
    made, codes = set_up(alice)
    first_step(client, letters, alice)
    other = app.test_client()
    assert other.get(STEP_PAGE).headers["Location"] == "/auth/sign-in"
    for fields in ({"code": made.now()}, {"recovery": codes[0]}):
        assert post(other, STEP_PAGE, **fields).headers["Location"] == "/auth/sign-in"
    assert post(other, f"{STEP_PAGE}/passkey").headers["Location"] == "/auth/sign-in"
    assert post(other, f"{STEP_PAGE}/passkey/options").status_code == 403
    assert queries.of_user(alice.id).codes == 10


def test_wrong_codes_slow_down_and_a_recovery_code_still_opens(client, letters, alice):  # noqa: F811
    app, codes = set_up(alice)
    first_step(client, letters, alice)
    for _ in range(5):
        assert post(client, STEP_PAGE, page=STEP_PAGE, code=wrong(app, now())).status_code == 422
    slowed = post(client, STEP_PAGE, page=STEP_PAGE, code=app.now())
    assert (slowed.status_code, "Wait" in slowed.text) == (429, True)
    assert 0 < int(slowed.headers["Retry-After"]) <= 31
    assert post(client, STEP_PAGE, page=STEP_PAGE, recovery=codes[0]).status_code == 303


def test_whoever_shares_a_network_uses_up_nobody_elses_tries(client, app, client_for, letters, alice, bob):  # noqa: F811
    """A stranger in the same café could do each of these all day, and so could a colleague who is signed in."""

    def tries(browser, door: str, page: str) -> int:
        headers = {"X-CSRFToken": token_on(browser, page)}
        return [browser.post(door, headers=headers).status_code for _ in range(61)][-1]

    stranger, bobs = app.test_client(), client_for(bob)
    _, codes = set_up(alice)
    first_step(client, letters, alice)
    assert tries(stranger, STEP_PAGE, "/auth/sign-in") == 429
    assert post(client, STEP_PAGE, page=STEP_PAGE, recovery=codes[0]).headers["Location"] == "/app"
    assert tries(bobs, "/auth/prove/code", SECURITY) == 429
    assert post(client, "/auth/prove/code", page=SECURITY, code=codes[1]).headers["Location"] == "/app"
    post(client, "/auth/sign-out", page=SECURITY)
    assert tries(stranger, "/auth/passkey", "/auth/sign-in") == 429
    assert post(client, "/auth/passkey", page="/auth/sign-in").status_code == 303, "she signed in here before"


def test_without_a_second_factor_nothing_changes(client, letters, alice):  # noqa: F811
    authenticators.begin(alice.id, now())  # begun, and never confirmed
    assert first_step(client, letters, alice).headers["Location"] == "/app"
    assert is_in(client)


def test_one_can_begin_again_as_somebody_else(client, letters, alice):  # noqa: F811
    set_up(alice)
    first_step(client, letters, alice)
    assert post(client, f"{STEP_PAGE}/cancel").headers["Location"] == "/auth/sign-in"
    assert client.get(STEP_PAGE).headers["Location"] == "/auth/sign-in"


def test_a_factor_removed_meanwhile_leads_back_to_the_first_step(client, client_for, letters, alice):  # noqa: F811
    app, _ = set_up(alice)
    first_step(client, letters, alice)
    authenticators.remove(alice.id, NOWHERE, now())
    assert post(client, STEP_PAGE, code=app.now()).headers["Location"] == "/auth/sign-in"
    assert not is_in(client)


# --- signing in: a passkey alone --------------------------------------------------------------------------------


def test_a_passkey_alone_signs_in(client, client_for, alice):
    add_passkey(client_for(alice), key := Key())
    asked = options(client, "/auth/passkey/options", "/auth/sign-in")
    assert asked["allowCredentials"] == []
    assert asked["userVerification"] == "required"
    done = post(client, "/auth/passkey", credential=key.sign(asked), next="/app/monitors")
    assert (done.status_code, done.headers["Location"]) == (303, "/app/monitors")
    assert is_in(client)
    assert (
        db.session.execute(select(UserSession.how).order_by(UserSession.id.desc()).limit(1)).scalar_one() == "passkey"
    )


@pytest.mark.parametrize("next_url", ["https://evil.example", "//evil.example", "/auth/sign-out"])
def test_it_leads_nowhere_else(client, client_for, alice, next_url):
    add_passkey(client_for(alice), key := Key())
    asked = options(client, "/auth/passkey/options", "/auth/sign-in")
    assert post(client, "/auth/passkey", credential=key.sign(asked), next=next_url).headers["Location"] == "/app"


def test_a_captured_answer_opens_nothing_a_second_time(client, app, client_for, alice):
    add_passkey(client_for(alice), key := Key())
    asked = options(client, "/auth/passkey/options", "/auth/sign-in")
    answer, copied = key.sign(asked), client.get_cookie("tokiflow").value
    token = token_on(client, "/auth/sign-in")
    assert post(client, "/auth/passkey", credential=answer).headers["Location"] == "/app"
    thief = app.test_client()
    thief.set_cookie("tokiflow", copied)
    thief.post("/auth/passkey", data={"credential": answer, "csrf_token": token})
    assert not is_in(thief)


@pytest.mark.parametrize("answer", ["", "{", "null", '{"rawId": "AA", "response": {}}', "\x00", "é" * 30_000])
def test_nonsense_is_answered_in_words(client, answer):
    options(client, "/auth/passkey/options", "/auth/sign-in")
    refused = post(client, "/auth/passkey", credential=answer)
    assert refused.headers["Location"].startswith("/auth/sign-in")
    assert 'class="notice down' in client.get("/auth/sign-in").text
    assert db.session.execute(select(func.count()).select_from(User)).scalar_one() == 0


def test_without_a_challenge_no_answer_counts(client, client_for, alice):
    add_passkey(client_for(alice), key := Key())
    asked = options(client, "/auth/passkey/options", "/auth/sign-in")
    with client.session_transaction() as session:
        session["ceremonies"]["sign_in"][1] -= 601
        session.modified = True
    for _ in range(2):
        post(client, "/auth/passkey", credential=key.sign(asked))
        assert not is_in(client)


def test_recovery_codes_alone_sign_nobody_in(client, alice):
    set_up(alice)
    assert db.session.execute(select(func.count()).select_from(RecoveryCode)).scalar_one() == 10
    assert post(client, STEP_PAGE, recovery="x").headers["Location"] == "/auth/sign-in"


# --- showing again who one is -----------------------------------------------------------------------------------


def forget_proof(client) -> None:
    """Let it be an hour ago that the person last showed who they are."""
    with transaction():
        db.session.execute(update(UserSession).values(proved_at=now() - timedelta(hours=1)))


def is_proved(user) -> bool:
    lately = UserSession.user_id == user.id, UserSession.proved_at > now() - timedelta(minutes=1)
    return db.session.execute(select(UserSession.id).where(*lately)).first() is not None


def test_a_code_shows_again_who_one_is(client_for, alice):
    app, codes = set_up(alice)
    hers = client_for(alice)
    forget_proof(hers)
    for code in (wrong(app, now()), "nonsense", ""):
        refused = post(hers, "/auth/prove/code", page=SECURITY, code=code, next=SECURITY)
        assert refused.headers["Location"] == "/auth/prove?next=%2Fapp%2Fsettings%2Fsecurity"
        assert not is_proved(alice)
    done = post(hers, "/auth/prove/code", page=SECURITY, code=app.now(), next=SECURITY)
    assert (done.headers["Location"], is_proved(alice)) == (SECURITY, True)
    forget_proof(hers)
    post(hers, "/auth/prove/code", page=SECURITY, code=codes[0], next="//evil.example")
    assert is_proved(alice)


def test_a_passkey_shows_again_who_one_is(client_for, alice, bob):
    hers = client_for(alice)
    add_passkey(hers, key := Key())
    add_passkey(client_for(bob), other := Key())
    forget_proof(hers)
    for signing in (other, key):
        asked = options(hers, "/auth/prove/passkey/options", SECURITY)
        post(hers, "/auth/prove/passkey", page=SECURITY, credential=signing.sign(asked), next=SECURITY)
        assert is_proved(alice) is (signing is key)


def test_only_what_one_has_is_offered_as_proof(app, alice, bob):
    set_up(alice)
    with app.test_request_context():
        found = [(second_factor_proofs.with_passkey(one), second_factor_proofs.with_code(one)) for one in (alice, bob)]
    assert found == [(False, True), (False, False)]
