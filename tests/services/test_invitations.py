"""People are asked by mail; a real mail server takes it, or doesn't. What keeps this from being used on strangers."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.factories import make_membership, make_organization, make_user
from tests.fixtures.post import Post, serving
from tokiflow import errors
from tokiflow.adapters import mail
from tokiflow.channels import Outside
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.db import db, in_transaction, transaction
from tokiflow.models import AuditEvent, Invitation, Letter, Organization, User
from tokiflow.queries import invitations as queries
from tokiflow.queries import memberships as memberships_queries
from tokiflow.services import invitations, joining, mail_events, mail_links, mailing, memberships, people, seats
from tokiflow.services.invitations import Outcome

NOW = datetime.now(UTC).replace(microsecond=250_000)
LATER = NOW + timedelta(minutes=10)
DORA, EVE = "dora@example.com", "eve@example.com"

pytestmark = pytest.mark.usefixtures("app")


class Office(Post):
    """The mail server of the other side, and how we reach it."""

    outside: Outside

    def to(self, address: str) -> list[EmailMessage]:
        """The mails that came for `address`, in order."""
        found = [one.content for one in self.mails if one.rcpt_tos == [address]]
        return [message_from_bytes(one, policy=policy.default) for one in found]


@pytest.fixture
def office() -> Iterator[Office]:
    made = Office()
    with serving(made) as port:
        mailer = mail.smtp_from(f"smtp://127.0.0.1:{port}", forbidden=in_transaction)
        made.outside = Outside(None, mailer, "Tokiflow <hello@tokiflow.example>", "https://tokiflow.example")  # type: ignore[arg-type]
        yield made


def actor(user: User) -> Actor:
    return Actor("person", user.name, user.id, "203.0.113.9")


def invite(by: User, *addresses: str, role: str = "member", at: datetime = NOW) -> list[Outcome]:
    organization_id = db.session.execute(select(Organization.id).where(Organization.name == "Harbour Freight")).scalar()
    assert organization_id
    return invitations.invite(organization_id, addresses or (DORA,), role, actor(by), at)


def invitation(email: str = DORA) -> Invitation:
    """The newest invitation of this address."""
    db.session.expire_all()
    newest = select(Invitation).where(Invitation.email == email).order_by(Invitation.id.desc()).limit(1)
    return db.session.execute(newest).scalar_one()


def post_letters(office: Office, at: datetime = NOW) -> int:
    waiting = db.session.execute(select(Letter.id).where(Letter.status == "pending")).scalars().all()
    return mailing.mail(waiting, office.outside, lambda: at)


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def token_in(message: EmailMessage) -> str:
    found = re.search(r"https://tokiflow\.example/invitations/(\S+)", text_of(message))
    assert found
    return found[1]


def audited() -> list[tuple[str, str, dict[str, str], dict[str, str]]]:
    rows = db.session.execute(
        select(AuditEvent).where(AuditEvent.what.startswith("invitation.")).order_by(AuditEvent.n)
    ).scalars()
    return [(row.what, row.object_name, row.before, row.after) for row in rows]


def state(email: str = DORA, at: datetime = NOW) -> str:
    found = queries.window(invitation(email).organization_id, at, words=email)
    return found.items[0].state


# --- inviting ---------------------------------------------------------------------------------------------------


def test_each_gets_a_mail_with_a_link_of_their_own(office: Office, alice: User) -> None:
    assert invite(alice, DORA, EVE) == [Outcome(DORA, "invited"), Outcome(EVE, "invited")]
    assert post_letters(office) == 2
    (mail_,) = office.to(DORA)
    assert mail_["Subject"] == "Alice invites you to Harbour Freight"
    assert f"Alice ({alice.email}) invites you to be a member of Harbour Freight." in " ".join(text_of(mail_).split())
    asked = joining.look(token_in(mail_), NOW)
    assert (asked.invitation.email, asked.organization.name, asked.inviter) == (DORA, "Harbour Freight", "Alice")
    assert joining.look(token_in(office.to(EVE)[0]), NOW).invitation.email == EVE
    assert [one[:2] for one in audited()] == [("invitation.created", DORA), ("invitation.created", EVE)]


def test_the_link_stands_nowhere_in_the_database(office: Office, alice: User) -> None:
    invite(alice)
    post_letters(office)
    token = token_in(office.to(DORA)[0])
    assert not any(token in str(row.context) for row in db.session.execute(select(Letter)).scalars())


def test_each_address_is_told_apart(alice: User, bob: User) -> None:
    invite(alice, EVE, at=NOW - timedelta(hours=1))
    make_user("Someone with an account", email="known@example.com")
    outcomes = invite(alice, bob.email, EVE, "known@example.com", "unknown@example.com")
    assert [one.what for one in outcomes] == ["member", "again", "invited", "invited"]


def test_an_admin_invites_no_owner(adam: User, alice: User, mia: User) -> None:
    with pytest.raises(errors.Forbidden, match="Only an owner"):
        invite(adam, role="owner")
    assert invite(adam, role="admin")[0].what == "invited"
    assert invite(alice, EVE, role="owner")[0].what == "invited"
    (outcome,) = invite(adam, EVE, role="viewer", at=LATER)
    assert (outcome.what, outcome.why) == ("not_sent", "is invited as an owner, which only an owner can change")
    for act in (invitations.send_again, invitations.withdraw):
        with pytest.raises(errors.Forbidden):
            act(invitation(EVE).id, invitation(EVE).organization_id, actor(adam), LATER)
    for nobody in (mia, make_user("Mallory")):
        with pytest.raises(errors.Forbidden):
            invite(nobody)


@pytest.mark.parametrize(("addresses", "role", "field"), [([], "member", "addresses"), ([DORA], "boss", "role")])
def test_a_bad_wish_is_named(
    organization: Organization, alice: User, addresses: list[str], role: str, field: str
) -> None:
    with pytest.raises(errors.Invalid) as caught:
        invitations.invite(organization.id, addresses, role, actor(alice), NOW)
    assert list(caught.value.fields) == [field]


def test_two_hundred_at_once_and_no_more(organization: Organization, alice: User) -> None:
    many = [f"p{n}@example.com" for n in range(invitations.MOST_AT_ONCE + 1)]
    with pytest.raises(errors.Invalid, match="201 addresses"):
        invite(alice, *many)
    assert {one.what for one in invite(alice, *many[:-1])} == {"invited"}


def test_nobody_is_invited_while_the_organization_is_being_deleted(organization: Organization, alice: User) -> None:
    with transaction():
        db.session.execute(update(Organization).values(erase_at=NOW + timedelta(days=7)))
    with pytest.raises(errors.Conflict, match="being deleted"):
        invite(alice)


# --- sending again, and taking back -----------------------------------------------------------------------------


def test_only_the_newest_link_works(office: Office, alice: User, organization: Organization) -> None:
    invite(alice)
    post_letters(office)
    invitations.send_again(invitation().id, organization.id, actor(alice), LATER)
    post_letters(office, LATER)
    old, new = map(token_in, office.to(DORA))
    with pytest.raises(joining.Over, match="newer mail"):
        joining.look(old, LATER)
    assert joining.look(new, LATER).invitation.expires_at == LATER + timedelta(days=7)
    assert audited()[-1] == ("invitation.sent_again", DORA, {}, {})


def test_a_mail_that_is_still_waiting_is_not_sent_with_a_dead_link(office: Office, alice: User) -> None:
    invite(alice)
    invite(alice, role="viewer", at=LATER)
    assert post_letters(office, LATER) == 1
    assert "a viewer of" in " ".join(text_of(office.to(DORA)[0]).split())
    assert audited()[-1] == ("invitation.sent_again", DORA, {"role": "member"}, {"role": "viewer"})


def test_it_is_not_sent_again_at_once(alice: User, organization: Organization) -> None:
    invite(alice)
    (outcome,) = invite(alice, at=NOW + timedelta(seconds=61))
    assert (outcome.what, outcome.why) == ("not_sent", "was invited just now; send it again in 4 min")
    with pytest.raises(errors.RateLimited):
        invitations.send_again(invitation().id, organization.id, actor(alice), NOW + timedelta(minutes=4))
    invitations.send_again(invitation().id, organization.id, actor(alice), NOW + timedelta(minutes=5))


def test_a_withdrawn_one_is_over_and_its_mail_stays_here(
    office: Office, alice: User, organization: Organization
) -> None:
    invite(alice)
    token = mail_links.invitation(invitation().id, invitation().nonce).removeprefix("/invitations/")
    invitations.withdraw(invitation().id, organization.id, actor(alice), LATER)
    assert post_letters(office, LATER) == 0
    assert state() == "withdrawn"
    with pytest.raises(joining.Over, match="withdrawn"):
        joining.look(token, LATER)
    for act in (invitations.send_again, invitations.withdraw):
        with pytest.raises(errors.Conflict):
            act(invitation().id, organization.id, actor(alice), LATER)
    assert invite(alice, at=LATER) == [Outcome(DORA, "invited")]


def test_an_expired_one_is_renewed(alice: User) -> None:
    invite(alice)
    after = NOW + timedelta(days=8)
    assert state(at=after) == "expired"
    assert invite(alice, at=after) == [Outcome(DORA, "again")]
    assert state(at=after) == "waiting"
    assert db.session.query(Invitation).count() == 1


# --- against abuse ----------------------------------------------------------------------------------------------


def test_who_never_answers_gets_so_many_mails_and_no_more(alice: User, organization: Organization) -> None:
    """Taking it back and inviting them anew does not make it more."""
    at = NOW
    for n in range(invitations.MOST_UNANSWERED):
        assert not invite(alice, at=at)[0].why
        at += timedelta(hours=3)
        if n % 2:
            invitations.withdraw(invitation().id, organization.id, actor(alice), at)
    assert invite(alice, at=at)[0].why.startswith("has had 5 mails in 30 days")
    assert not invite(alice, at=at + timedelta(days=31))[0].why


def test_an_organization_has_so_many_a_day(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MOST_A_DAY", 2)
    whats = [one.what for one in invite(alice, "a@example.com", "b@example.com", "c@example.com")]
    assert whats == ["invited", "invited", "not_sent"]
    assert "one too many for today" in invite(alice, "c@example.com", at=LATER)[0].why
    assert invite(alice, "c@example.com", at=NOW + timedelta(hours=25))[0].what == "invited"


def test_a_person_has_no_more_in_many_organizations(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MOST_A_DAY", 2)
    invite(alice, "a@example.com", "b@example.com")
    second = make_organization("Second")
    make_membership(second, alice, Role.OWNER)
    (outcome,) = invitations.invite(second.id, ["c@example.com"], "member", actor(alice), LATER)
    assert outcome.what == "not_sent"


def test_an_address_is_not_flooded_by_many_organizations(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MOST_TO_ADDRESS_A_DAY", 1)
    invite(alice)
    owner, other = make_user("Otto"), make_organization("Otto’s")
    make_membership(other, owner, Role.OWNER)
    (outcome,) = invitations.invite(other.id, [DORA], "member", actor(owner), LATER)
    assert outcome.why == "has had enough mails of this kind today; invite them tomorrow"


def test_a_no_is_respected_for_a_while(alice: User) -> None:
    invite(alice)
    joining.decline(mail_links.invitation(invitation().id, invitation().nonce).removeprefix("/invitations/"), LATER)
    assert "declined not long ago" in invite(alice, at=LATER + timedelta(days=1))[0].why
    assert invite(alice, at=LATER + timedelta(days=8))[0].what == "invited"


def test_names_in_a_mail_are_short_and_no_links(office: Office, organization: Organization, alice: User) -> None:
    with transaction():
        evil = "Win https://evil.example/x\u202e now! " + "very " * 30
        db.session.execute(update(Organization).values(name=evil[:200]))
        db.session.execute(update(User).values(name="Prize\u200b www.evil.example <b>"))
    db.session.expire_all()
    invitations.invite(organization.id, [DORA], "member", actor(alice), NOW)
    post_letters(office)
    (mail_,) = office.to(DORA)
    said = text_of(mail_) + str(mail_["Subject"])
    assert not re.search(r"evil\.example|https?://(?!tokiflow\.example/)|\u202e", said)
    assert len(mail_["Subject"]) <= 160
    assert said.count("very") < 40


def test_a_plan_may_have_no_room(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seats, "members_allowed", lambda organization: 4)
    outcomes = invite(alice, bob.email, "a@example.com", "b@example.com", "c@example.com")
    assert [one.what for one in outcomes] == ["member", "invited", "invited", "not_sent"]
    assert outcomes[3].why.startswith("has no place left in your plan")
    assert invite(alice, "a@example.com", at=LATER)[0].what == "again", "it has its place already"


# --- the mail ---------------------------------------------------------------------------------------------------


def test_a_mail_that_never_arrives_is_told(office: Office, alice: User, organization: Organization) -> None:
    office.refused = {DORA: "550 no such user"}
    invite(alice, DORA, EVE)
    post_letters(office)
    assert (state(DORA), state(EVE)) == ("failed", "waiting")
    (listed,) = queries.window(organization.id, NOW, state="failed").items
    assert "no such user" in listed.trouble
    assert queries.count_by_state(organization.id, NOW) == {
        "waiting": 1, "failed": 1, "accepted": 0, "declined": 0, "withdrawn": 0, "expired": 0
    }  # fmt: skip


def test_a_mail_that_comes_back_later_is_told(office: Office, alice: User, organization: Organization) -> None:
    invite(alice)
    post_letters(office)
    data = {"to": [DORA.upper()], "bounce": {"type": "Permanent", "message": "The mailbox\nis gone"}}
    event = {"type": "email.bounced", "created_at": LATER.isoformat(), "data": data}
    mail_events.take(event, LATER)
    mail_events.take(event, LATER)
    (listed,) = queries.window(organization.id, LATER).items
    assert (listed.state, listed.trouble) == ("failed", "The mailbox is gone")


def test_what_is_long_over_is_forgotten(alice: User) -> None:
    invite(alice)
    invitations.forget(NOW + timedelta(days=90))
    assert state(at=NOW + timedelta(days=90)) == "expired"
    invitations.forget(NOW + timedelta(days=98))
    assert db.session.query(Invitation).count() == 0


def test_the_list_goes_on_where_the_page_ended(alice: User, organization: Organization) -> None:
    for n in range(5):
        invite(alice, f"p{n}@example.com", at=NOW + timedelta(minutes=n))
    first = queries.window(organization.id, LATER, limit=2)
    second = queries.window(organization.id, LATER, limit=2, after=first.next or "")
    third = queries.window(organization.id, LATER, limit=2, after=second.next or "")
    seen = [one.invitation.email[:2] for page in (first, second, third) for one in page.items]
    assert (seen, third.next) == (["p4", "p3", "p2", "p1", "p0"], None)
    assert [one.inviter for one in first.items] == ["Alice", "Alice"]
    assert queries.count_open(organization.id, LATER) == 5


# --- whoever sent it may not any more ---------------------------------------------------------------------------


def token_of(email: str = DORA) -> str:
    row = invitation(email)
    return mail_links.invitation(row.id, row.nonce).rpartition("/")[2]


def took_back(email: str = DORA) -> str:
    return invitation(email).withdrawn_because


def _demote(organization: Organization, alice: User, adam: User) -> None:
    memberships.set_role(organization.id, adam.id, Role.MEMBER, actor(alice), LATER)


def _remove(organization: Organization, alice: User, adam: User) -> None:
    memberships.remove(organization.id, adam.id, actor(alice), LATER)


def _leave(organization: Organization, alice: User, adam: User) -> None:
    memberships.leave(organization.id, actor(adam), LATER)


def _erase(organization: Organization, alice: User, adam: User) -> None:
    people.plan_erasure(adam.id, adam.email, None, LATER - people.GRACE)
    people.erase_due(LATER, seconds=60)


@pytest.mark.parametrize(
    ("lose", "because"), [(_demote, "role"), (_remove, "removed"), (_leave, "left"), (_erase, "erased")]
)
def test_it_is_over_when_its_sender_may_not_invite_any_more(
    organization: Organization,
    alice: User,
    adam: User,
    lose: Callable[[Organization, User, User], None],
    because: str,
) -> None:
    invite(adam, DORA)
    invite(alice, EVE)
    token = token_of()
    lose(organization, alice, adam)
    assert (took_back(), took_back(EVE)) == (because, "")
    assert invitation(EVE).withdrawn_at is None, "others' go on"
    with pytest.raises(joining.Over, match="withdrawn"):
        joining.look(token, LATER)
    dora = make_user("Dora", email=DORA)
    with pytest.raises(joining.Over):
        joining.accept(token, dora.id, actor(dora), LATER)
    event = db.session.execute(select(AuditEvent).where(AuditEvent.what == "invitation.withdrawn")).scalar_one()
    assert (event.object_name, event.after) == (DORA, {"because": invitations.SENDER[because]})
    letters = select(Letter.last_error).where(Letter.template == "invitation", Letter.to_address == DORA)
    assert set(db.session.execute(letters).scalars()) <= {"it was taken back"}
    assert [one.what for one in invite(alice, DORA, at=LATER)] == ["invited"], "and may be sent anew"


def test_an_owner_who_becomes_an_admin_could_still_have_sent_the_others(
    organization: Organization, alice: User, adam: User
) -> None:
    invite(alice, DORA, role="owner")
    invite(alice, EVE, role="admin")
    memberships.hand_over(organization.id, adam.id, organization.name, actor(alice), LATER)
    assert (took_back(), invitation(EVE).withdrawn_at) == ("role", None)


def test_who_gets_another_role_that_invites_keeps_theirs(organization: Organization, alice: User, adam: User) -> None:
    invite(adam, DORA)
    memberships.set_role(organization.id, adam.id, Role.OWNER, actor(alice), LATER)
    assert invitation().withdrawn_at is None


def test_sent_again_by_another_it_is_theirs(organization: Organization, alice: User, adam: User) -> None:
    invite(adam, DORA)
    invitations.send_again(invitation().id, organization.id, actor(alice), LATER)
    memberships.remove(organization.id, adam.id, actor(alice), LATER)
    assert invitation().withdrawn_at is None


def test_one_that_was_answered_is_left_alone(organization: Organization, alice: User, adam: User) -> None:
    invite(adam, DORA)
    dora = make_user("Dora", email=DORA)
    joining.accept(token_of(), dora.id, actor(dora), NOW)
    memberships.remove(organization.id, adam.id, actor(alice), LATER)
    assert (invitation().withdrawn_at, invitation().withdrawn_because) == (None, "")


@pytest.mark.parametrize("attempt", range(5))
def test_whoever_says_yes_while_the_sender_is_removed_is_in_or_told(
    app: Flask, organization: Organization, alice: User, adam: User, attempt: int
) -> None:
    invite(adam, DORA)
    dora = make_user("Dora", email=DORA)
    token, ends = token_of(), dict[str, bool]()
    by_alice, by_dora, ours, adams, doras = actor(alice), actor(dora), organization.id, adam.id, dora.id
    barrier = threading.Barrier(2)

    def work(name: str, do: Callable[[], object]) -> None:
        with app.app_context():
            barrier.wait(10)
            try:
                do()
                ends[name] = True
            except errors.TokiflowError:
                ends[name] = False

    def remove() -> None:
        memberships.remove(ours, adams, by_alice, LATER)

    def accept() -> None:
        joining.accept(token, doras, by_dora, LATER)

    threads = [threading.Thread(target=work, args=one) for one in (("removed", remove), ("in", accept))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert ends["removed"]
    row = invitation()
    is_in = memberships_queries.role_of(ours, doras) is not None
    assert is_in is ends["in"]
    assert (row.accepted_at is not None, row.withdrawn_at is not None) == (is_in, not is_in)


@pytest.mark.parametrize("attempt", range(5))
def test_whoever_loses_the_role_while_inviting_leaves_nothing_open(
    app: Flask, organization: Organization, alice: User, adam: User, attempt: int
) -> None:
    by_alice, by_adam, ours, adams = actor(alice), actor(adam), organization.id, adam.id
    barrier = threading.Barrier(2)

    def work(do: Callable[[], object]) -> None:
        with app.app_context(), suppress(errors.Forbidden):
            barrier.wait(10)
            do()

    def demote() -> None:
        memberships.set_role(ours, adams, Role.MEMBER, by_alice, LATER)

    def ask() -> None:
        invitations.invite(ours, [DORA, EVE], "member", by_adam, LATER)

    threads = [threading.Thread(target=work, args=(one,)) for one in (demote, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    db.session.rollback()
    assert queries.count_open(ours, LATER) == 0
