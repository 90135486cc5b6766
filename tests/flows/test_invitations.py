"""An invitation on a whole Tokiflow: the worker is killed while it hands the mail over, it comes all the same, and
whoever it is for signs up and is in."""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import closing
from datetime import UTC, datetime

import httpx

from tests.fixtures.instance import wait_until
from tests.fixtures.receivers import Arrival, Receivers
from tests.flows.conftest import House

DORA = "dora@example.com"
INVITATION, SIGN_IN = "invites you to", "Sign in to Tokiflow"


class Visitor:
    """A browser without a screen, on the instance of the story."""

    def __init__(self, house: House) -> None:
        self.browser = httpx.Client(base_url=house.instance.url, timeout=20, trust_env=False)

    def close(self) -> None:
        self.browser.close()

    def post(self, path: str, page: str, **fields: str) -> httpx.Response:
        """Send a form that stands on `page`, and go where that leads."""
        token = re.search(r'name="csrf-token" content="([^"]+)"', self.browser.get(page).text)
        assert token
        return self.browser.post(path, data={"csrf_token": token[1], **fields}, follow_redirects=True)


def link_in(receivers: Receivers, words: str, path: str) -> str:
    """The path in the newest mail that speaks of `words`."""
    wait_until(lambda: bool(receivers.about(words)["mail"]), 60, f"a mail about {words!r}")
    found = re.search(rf"({path}\S+)", receivers.about(words)["mail"][-1].text())
    assert found
    return found[1]


class Holding:
    """A mail server that takes the first invitation and doesn't answer until it is told to, and then loses it."""

    def __init__(self, receivers: Receivers) -> None:
        self.came, self.go_on = threading.Event(), threading.Event()
        receivers.refuse = self.hold

    async def hold(self, content: bytes) -> str:
        if self.came.is_set() or INVITATION not in Arrival(datetime.now(UTC), {}, content).text():
            return ""
        self.came.set()
        await asyncio.to_thread(self.go_on.wait, 60)
        return "451 too late"


def test_a_killed_worker_loses_no_invitation(house: House) -> None:
    with closing(Visitor(house)) as alice, closing(Visitor(house)) as dora:
        alice_invites(house, alice)
        dora_comes(house, dora)


def alice_invites(house: House, alice: Visitor) -> None:
    holding = Holding(house.receivers)
    assert alice.browser.get("/auth/sign-in", follow_redirects=True).status_code == 200
    page = alice.post("/app/settings/invitations", "/app/settings/invitations", addresses=DORA, role="admin")
    assert "The invitation is on its way." in page.text

    assert holding.came.wait(60)
    pid = house.instance.kill("worker")
    holding.go_on.set()
    house.instance.wait_replaced("worker", pid)
    assert house.receivers.about(INVITATION)["mail"] == []
    with house.instance.connect() as database:  # its lease runs out
        database.execute("update letters set lease_until = now() where template = 'invitation'")
    wait_until(lambda: bool(house.receivers.about(INVITATION)["mail"]), 60, "the invitation")
    assert len(house.receivers.about(INVITATION)["mail"]) == 1


def dora_comes(house: House, dora: Visitor) -> None:
    link = link_in(house.receivers, INVITATION, "/invitations/")
    assert "an admin" in dora.browser.get(link).text
    page = dora.post("/auth/invited", link, token=link.removeprefix("/invitations/"))
    assert "A link is on its way" in page.text
    sign_in = link_in(house.receivers, SIGN_IN, "/auth/link/")
    assert "Decline" in dora.post(sign_in, sign_in).text
    assert "Welcome to" in dora.post(link, link, answer="accept").text
    with house.instance.connect() as database:
        found = database.execute(
            "select role from memberships join users on users.id = user_id where email = %s order by role", [DORA]
        ).fetchall()
    assert found == [("admin",), ("owner",)], "and an organization of her own"
    assert "already" in dora.browser.get(link).text
