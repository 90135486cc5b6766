"""Alice invites three people; one is new, one has an account, one invitation is taken back. A real mail server carries
the mails, and each person reads them in a browser of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from tests.factories import make_membership, make_user
from tests.fixtures.browser import NARROW, serious_problems
from tests.fixtures.post import Post, serving
from tokiflow.adapters import mail
from tokiflow.channels import Outside
from tokiflow.core.roles import Role
from tokiflow.db import db
from tokiflow.models import Letter, Organization, SignInLink, User
from tokiflow.services import mailing, sign_in_letters

SOON = 15_000
DORA, BOB, EVE = "dora@example.com", "bob@example.com", "eve@example.com"


class Office:
    """The mail server, and the worker that hands mails to it when it is told to."""

    def __init__(self, post: Post, port: int, site: str) -> None:
        self.post = post
        self._outside = Outside(None, mail.smtp_from(f"smtp://127.0.0.1:{port}"), "hello@tokiflow.example", site)  # type: ignore[arg-type]

    def newest(self, to: str) -> str:
        """Send what waits; the link in the newest mail to this address."""
        db.session.rollback()
        mailing.mail(list(db.session.execute(select(Letter.id)).scalars()), self._outside)
        sign_in_letters.mail(list(db.session.execute(select(SignInLink.id)).scalars()), self._outside)
        message = message_from_bytes(
            [one.content for one in self.post.mails if one.rcpt_tos == [to]][-1], policy=policy.default
        )
        assert isinstance(message, EmailMessage)
        part = message.get_body(("plain",))
        assert part is not None
        found = re.search(r"http://\S+", part.get_content())
        assert found
        return found[0]


@contextmanager
def another_window(browser: Browser) -> Iterator[Page]:
    """A browser of somebody else."""
    context = browser.new_context(viewport=NARROW, locale="en-GB")  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


def test_three_are_invited(
    site: str,
    page: Page,
    browser: Browser,
    sign_in: Callable[[Page, User], None],
    alice: User,
    organization: Organization,
    other_organization: Organization,
) -> None:
    bob = make_user("Bob", email=BOB)
    make_membership(other_organization, bob, Role.MEMBER)
    post = Post()
    with serving(post) as port:
        office = Office(post, port, site)
        sign_in(page, alice)
        page.goto(f"{site}/app/settings/invitations")
        assert serious_problems(page) == []
        page.get_by_label("E-mail addresses").fill(f"Dora <{DORA}>, {BOB}\n{EVE}\nsomebody")
        page.get_by_role("radio", name="Admin").check()
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.get_by_text("Not an e-mail address", exact=True)).to_be_visible(timeout=SOON)
        assert page.get_by_label("E-mail addresses").input_value().strip() == "somebody"
        assert page.get_by_text("Invited", exact=True).count() == 3
        assert serious_problems(page) == []
        links = {one: office.newest(one) for one in (DORA, BOB, EVE)}

        page.goto(f"{site}/app/settings/invitations")
        page.get_by_role("link", name=f"Withdraw the invitation of {EVE}").click()
        page.get_by_role("button", name="Withdraw", exact=True).click()
        expect(page.get_by_text(f"The link that was sent to {EVE} is over.")).to_be_visible(timeout=SOON)

        with another_window(browser) as doras:
            doras.goto(links[DORA])
            expect(doras.get_by_role("heading", name="Join Harbour Freight?")).to_be_visible()
            expect(doras.get_by_text("an admin")).to_be_visible()
            assert serious_problems(doras) == []
            doras.get_by_role("button", name="Send me a sign-in link").click()
            expect(doras.get_by_text("A link is on its way")).to_be_visible(timeout=SOON)
            doras.goto(office.newest(DORA))
            doras.get_by_role("button", name="Sign in").click()
            doras.get_by_role("button", name="Join").click()
            expect(doras.get_by_text("Welcome to Harbour Freight.")).to_be_visible(timeout=SOON)
            assert not doras.evaluate("document.documentElement.scrollWidth > innerWidth")
            doras.goto(links[BOB])
            expect(doras.get_by_role("heading", name="This invitation is for another address")).to_be_visible()
            assert serious_problems(doras) == []

        with another_window(browser) as bobs:
            sign_in(bobs, bob)
            bobs.goto(links[BOB])
            assert serious_problems(bobs) == []
            bobs.get_by_role("button", name="Join").click()
            expect(bobs.get_by_text("Welcome to Harbour Freight.")).to_be_visible(timeout=SOON)
            bobs.goto(links[BOB])
            expect(bobs.get_by_role("heading", name="You are in Harbour Freight already")).to_be_visible()

        with another_window(browser) as eves:
            eves.goto(links[EVE])
            expect(eves.get_by_text("It was withdrawn.")).to_be_visible()
            assert serious_problems(eves) == []

    page.goto(f"{site}/app/settings/invitations?state=accepted")
    for email in (DORA, BOB):
        expect(page.get_by_role("row").filter(has_text=email)).to_contain_text("Accepted")
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert serious_problems(page) == []
