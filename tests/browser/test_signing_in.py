"""Alice signs in by mail and with Google, on two machines; with a real mail server and a real OpenID provider."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update
from werkzeug.serving import make_server

from tests.fixtures.browser import NARROW, WIDE, serious_problems
from tests.fixtures.database import Database
from tests.fixtures.post import free_port
from tests.fixtures.signing_in import Mailbox, Provider, mailbox_of
from tests.fixtures.site import Quiet
from tokiflow import settings
from tokiflow.app import create_app
from tokiflow.db import db, transaction
from tokiflow.models import User, UserSession

SOON = 15_000

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


@pytest.fixture
def served(app: Flask, database: Database, provider: Provider) -> Iterator[Flask]:
    """The site on a port of its own, set up for Google, and knowing its address."""
    port = free_port()
    variables = {**provider.variables, "PUBLIC_URL": f"http://127.0.0.1:{port}"}
    site = create_app(settings.load({**database.environment, **variables}))
    server = make_server("127.0.0.1", port, site, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, name="signing in", daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join(5)
    with site.app_context():
        db.engine.dispose()


@pytest.fixture
def address(served: Flask) -> str:
    return str(served.extensions["tokiflow.settings"].public_url)


@pytest.fixture
def mails(served: Flask) -> Iterator[Mailbox]:
    with mailbox_of(served) as made:
        yield made


def at_google(page: Page, name: str) -> None:
    """Say who one is at the provider."""
    page.get_by_placeholder("sub").fill(name)
    page.get_by_role("button", name="Authorize").click()


def narrow_too(page: Page) -> None:
    """The page holds together on a phone, and axe finds nothing."""
    assert serious_problems(page) == []
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]


def test_alice_signs_in_here_and_there_and_ends_what_she_does_not_know(
    address: str, page: Page, browser: Browser, provider: Provider, mails: Mailbox, alice: User
) -> None:
    provider.asked_again("alice-1", alice.email)

    # By mail. The page she wanted is where she lands.
    page.goto(f"{address}/app/incidents")
    page.get_by_label("E-mail address").fill(alice.email)
    narrow_too(page)
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("heading", name="Look into your mailbox")).to_be_visible(timeout=SOON)
    page.goto(address + mails.link())
    narrow_too(page)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/app/incidents", timeout=SOON)

    # On her other machine with Google: first by both, the mailbox and Google.
    context = browser.new_context(viewport=NARROW, locale="en-GB")  # type: ignore[arg-type]
    phone = context.new_page()
    phone.goto(f"{address}/auth/sign-in")
    phone.get_by_role("link", name="Continue with Google").click()
    at_google(phone, "alice-1")
    expect(phone.get_by_role("heading", name="One more step, this once")).to_be_visible(timeout=SOON)
    assert serious_problems(phone) == []
    phone.get_by_role("button", name="Mail me the link").click()
    expect(phone.get_by_role("heading", name="Look into your mailbox")).to_be_visible(timeout=SOON)
    link = mails.link()
    page.goto(address + link)
    expect(page.get_by_text("works only in the browser where you asked")).to_be_visible(timeout=SOON)
    phone.goto(address + link)
    phone.get_by_role("button", name="Sign in and link Google").click()
    phone.wait_for_url(f"{address}/app", timeout=SOON)

    # Signed out and in again, Google is enough.
    phone.goto(f"{address}/app/settings/sessions")
    assert not phone.evaluate("document.documentElement.scrollWidth > innerWidth")
    phone.get_by_role("button", name="Sign out here").click()
    phone.get_by_role("link", name="Continue with Google").click()
    at_google(phone, "alice-1")
    phone.wait_for_url(f"{address}/app", timeout=SOON)

    # From the first machine she sees both, and ends the other; as it is long since, she shows first that it is her.
    with transaction():
        db.session.execute(update(UserSession).values(proved_at=datetime.now(UTC) - timedelta(hours=1)))
    page.goto(f"{address}/app/settings/sessions")
    expect(page.locator("tr[data-item]")).to_have_count(2)
    narrow_too(page)
    page.locator("tr[data-item]").nth(1).get_by_role("link", name="Sign out").click()
    expect(page.get_by_role("heading", name="Is it still you?")).to_be_visible(timeout=SOON)
    narrow_too(page)
    page.get_by_role("link", name="Confirm with Google").click()
    at_google(page, "alice-1")
    page.wait_for_url(re.compile(r"/app/settings/sessions/ses_\w+/end$"), timeout=SOON)
    assert serious_problems(page) == []
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_text("is signed out.")).to_be_visible(timeout=SOON)
    expect(page.locator("tr[data-item]")).to_have_count(1)
    phone.goto(f"{address}/app/monitors")
    expect(phone.get_by_role("heading", name="Sign in to Tokiflow")).to_be_visible(timeout=SOON)
    context.close()


def test_alice_shows_by_mail_that_it_is_her_before_she_unlinks_google(
    address: str, page: Page, mails: Mailbox, alice: User
) -> None:
    with transaction():
        alice.google_sub = "alice-1"
    page.goto(f"{address}/auth/sign-in")
    page.get_by_label("E-mail address").fill(alice.email)
    page.get_by_role("button", name="Send me a link").click()
    page.wait_for_url("**/auth/sent", timeout=SOON)
    page.goto(address + mails.link())
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}/app", timeout=SOON)
    with transaction():
        db.session.execute(update(UserSession).values(proved_at=datetime.now(UTC) - timedelta(hours=1)))

    page.goto(f"{address}/app/settings/profile")
    narrow_too(page)
    page.get_by_role("link", name="Unlink Google").click()
    page.get_by_role("button", name="Mail me a link").click()
    page.wait_for_url("**/auth/sent", timeout=SOON)
    narrow_too(page)
    page.goto(address + mails.link())
    page.get_by_role("button", name="It is me").click()
    page.wait_for_url("**/app/settings/google/unlink", timeout=SOON)
    narrow_too(page)
    page.get_by_role("button", name="Unlink Google").click()
    expect(page.get_by_text("Google is unlinked.")).to_be_visible(timeout=SOON)
    assert mails.newest()["Subject"] == "Google was unlinked from your account"

    page.goto(f"{address}/app/settings/profile")
    expect(page.get_by_role("link", name="Link Google")).to_be_visible(timeout=SOON)
