"""Google accounts: they become one with an account here only by proof of both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from tests.factories import make_user
from tests.services.test_sign_in import ALICE, HERE, asker, in_context, mailed
from tokiflow import errors
from tokiflow.adapters.google import GooglePerson
from tokiflow.db import db, transaction
from tokiflow.models import Letter, Organization, Passkey, SignInLink, User
from tokiflow.services import google_accounts, sign_in
from tokiflow.services.security_letters import NOWHERE, Place

NOW = datetime(2026, 11, 22, 9, 5, tzinfo=UTC)
SOON = NOW + timedelta(minutes=2)

pytestmark = pytest.mark.usefixtures("app")


def google(sub: str = "1", email: str = ALICE, verified: bool = True) -> GooglePerson:
    return GooglePerson(sub, email, verified, "Alice Ahoi")


def count(model) -> int:
    return db.session.execute(select(func.count()).select_from(model)).scalar_one()


def letters() -> list[tuple[str, str]]:
    return [(one.to_address, one.subject) for one in db.session.execute(select(Letter).order_by(Letter.id)).scalars()]


def link_of(sub: str, email: str = ALICE) -> str:
    """Ask for the link that joins the two, and have it mailed; its token."""
    sign_in.request_google_link(email, sub, asker(), "/app", NOW)
    return mailed(db.session.execute(select(SignInLink.id).order_by(SignInLink.id.desc())).scalars().all()[0])


# --- signing in -------------------------------------------------------------------------------------------------


def test_google_signs_up_a_newcomer_and_knows_them_again_after_a_change_of_address():
    first = google_accounts.sign_in(google(), NOW, "Europe/Lisbon")
    assert (first.email, first.name, first.timezone) == (ALICE, "Alice Ahoi", "Europe/Lisbon")
    assert count(Organization) == 1
    again = google_accounts.sign_in(google(email="alice@elsewhere.example"), SOON)
    assert (again.id, again.email, again.last_signed_in_at) == (first.id, ALICE, SOON)


def test_who_has_an_account_already_is_not_let_in_by_the_address_alone():
    alice = make_user("Alice", email=ALICE)
    with pytest.raises(google_accounts.MailboxUnproved):
        google_accounts.sign_in(google(email=ALICE.upper()), NOW)
    assert (alice.google_sub, alice.last_signed_in_at) == (None, None)
    user = sign_in.use(link_of("1"), asker(), None, SOON)
    assert (user.id, user.google_sub) == (alice.id, "1")
    assert google_accounts.sign_in(google(), SOON).id == alice.id
    assert letters() == [(ALICE, "Google was linked to your account")]


def test_another_google_account_with_the_same_address_is_refused():
    google_accounts.sign_in(google("1"), NOW)
    with pytest.raises(google_accounts.Refused, match="another Google account"):
        google_accounts.sign_in(google("2"), NOW)
    assert db.session.execute(select(User.google_sub)).scalars().all() == ["1"]


def test_an_address_google_has_not_verified_signs_nobody_in(alice):
    with pytest.raises(errors.Forbidden):
        google_accounts.sign_in(google(email=alice.email, verified=False), NOW)


@pytest.mark.parametrize("email", ["alice", "a@b", "a b@c.example", "x" * 400 + "@c.example", "a\x00@b.example"])
def test_what_is_no_address_signs_nobody_up(email):
    with pytest.raises(google_accounts.Refused, match="no mail can be sent"):
        google_accounts.sign_in(google(email=email), NOW)


def test_two_tabs_that_come_back_at_once_are_one_person():
    with ThreadPoolExecutor(4) as pool:
        tries = [pool.submit(in_context(lambda: google_accounts.sign_in(google(), NOW).id)) for _ in range(4)]
        assert len({one.result() for one in tries}) == 1
    assert (count(User), count(Organization)) == (1, 1)


# --- linking ----------------------------------------------------------------------------------------------------


def test_a_link_that_was_overtaken_links_nothing_and_signs_nobody_in():
    alice = make_user("Alice", email=ALICE)
    first, second = link_of("1"), link_of("2")
    sign_in.use(first, asker(), None, SOON)
    with pytest.raises(google_accounts.Refused, match="Another Google account"):
        sign_in.use(second, asker(), None, SOON)
    db.session.expire_all()
    assert alice.google_sub == "1"


def test_a_google_account_belongs_to_one_person(alice, bob):
    google_accounts.link(alice.id, "1", NOWHERE, NOW)
    google_accounts.link(alice.id, "1", NOWHERE, NOW)  # a second press
    with pytest.raises(google_accounts.Refused, match="another account here"):
        google_accounts.link(bob.id, "1", NOWHERE, NOW)
    with pytest.raises(google_accounts.Refused, match="Another Google account"):
        google_accounts.link(alice.id, "2", NOWHERE, NOW)
    assert letters() == [(alice.email, "Google was linked to your account")]


def test_two_people_who_link_the_same_google_account_at_once(alice, bob):
    def link(user_id) -> bool:
        try:
            google_accounts.link(user_id, "1", NOWHERE, NOW)
        except google_accounts.Refused:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(in_context(link), [alice.id, bob.id])) == [False, True]


def test_the_notice_says_what_when_and_from_where(alice):
    google_accounts.link(alice.id, "1", Place("Firefox on Linux", "203.0.113.7"), NOW)
    context = db.session.execute(select(Letter.context)).scalar_one()
    assert context["at"] == "10:05 CET on 22 November"
    assert (context["device"], context["address"]) == ("Firefox on Linux", "203.0.113.7")


# --- unlinking --------------------------------------------------------------------------------------------------


def test_google_is_unlinked_and_signs_nobody_in_any_more(alice):
    google_accounts.link(alice.id, "1", NOWHERE, NOW)
    google_accounts.unlink(alice.id, NOWHERE, SOON)
    google_accounts.unlink(alice.id, NOWHERE, SOON)
    assert alice.google_sub is None
    assert [subject for _, subject in letters()][1:] == ["Google was unlinked from your account"]
    with pytest.raises(google_accounts.MailboxUnproved):
        google_accounts.sign_in(google(email=alice.email), SOON)


def test_the_only_way_in_stays():
    here = make_user("You", email="you@localhost", google_sub="1")
    with pytest.raises(errors.Conflict, match="only way in"):
        google_accounts.unlink(here.id, NOWHERE, NOW)
    with transaction():
        db.session.add(Passkey(user_id=here.id, name="Phone", credential_id=b"1", public_key=b"1"))
    google_accounts.unlink(here.id, NOWHERE, NOW)
    assert here.google_sub is None


def test_a_browser_other_than_the_one_that_came_from_google_links_nothing():
    make_user("Alice", email=ALICE)
    with pytest.raises(sign_in.LinkRefused, match="only in the browser"):
        sign_in.use(link_of("1"), asker("elsewhere"), None, SOON)
    assert sign_in.look(link_of("1"), HERE, None, SOON).google_sub == "1"
