"""The page where people are invited, and the list of how it stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from tests.factories import make_invitation, save
from tests.fixtures.app import Client
from tests.web.posting import post
from tokiflow.core import ids
from tokiflow.db import db, transaction
from tokiflow.models import Invitation, Letter, Organization, User, UserSession

PAGE = "/app/settings/invitations"
DORA, EVE = "dora@example.com", "eve@example.com"

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def alices(alice: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(alice)


def emails() -> list[tuple[str, str]]:
    rows = db.session.execute(select(Invitation.email, Invitation.role).order_by(Invitation.email))
    return [(email, role) for email, role in rows]


def test_an_empty_page_teaches(alices: Client) -> None:
    page = alices.get(PAGE).text
    assert "Nobody is invited" in page
    assert "Ask people to work with you in Harbour Freight." in page


def test_all_go_out_and_the_page_says_so(alices: Client) -> None:
    answer = post(alices, PAGE, page=PAGE, addresses=f"Dora <{DORA}>, {EVE}", role="viewer")
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert emails() == [(DORA, "viewer"), (EVE, "viewer")]
    page = alices.get(PAGE).text
    assert "2 invitations are on their way." in page
    assert "Two wait for an answer." in page
    assert "Its mail is on its way" in page


def test_whoever_proved_themselves_long_ago_does_so_again_and_finds_what_was_pasted(alices: Client) -> None:
    """Else whoever sits down at an owner's open screen invites an owner of their own."""

    def proved(minutes: int) -> None:
        with transaction():
            db.session.execute(update(UserSession).values(proved_at=datetime.now(UTC) - timedelta(minutes=minutes)))

    pasted = "\n".join(f"Dora Example-{n} <{n}-{DORA}>" for n in range(200))
    proved(16)
    asked = post(alices, PAGE, page=PAGE, addresses=pasted, role="owner")
    assert (asked.status_code, asked.headers["Location"]) == (303, f"/auth/prove?next={PAGE}")
    assert "Dora" not in alices.get(PAGE).text, "nobody has shown anything yet"
    proved(0)
    page = alices.get(PAGE).text
    assert "nothing has happened yet" in page
    assert f"199-{DORA}" in page
    assert re.search(r"<input checked[^>]* value=\"owner\">", page), "and the role"
    assert emails() == []
    assert "nothing has happened yet" not in alices.get(PAGE).text


def test_what_is_no_address_stays_in_the_form_and_the_rest_goes_out(alices: Client, bob: User) -> None:
    answer = post(alices, PAGE, page=PAGE, addresses=f"{DORA}\nnobody\n{bob.email}", role="member")
    assert answer.status_code == 422
    assert emails() == [(DORA, "member")]
    assert "Not an e-mail address" in answer.text
    assert "line 2" in answer.text
    assert "Already a member" in answer.text
    assert ">\r\nnobody</textarea>" in answer.text.replace(">\nnobody", ">\r\nnobody")
    assert answer.text.count("Invited") >= 1


def test_only_mistakes_send_nothing(alices: Client) -> None:
    answer = post(alices, PAGE, page=PAGE, addresses="nobody", role="member")
    assert (answer.status_code, emails()) == (422, [])
    assert "This is not an e-mail address." in answer.text


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        ("", "It is missing; write at least one e-mail address."),
        (" \x00 ,;", "It is missing; write at least one e-mail address."),
        (",".join(f"p{n}@example.com" for n in range(201)), "It has 201 addresses; write at most 200 at a time."),
    ],
    ids=["nothing", "blanks", "too many"],
)
def test_a_bad_paste_is_named_and_kept(alices: Client, addresses: str, said: str) -> None:
    answer = post(alices, PAGE, page=PAGE, addresses=addresses, role="member")
    assert (answer.status_code, emails()) == (422, [])
    assert said in answer.text


@pytest.mark.parametrize("role", ["", "boss", "owner\x00"])
def test_a_role_that_is_none_is_named(alices: Client, role: str) -> None:
    answer = post(alices, PAGE, page=PAGE, addresses=DORA, role=role)
    assert (answer.status_code, emails()) == (422, [])
    assert "It is unknown; choose one of the list." in answer.text


def test_an_admin_is_offered_no_owner_and_gets_none(adam: User, client_for: Callable[[User], Client]) -> None:
    adams = client_for(adam)
    assert 'value="owner"' not in adams.get(PAGE).text
    assert post(adams, PAGE, page=PAGE, addresses=DORA, role="owner").status_code == 403
    assert emails() == []


def test_what_was_pasted_is_kept_while_nobody_can_be_invited(alices: Client, organization: Organization) -> None:
    organization.erase_at = datetime.now(UTC) + timedelta(days=7)
    save(organization)
    answer = post(alices, PAGE, page=PAGE, addresses=DORA, role="member")
    assert (answer.status_code, emails()) == (409, [])
    assert "nobody can be invited" in answer.text
    assert f"{DORA}</textarea>" in answer.text


def test_hostile_text_is_only_text(alices: Client) -> None:
    answer = post(alices, PAGE, page=PAGE, addresses="<script>alert(1)</script>", role="member")
    assert "<script>alert(1)" not in answer.text
    assert "<script>x" not in alices.get(f"{PAGE}?q=<script>x&state=<script>x").text


def test_whether_an_address_has_an_account_does_not_show(alices: Client, charlie: User) -> None:
    def said(address: str) -> str:
        answer = post(alices, PAGE, page=PAGE, addresses=f"{address}\nnobody", role="member").text
        outcomes = answer.split('<ul class="outcomes"')[1].split("</ul>")[0].replace("<wbr>", "")
        assert address in outcomes
        return outcomes.replace(address, "")

    assert said(charlie.email) == said("someone-else@example.com")


def test_it_is_sent_again_from_the_list(alices: Client, organization: Organization) -> None:
    row = make_invitation(organization)
    path = f"{PAGE}/{ids.public('inv', row.id)}/send-again"
    assert post(alices, path, page=PAGE, state="waiting").headers["Location"] == f"{PAGE}?state=waiting"
    assert f"A new mail is on its way to {DORA}" in alices.get(PAGE).text
    assert post(alices, path, page=PAGE).status_code == 303
    assert "was invited just now" in alices.get(PAGE).text
    assert db.session.query(Letter).count() == 1


def test_withdrawing_asks_first(alices: Client, organization: Organization) -> None:
    path = f"{PAGE}/{ids.public('inv', make_invitation(organization).id)}/withdraw"
    assert f"Withdraw the invitation of {DORA}?" in alices.get(path).text
    assert post(alices, path, page=path).status_code == 303
    page = alices.get(PAGE).text
    assert f"The link that was sent to {DORA} is over." in page
    assert "Send again" not in page
    assert post(alices, path, page=PAGE).status_code == 303
    assert "It was withdrawn already." in alices.get(PAGE).text


def test_the_list_is_narrowed_in_the_address(alices: Client, organization: Organization) -> None:
    now = datetime.now(UTC)
    make_invitation(organization, "waits@example.com")
    make_invitation(organization, "came@example.com", accepted_at=now)
    make_invitation(organization, "late@example.com", expires_at=now - timedelta(days=1))
    dead = {"status": "dead", "last_error": "550 no such user", "next_attempt_at": now}
    letter = save(Letter(template="invitation", to_address="gone@example.com", subject="", **dead))
    make_invitation(organization, "gone@example.com", letter_id=letter.id)
    for query, shown in (
        ("", {"waits", "came", "late", "gone"}),
        ("?state=waiting", {"waits"}),
        ("?state=failed", {"gone"}),
        ("?state=accepted", {"came"}),
        ("?state=expired", {"late"}),
        ("?state=nonsense", {"waits", "came", "late", "gone"}),
        ("?q=A%25", set()),
        ("?q=LATE@", {"late"}),
    ):
        page = alices.get(PAGE + query).text.replace("<wbr>", "")
        found = {name for name in ("waits", "came", "late", "gone") if f"{name}@example.com</strong>" in page}
        assert found == shown, query
    assert "550 no such user" in alices.get(f"{PAGE}?state=failed").text
    assert "No invitation matches" in alices.get(f"{PAGE}?state=declined").text
    assert alices.get(f"{PAGE}?after=nonsense").status_code == 400


def test_many_are_on_many_pages(alices: Client, organization: Organization) -> None:
    for n in range(51):
        make_invitation(organization, f"p{n}@example.com")
    first = alices.get(PAGE).text
    assert "50 of 51 invitations" in first
    older = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "Newest" in alices.get(older).text
