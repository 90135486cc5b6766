"""Where the link of an invitation leads, for everybody who may open it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from tests.channels.conftest import KeptMail
from tests.factories import make_invitation, make_membership, make_user
from tests.fixtures.app import Client
from tests.web.posting import post
from tokiflow.channels import Outside
from tokiflow.db import db, transaction
from tokiflow.models import Invitation, Membership, Organization, SignInLink, User
from tokiflow.services import mail_links, sign_in_letters

DORA = "dora@example.com"

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def path(organization: Organization, alice: User) -> str:
    """The link in the mail to Dora."""
    row = make_invitation(organization, DORA, invited_by=alice.id)
    return mail_links.invitation(row.id, row.nonce)


@pytest.fixture
def doras(client_for: Callable[[User], Client]) -> Client:
    return client_for(make_user("Dora", email=DORA))


def row() -> Invitation:
    db.session.expire_all()
    return db.session.execute(select(Invitation)).scalar_one()


def members() -> set[str]:
    statement = select(User.email).join(Membership).join(Organization).where(Organization.name == "Harbour Freight")
    return set(db.session.execute(statement).scalars())


def mailed_link() -> str:
    """The path in the newest sign-in mail."""
    kept = KeptMail()
    outside = Outside(None, kept, "hello@tokiflow.example", "https://tokiflow.example")  # type: ignore[arg-type]
    assert sign_in_letters.mail(list(db.session.execute(select(SignInLink.id)).scalars()), outside)
    part = kept.mails[-1].get_body(("plain",))
    assert part is not None
    found = re.search(r"https://tokiflow\.example(/auth/link/\S+)", part.get_content())
    assert found
    return found[1]


def test_the_page_says_who_asks_to_what_with_which_role(client: Client, path: str) -> None:
    page = client.get(path).text
    for words in ("Harbour Freight", "Alice", "a member", "d…@example.com"):
        assert words in page
    assert DORA not in page
    assert row().status(datetime.now(UTC)) == "waiting", "scanners open every link"


def test_a_new_person_signs_up_by_a_link_and_comes_back(client: Client, path: str) -> None:
    token = path.removeprefix("/invitations/")
    assert post(client, path, page=path, answer="accept").headers["Location"] == path
    answer = post(client, "/auth/invited", page=path, token=token)
    assert answer.headers["Location"] == f"{path}?sent=1"
    page = client.get(f"{path}?sent=1").text
    assert "A link is on its way" in page
    assert DORA not in page
    link = mailed_link()
    assert post(client, link, page=link).headers["Location"] == path
    page = client.get(path).text
    assert f"You are signed in as <bdi>{DORA}</bdi>" in page
    assert post(client, path, page=path, answer="accept").headers["Location"] == "/app"
    assert DORA in members()
    overview = client.get("/app").text
    assert "Welcome to Harbour Freight." in overview
    assert db.session.query(Membership).join(User).filter(User.email == DORA).count() == 2, "and one of her own"


def test_a_mail_for_a_sign_in_goes_to_nobody_else(client: Client, path: str) -> None:
    post(client, "/auth/invited", page=path, token=path.removeprefix("/invitations/"), email="mallory@example.com")
    assert db.session.execute(select(SignInLink.email)).scalars().all() == [DORA]
    for token in ("", "none", "../../evil"):
        answer = post(client, "/auth/invited", page=path, token=token)
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/invitations/")
    assert db.session.query(SignInLink).count() == 1


def test_who_has_an_account_presses_one_button(doras: Client, path: str) -> None:
    assert post(doras, path, page=path, answer="accept").headers["Location"] == "/app"
    assert DORA in members()
    assert "You are in <bdi>Harbour Freight</bdi> already" in doras.get(path).text
    again = post(doras, path, page="/app", answer="accept")
    assert again.status_code == 200
    assert "already" in again.text


def test_another_address_is_told_kindly_and_learns_nothing(
    charlie: User, client_for: Callable[[User], Client], path: str
) -> None:
    charlies = client_for(charlie)
    page = charlies.get(path).text
    for words in ("This invitation is for another address", charlie.email, "Switch account", "d…@example.com"):
        assert words in page
    for words in (DORA, "Harbour Freight", "Alice"):
        assert words not in page
    answer = post(charlies, path, page=path, answer="accept")
    assert answer.status_code == 403
    assert DORA not in answer.text
    assert charlie.email not in members()
    assert post(charlies, f"{path}/switch", page=path).headers["Location"] == path
    assert "Send me a sign-in link" in charlies.get(path).text


def test_who_is_a_member_is_shown_in(organization: Organization, doras: Client, path: str) -> None:
    make_membership(organization, db.session.execute(select(User).where(User.email == DORA)).scalar_one())
    assert "You are in <bdi>Harbour Freight</bdi> already" in doras.get(path).text
    answer = post(doras, "/app/switch-organization", page=path, organization=organization.slug)
    assert answer.headers["Location"] == "/app"


def test_a_no_takes_no_account(client: Client, path: str) -> None:
    answer = post(client, path, page=path, answer="decline")
    assert answer.status_code == 200
    assert "You are not joining" in answer.text
    assert row().declined_at is not None
    again = client.get(path)
    assert again.status_code == 410
    assert "It was declined." in again.text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}, "7 days are over"),
        ({"withdrawn_at": datetime(2026, 1, 1, tzinfo=UTC)}, "It was withdrawn."),
        ({"accepted_at": datetime(2026, 1, 1, tzinfo=UTC)}, "used already"),
        ({"nonce": "newer"}, "A newer mail was sent"),
    ],
    ids=["expired", "withdrawn", "used", "newer"],
)
def test_what_is_over_says_so_and_no_more(client: Client, path: str, values: dict[str, object], said: str) -> None:
    with transaction():
        db.session.execute(update(Invitation).values(**values))
    answer = client.get(path)
    assert answer.status_code == 410
    assert said in answer.text
    for words in ("Harbour Freight", "Alice", DORA):
        assert words not in answer.text
    assert post(client, path, answer="decline").status_code == 410


def test_an_organization_that_is_being_deleted_takes_nobody(doras: Client, path: str) -> None:
    with transaction():
        db.session.execute(update(Organization).values(erase_at=datetime.now(UTC) + timedelta(days=7)))
    assert "is being deleted" in doras.get(path).text
    assert post(doras, path, page=path, answer="accept").status_code == 410


@pytest.mark.parametrize("token", ["nonsense", "%ff%fe", "a.b", "x" * 3_000])
def test_nonsense_gets_a_friendly_page(client: Client, token: str) -> None:
    answer = client.get(f"/invitations/{token}")
    assert answer.status_code == 404
    assert "Copy it whole" in answer.text


def test_the_link_is_kept_from_others(client: Client, path: str) -> None:
    """No cache keeps the page, and no site it leads to learns its address."""
    headers = client.get(path).headers
    assert "no-store" in headers["Cache-Control"]
    assert headers["Referrer-Policy"] in (
        "same-origin",
        "strict-origin",
        "no-referrer",
        "strict-origin-when-cross-origin",
    )
