"""Where Alice is signed in: seen, and ended from elsewhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from tests.factories import make_user
from tests.web.posting import post
from tokiflow.db import db, transaction
from tokiflow.models import UserSession
from tokiflow.services import sessions

PAGE = "/app/settings/sessions"
OTHERS = f"{PAGE}/end-others"
NOW = datetime.now(UTC)


def elsewhere(user, how="google", device="Safari on an iPhone", address="198.51.100.9") -> None:
    sessions.begin(user.id, how, device, address, NOW - timedelta(hours=2))


def is_in(browser) -> bool:
    return browser.get(PAGE).status_code == 200


def ends(browser) -> list[str]:
    return re.findall(rf'href="({PAGE}/ses_[0-9a-z]+/end)"', browser.get(PAGE).text)


def test_she_sees_device_place_time_and_which_one_is_here(client_for, alice):
    elsewhere(alice)
    page = " ".join(client_for(alice).get(PAGE).text.split())
    for said in ("Safari on an iPhone", "198.51.100.9", "Google", "This browser", "E-mail link", "127.0.0.1"):
        assert said in page
    assert page.index("This browser") < page.index("Safari on an iPhone"), "this one first"
    assert '<td class="nowrap"><time' in page, "when it was last used"


def test_she_sees_nobody_elses(client_for, alice, bob):
    elsewhere(bob, device="Bob’s phone")
    assert "Bob’s phone" not in client_for(alice).get(PAGE).text


def test_she_ends_one_and_the_others_go_on(client_for, alice):
    hers, lost, third = client_for(alice), client_for(alice), client_for(alice)
    assert len(ends(hers)) == 2
    assert is_in(lost)
    oldest = ends(hers)[-1]
    assert "Sign out" in hers.get(oldest).text
    assert post(hers, oldest, page=PAGE).headers["Location"] == PAGE
    assert "is signed out." in hers.get(PAGE).text
    assert [is_in(one) for one in (hers, lost, third)] == [True, False, True]
    assert post(hers, oldest, page=PAGE).status_code == 404


def test_she_ends_all_others(client_for, alice, bob):
    hers, his = client_for(alice), client_for(bob)
    lost = [client_for(alice) for _ in range(3)]
    assert "<strong>3</strong> other sessions" in hers.get(OTHERS).text
    assert post(hers, OTHERS, page=PAGE).headers["Location"] == PAGE
    assert "Signed out of 3 other sessions." in hers.get(PAGE).text
    assert (is_in(hers), is_in(his)) == (True, True)
    assert not any(is_in(one) for one in lost)
    assert "Sign out everywhere else" not in hers.get(PAGE).text


def test_ending_the_one_here_is_signing_out(client_for, alice):
    hers = client_for(alice)
    other = client_for(alice)
    here = next(one for one in ends(other))
    assert post(hers, here, page=PAGE).headers["Location"] == "/auth/sign-in"
    assert (is_in(hers), is_in(other)) == (False, True)


def test_whoever_ends_sessions_shows_first_who_they_are(client_for, alice):
    """A thief of the cookie does not throw out whom it was stolen from."""
    hers = client_for(alice)
    elsewhere(alice)
    with transaction():
        for one in db.session.execute(select(UserSession)).scalars():
            one.proved_at = NOW - timedelta(hours=1)
    for page in (OTHERS, *ends(hers)):
        assert hers.get(page).headers["Location"] == f"/auth/prove?next={page}"
        assert post(hers, page, page=PAGE).headers["Location"] == f"/auth/prove?next={page}"


def test_a_session_whose_browser_said_strange_things_is_shown_as_text(client_for, alice):
    elsewhere(alice, device="<script>alert(1)</script>", address="")
    elsewhere(alice, device="")
    page = client_for(alice).get(PAGE).text
    assert "<script>alert" not in page
    assert "An unknown browser" in page


def test_somebody_in_no_organization_sees_and_ends_theirs(client_for):
    dora = make_user("Dora")
    hers = client_for(dora)
    elsewhere(dora)
    assert "Safari on an iPhone" in hers.get(PAGE).text
    assert hers.get("/app/settings/profile").status_code == 200
    assert post(hers, OTHERS, page=PAGE).status_code == 303


def test_who_is_signed_out_elsewhere_signs_in_again_and_lands_where_they_were(client_for, alice):
    hers, lost = client_for(alice), client_for(alice)
    post(hers, OTHERS, page=PAGE)
    assert lost.get("/app/incidents?status=open").headers["Location"].startswith("/auth/sign-in?next=/app/incidents")
