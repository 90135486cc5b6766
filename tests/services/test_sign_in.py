"""Signing in: links that are mailed, once, and used, once; Google; and the person at this machine."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from uuid import UUID

import pytest
from flask import current_app
from sqlalchemy import func, select

from tests.channels.conftest import KeptMail
from tests.factories import make_user
from tests.fixtures.doorbell import rings
from tests.fixtures.post import Post, free_port, serving
from tokiflow import errors, outside, queue
from tokiflow.adapters import mail
from tokiflow.channels import Outside
from tokiflow.core import ids
from tokiflow.core.roles import Role
from tokiflow.db import db, in_transaction, transaction
from tokiflow.models import Membership, Organization, SignInLink, User, UserSession
from tokiflow.queries import sessions as session_queries
from tokiflow.services import sessions, sign_in, sign_in_letters
from tokiflow.services.sign_in import Asker

NOW = datetime(2026, 11, 22, 9, 5, tzinfo=UTC)
SOON = NOW + timedelta(minutes=2)
HERE, ELSEWHERE = "the browser of Alice", "another browser"
ALICE = "alice@harbour.example"

pytestmark = pytest.mark.usefixtures("app")


def sending_to(port: int) -> Outside:
    """An outside whose mail goes to the server on `port`, and never from inside a transaction."""
    mailer = mail.smtp_from(f"smtp://127.0.0.1:{port}", forbidden=in_transaction)
    return Outside(None, mailer, "Tokiflow <sign-in@tokiflow.example>", "https://tokiflow.example")  # type: ignore[arg-type]


def asker(browser: str = HERE, known: bool = False) -> Asker:
    return Asker(browser, "Firefox on Linux", "203.0.113.7", known)


def use(token: str, browser: str = HERE, at: datetime = SOON, timezone: str = "") -> User:
    """Press the button of a link where nobody is signed in."""
    return sign_in.use(token, asker(browser), None, at, timezone)


def try_to_ask(email: str = ALICE, browser: str = HERE, at: datetime = NOW, known: bool = False) -> UUID | None:
    """Ask for a link; its id, or None if there is none."""
    sign_in.request_link(email, asker(browser, known), "/app/monitors", at)
    newest = select(SignInLink.id).where(SignInLink.created_at == at).order_by(SignInLink.id.desc()).limit(1)
    return db.session.execute(newest).scalar_one_or_none()


def ask(email: str = ALICE, browser: str = HERE, at: datetime = NOW, known: bool = False) -> UUID:
    """Ask for a link; its id."""
    link_id = try_to_ask(email, browser, at, known)
    assert link_id is not None
    return link_id


def text_of(message: Message) -> str:
    """The plain text of a mail."""
    assert isinstance(message, EmailMessage)
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def mailed(link_id: UUID, at: datetime = NOW) -> str:
    """Mail the link with a mailer that keeps everything; the token in the mail."""
    kept = KeptMail()
    made = Outside(None, kept, "sign-in@tokiflow.example", "https://tokiflow.example")  # type: ignore[arg-type]
    assert sign_in_letters.mail([link_id], made, lambda: at) == 1
    return token_in(text_of(kept.mails[0]))


def token_in(text: str) -> str:
    found = re.search(r"https://tokiflow\.example/auth/link/(\S+)", text)
    assert found
    return found[1]


def rung() -> list[tuple[queue.Job, list[str]]]:
    """What waits in the queue: jobs with their ids."""
    return rings(queue.connection())


def in_context(work):
    """`work` for another thread, in an app context of its own."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def run(*args):
        with app.app_context():
            return work(*args)

    return run


def row(link_id: UUID) -> SignInLink:
    db.session.expire_all()
    return db.session.get_one(SignInLink, link_id)


# --- the mail ---------------------------------------------------------------------------------------------------


def test_a_link_is_promised_rung_for_and_arrives_at_a_real_mail_server():
    link_id = ask()
    assert rung() == [("jobs.sign_in.mail", [str(link_id)])]
    post = Post()
    with serving(post) as port:
        assert sign_in_letters.mail([link_id], sending_to(port), lambda: SOON) == 1
    assert row(link_id).sent_at == SOON
    arrived = message_from_bytes(post.mails[0].content, policy=policy.default)
    assert post.mails[0].rcpt_tos == [ALICE]
    text = text_of(arrived)
    assert "Firefox on Linux, 203.0.113.7" in text
    assert "09:05 UTC on 22 November" in text
    assert "09:20 UTC, once" in text
    assert use(token_in(text), HERE, SOON).email == ALICE
    page = arrived.get_body(("html",))
    assert page is not None
    html = page.get_content()
    assert token_in(text) in html
    assert "<script" not in html


def test_times_in_the_mail_are_those_of_somebody_known():
    make_user("Alice", email=ALICE, timezone="America/New_York")
    link_id, kept = ask(), KeptMail()
    sign_in_letters.mail([link_id], Outside(None, kept, "a@b.example", "https://tokiflow.example"), lambda: NOW)  # type: ignore[arg-type]
    assert "04:05 EST on 22 November" in text_of(kept.mails[0])


def test_a_mail_rung_for_twice_is_sent_once():
    link_id, post = ask(), Post()
    with serving(post) as port, ThreadPoolExecutor(4) as pool:
        made = sending_to(port)
        tries = [pool.submit(in_context(sign_in_letters.mail), [link_id], made, lambda: NOW) for _ in range(4)]
        assert sum(one.result() for one in tries) == 1
        assert sign_in_letters.mail([link_id], made, lambda: NOW + timedelta(minutes=5)) == 0
    assert len(post.mails) == 1


def test_a_mail_server_that_is_away_is_tried_again_until_the_link_is_over():
    link_id, port = ask(), free_port()
    assert sign_in_letters.mail([link_id], sending_to(port), lambda: NOW) == 1
    assert row(link_id).sent_at is None
    assert sign_in_letters.mail([link_id], sending_to(port), lambda: NOW + timedelta(seconds=1)) == 0
    assert sign_in_letters.ring(NOW + timedelta(seconds=1)) == 0
    assert sign_in_letters.ring(NOW + timedelta(seconds=25)) == 1
    post = Post()
    with serving(post) as port:
        assert sign_in_letters.mail([link_id], sending_to(port), lambda: NOW + timedelta(seconds=25)) == 1
    assert len(post.mails) == 1
    assert sign_in_letters.ring(NOW + timedelta(minutes=5)) == 0


def test_an_address_that_does_not_exist_is_not_tried_again():
    link_id, post = ask(), Post()
    post.refused[ALICE] = "550 no such mailbox"
    with serving(post) as port:
        sign_in_letters.mail([link_id], sending_to(port), lambda: NOW)
    assert sign_in_letters.ring(NOW + timedelta(minutes=10)) == 0


def test_the_clock_rings_for_a_link_that_redis_forgot():
    link_id = ask()
    queue.connection().flushdb()
    assert sign_in_letters.ring(NOW + timedelta(seconds=2)) == 0  # it may well be on its way
    assert sign_in_letters.ring(NOW + timedelta(seconds=11)) == 1
    assert sign_in_letters.ring(NOW + timedelta(seconds=12)) == 0
    assert sign_in_letters.ring(NOW + timedelta(seconds=22)) == 1
    assert rung() == 2 * [("jobs.sign_in.mail", [str(link_id)])]
    assert sign_in_letters.ring(NOW + sign_in.LIFETIME) == 0


def test_a_worker_that_died_while_sending_loses_its_lease():
    link_id = ask()
    assert sign_in_letters._claim([link_id], NOW)
    assert sign_in_letters.ring(NOW + timedelta(seconds=30)) == 0
    assert sign_in_letters.ring(NOW + sign_in_letters.LEASE) == 1
    assert mailed(link_id, NOW + sign_in_letters.LEASE)


def test_the_job_takes_ids_as_text_and_mails_into_the_outbox():
    from jobs import sign_in as jobs

    sign_in.request_link(ALICE, asker(), "/app", datetime.now(UTC))
    link_id = db.session.execute(select(SignInLink.id)).scalar_one()
    kept = KeptMail()
    before = outside.of(current_app)
    outside.use(current_app, Outside(before.http, kept, before.email_from, before.public_url))
    try:
        assert jobs.mail([str(link_id)]) == 1
        assert jobs.mail([str(link_id), str(ids.new())]) == 0
    finally:
        outside.use(current_app, before)
    assert kept.mails[0]["To"] == ALICE


# --- the link ---------------------------------------------------------------------------------------------------


def test_a_newcomer_gets_a_person_and_an_organization_of_their_own():
    user = use(mailed(ask("Mia.Lopez+jobs@Harbour.Example")), HERE, SOON, "Europe/Berlin")
    assert (user.email, user.name, user.timezone) == ("mia.lopez+jobs@harbour.example", "Mia Lopez", "Europe/Berlin")
    assert user.last_signed_in_at == SOON
    membership = db.session.execute(select(Membership).where(Membership.user_id == user.id)).scalar_one()
    assert membership.rank is Role.OWNER
    assert db.session.get_one(Organization, membership.organization_id).name == "Mia Lopez’s organization"


def test_whoever_is_known_comes_back_as_themselves(alice):
    user = use(mailed(ask(alice.email.upper())), HERE, SOON, "Asia/Tokyo")
    assert user.id == alice.id
    assert user.timezone == "Europe/Berlin"
    assert db.session.execute(select(func.count()).select_from(Organization)).scalar_one() == 1


def test_a_link_works_once():
    token = mailed(ask())
    use(token, HERE, SOON)
    with pytest.raises(sign_in.Used):
        use(token, HERE, SOON)


def test_two_presses_at_once_sign_in_once():
    token = mailed(ask())

    def press() -> bool:
        try:
            return use(token, HERE, SOON).email == ALICE
        except sign_in.Used:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sorted(one.result() for one in [pool.submit(in_context(press)) for _ in range(4)]) == [
            False,
            False,
            False,
            True,
        ]


@pytest.mark.parametrize("browser", [ELSEWHERE, "", "\udc80", "x" * 10_000])
def test_a_link_works_only_in_the_browser_that_asked(browser):
    token = mailed(ask())
    with pytest.raises(sign_in.LinkRefused, match="only in the browser"):
        use(token, browser, SOON)
    assert use(token, HERE, SOON).email == ALICE


def test_a_link_ends_after_fifteen_minutes():
    token = mailed(ask())
    assert sign_in.look(token, HERE, None, NOW + timedelta(minutes=14, seconds=59)).email == ALICE
    with pytest.raises(sign_in.LinkRefused, match="15 minutes"):
        use(token, HERE, NOW + timedelta(minutes=15))


def test_looking_at_a_link_changes_nothing():
    link_id = ask()
    token = mailed(link_id)
    for _ in range(3):
        assert sign_in.look(token, HERE, None, SOON).email == ALICE
    assert row(link_id).used_at is None


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: "",
        lambda token: "x",
        lambda token: token[:-1],
        # Not the very last letter: some of its bits stand for nothing, and may differ in a token that is no forgery.
        lambda token: token[:-2] + ("a" if token[-2] != "a" else "b") + token[-1],
        lambda token: "a" + token[1:],
        lambda token: token.partition(".")[0],
        lambda token: f"{token}.{token}",
        lambda token: "ü" * 50,
        lambda token: "\x00",
        lambda token: ids.new().hex,
    ],
)
def test_a_forged_token_is_refused(forge):
    token = forge(mailed(ask()))
    with pytest.raises(sign_in.LinkRefused):
        use(token, HERE, SOON)


def test_a_token_of_a_link_that_is_gone_is_refused():
    token = mailed(ask())
    sign_in.forget(NOW + timedelta(days=31))
    assert db.session.execute(select(func.count()).select_from(SignInLink)).scalar_one() == 0
    with pytest.raises(sign_in.LinkRefused, match="long over"):
        use(token, HERE, SOON)


def test_nothing_in_the_table_is_enough_to_sign_in():
    link_id = ask()
    token, stored = mailed(link_id), row(link_id)
    values = [str(getattr(stored, column.name)) for column in SignInLink.__table__.columns]
    assert not any(HERE in value or token in value for value in values)
    with pytest.raises(sign_in.LinkRefused):
        use(token, stored.browser, SOON)


# --- how often --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["", "alice", "alice@", "@harbour.example", "a@b", "a b@c.example", "a\n@b.example"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(errors.Invalid) as refused:
        sign_in.request_link(address, asker(), "/app", NOW)
    assert list(refused.value.fields) == ["email"]


def test_a_mailbox_is_not_flooded_and_nobody_is_told():
    for minute in range(sign_in.MOST_FOR_ADDRESS):
        ask(browser=f"browser {minute}", at=NOW + timedelta(minutes=minute))
    assert try_to_ask(browser="one more", at=NOW + timedelta(minutes=30)) is None
    ask(browser="an hour later", at=NOW + timedelta(minutes=90))


def test_a_stranger_cannot_lock_alice_out():
    for n in range(sign_in.MOST_FOR_ADDRESS + 5):
        try_to_ask(browser=f"stranger {n}", at=SOON + timedelta(seconds=n))
    assert try_to_ask(browser="stranger", at=SOON + timedelta(minutes=1)) is None
    ask(browser=HERE, at=SOON + timedelta(minutes=1), known=True)


def test_even_a_known_browser_has_a_limit():
    asked = [try_to_ask(at=SOON + timedelta(seconds=n), known=True) for n in range(20)]
    assert sum(one is not None for one in asked) == sign_in.MOST_FOR_KNOWN_BROWSER


def test_what_alice_asks_for_while_signed_in_uses_up_none_of_her_links_to_sign_in(alice):
    for n in range(sign_in.MOST_FOR_KNOWN_BROWSER):
        sign_in.request_google_link(alice.email, "1", asker(), "/app", SOON + timedelta(seconds=n))
    with pytest.raises(errors.RateLimited, match="newest one works"):
        sign_in.request_google_link(alice.email, "1", asker(), "/app", SOON + timedelta(minutes=1))
    ask(alice.email, at=SOON + timedelta(minutes=1), known=True)


# --- showing again who one is -----------------------------------------------------------------------------------


def session_of(user: User, at: datetime = NOW) -> UserSession:
    found = session_queries.signed_in(sessions.begin(user.id, "google", "Firefox on Linux", "", at), at)
    assert found is not None
    return found


def proof(user: User, session: UserSession, at: datetime) -> str:
    """Ask for a link that proves the session, and have it mailed; its token."""
    sign_in.request_proof(user.email, session.id, asker(), "/app/danger", at)
    return mailed(db.session.execute(select(SignInLink.id).order_by(SignInLink.id.desc())).scalars().all()[0], at)


def test_a_link_proves_the_session_that_asked_for_it_and_begins_none(alice):
    found, later = session_of(alice), NOW + timedelta(hours=3)
    token = proof(alice, found, later)
    with pytest.raises(sign_in.LinkRefused, match="signed out since"):
        use(token, HERE, later)
    with pytest.raises(sign_in.LinkRefused, match="signed out since"):
        sign_in.use(token, asker(), session_of(alice).id, later)
    with pytest.raises(sign_in.LinkRefused, match="only in the browser"):
        sign_in.use(token, asker(ELSEWHERE), found.id, later)
    assert sign_in.use(token, asker(), found.id, later).id == alice.id
    db.session.expire_all()
    assert found.proved_at == later
    assert alice.last_signed_in_at is None
    with pytest.raises(sign_in.Used) as used:
        sign_in.use(token, asker(), found.id, later)
    assert used.value.target == "/app/danger"


def test_a_session_asks_only_so_often_for_proof(alice, bob):
    found = session_of(alice)
    for n in range(sign_in.MOST_FOR_KNOWN_BROWSER):
        sign_in.request_proof(alice.email, found.id, asker(), "/app", NOW + timedelta(seconds=n))
    with pytest.raises(errors.RateLimited):
        sign_in.request_proof(alice.email, found.id, asker(), "/app", NOW + timedelta(minutes=1))
    sign_in.request_proof(bob.email, session_of(bob).id, asker(), "/app", NOW + timedelta(minutes=1))


@pytest.mark.parametrize(("purpose", "says"), [("prove", "still the one who uses"), ("google", "You came from Google")])
def test_a_mail_says_what_its_link_is_for(alice, purpose, says):
    if purpose == "prove":
        sign_in.request_proof(alice.email, session_of(alice).id, asker(), "/app", NOW)
    else:
        sign_in.request_google_link(alice.email, "1", asker(), "/app", NOW)
    kept = KeptMail()
    link_id = db.session.execute(select(SignInLink.id)).scalar_one()
    sign_in_letters.mail([link_id], Outside(None, kept, "a@b.example", "https://tokiflow.example"), lambda: NOW)  # type: ignore[arg-type]
    text = text_of(kept.mails[0])
    assert says in " ".join(text.split())
    assert "Don’t press the button" in " ".join(text.split())
    assert kept.mails[0]["Subject"] == sign_in_letters.SUBJECTS[purpose]


# --- this machine -----------------------------------------------------------------------------------------------


def test_where_settings_do_not_allow_it_nobody_comes_in_unasked():
    with pytest.raises(errors.NotFound):
        sign_in.locally(NOW)
    assert db.session.execute(select(func.count()).select_from(User)).scalar_one() == 0


def test_a_sign_in_that_fails_leaves_the_link_unused():
    link_id = ask()
    token = mailed(link_id)

    def cut_short() -> None:
        with transaction():
            use(token, HERE, SOON)
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        cut_short()
    assert row(link_id).used_at is None
    assert use(token, HERE, SOON).email == ALICE
