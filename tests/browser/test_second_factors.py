"""Passkeys in a real browser with an authenticator in software, an authenticator app, and a lost phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from flask import Flask
from playwright.sync_api import CDPSession, Page, expect

from tests.fixtures.browser import NARROW, serious_problems
from tests.services.test_second_factors import phone
from tokiflow.models import User
from tokiflow.services import authenticators, sign_in
from tokiflow.services.security_letters import NOWHERE

SOON = 15_000


@dataclass
class Authenticator:
    """What is in the computer of the story: it keeps passkeys, and knows its person's finger while `willing`."""

    session: CDPSession
    id: str

    def set(self, *, willing: bool) -> None:
        for command, name in (("setUserVerified", "isUserVerified"), ("setAutomaticPresenceSimulation", "enabled")):
            self.session.send(f"WebAuthn.{command}", {"authenticatorId": self.id, name: willing})

    def credentials(self) -> list[dict[str, Any]]:
        found = self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        credentials: list[dict[str, Any]] = found["credentials"]
        return credentials


@pytest.fixture
def authenticator(page: Page) -> Authenticator:
    """A computer that can read fingers."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal", "hasResidentKey": True,
        "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return Authenticator(session, made["authenticatorId"])


@pytest.fixture
def home(app: Flask, site: str) -> Iterator[str]:
    """The site under a name, because passkeys belong to one."""
    before = app.extensions["tokiflow.settings"]
    named = site.replace("127.0.0.1", "localhost")
    app.extensions["tokiflow.settings"] = before.model_copy(update={"public_url": named})
    yield named
    app.extensions["tokiflow.settings"] = before


@pytest.fixture
def be(page: Page, home: str, client_for: Callable[[User], Any]) -> Callable[[User], None]:
    """`be(alice)`: the browser is Alice's from now on."""

    def become(user: User) -> None:
        cookie = client_for(user).get_cookie("tokiflow")
        page.context.add_cookies([{"name": "tokiflow", "value": cookie.value, "url": home}])

    return become


def sign_out(page: Page) -> None:
    page.context.clear_cookies()


def test_alice_adds_a_passkey_and_signs_in_with_it(
    home: str, page: Page, be: Callable[[User], None], authenticator: Authenticator, alice: User
) -> None:
    be(alice)
    page.goto(f"{home}/app/settings/security")
    assert serious_problems(page) == []
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name", exact=True).fill("Work laptop")
    assert serious_problems(page) == []
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible(timeout=SOON)
    assert page.locator(".recovery-codes li").count() == 10
    assert serious_problems(page) == []
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    kept = download.value.path().read_text()
    assert page.locator(".recovery-codes li").first.inner_text() in kept
    assert alice.email in kept
    page.get_by_role("link", name="I have kept them").click()
    expect(page.locator(".passkeys .name", has_text="Work laptop")).to_be_visible(timeout=SOON)
    assert [one["isResidentCredential"] for one in authenticator.credentials()] == [True]
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")

    authenticator.set(willing=False)
    sign_out(page)
    page.goto(f"{home}/auth/sign-in?next=/app/settings/security")
    # axe has not heard of `webauthn` yet (https://html.spec.whatwg.org, autofill detail tokens).
    assert [one for one in serious_problems(page) if "webauthn" not in one and "autocomplete-valid" not in one] == []
    authenticator.set(willing=True)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator(".passkeys .name", has_text="Work laptop")).to_be_visible(timeout=SOON)

    page.get_by_role("link", name="Remove Work laptop").click()
    expect(page.get_by_text("It is your last one.")).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="Remove passkey").click()
    expect(page.get_by_text("No passkeys yet")).to_be_visible(timeout=SOON)

    sign_out(page)
    page.goto(f"{home}/auth/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_text("Tokiflow doesn’t know this passkey")).to_be_visible(timeout=SOON)


def test_a_passkey_is_offered_where_the_address_is_typed(
    home: str, page: Page, be: Callable[[User], None], authenticator: Authenticator, alice: User
) -> None:
    be(alice)
    page.goto(f"{home}/app/settings/security/passkeys/new")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible(timeout=SOON)
    sign_out(page)
    page.goto(f"{home}/auth/sign-in")  # the software key takes the offer by itself
    page.wait_for_url(f"{home}/app", timeout=SOON)


def test_what_goes_wrong_with_a_passkey_is_said_in_words(
    home: str, site: str, page: Page, be: Callable[[User], None], authenticator: Authenticator, alice: User
) -> None:
    be(alice)
    new = f"{home}/app/settings/security/passkeys/new"
    authenticator.set(willing=False)
    page.goto(new)
    authenticator.session.send(
        "WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": authenticator.id, "enabled": True}
    )
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("cancelled, or took too long", timeout=SOON)
    authenticator.set(willing=True)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible(timeout=SOON)
    page.goto(new)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("has a passkey for your account already", timeout=SOON)

    page.add_init_script("delete window.PublicKeyCredential")
    page.goto(new)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("This browser knows no passkeys", timeout=SOON)
    sign_out(page)
    page.goto(f"{site}/auth/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text(f"Passkeys work at {home}", timeout=SOON)


def test_alice_sets_up_an_app_and_types_its_code_after_a_link(
    home: str, app: Flask, page: Page, be: Callable[[User], None], alice: User
) -> None:
    be(alice)
    page.goto(f"{home}/app/settings/security")
    page.get_by_role("button", name="Set up an app").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible(timeout=SOON)
    assert serious_problems(page) == []
    theirs = pyotp.TOTP(page.locator(".set-up code").inner_text().replace(" ", ""))
    page.get_by_label("Code", exact=True).fill("12")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("This code is not right").first).to_be_visible(timeout=SOON)
    page.get_by_label("Code", exact=True).fill(theirs.at(datetime.now(UTC) - timedelta(seconds=30)))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible(timeout=SOON)
    code = page.locator(".recovery-codes li").first.inner_text()
    page.get_by_role("link", name="I have kept them").click()

    come_by_link(app, home, page, alice)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible(timeout=SOON)
    assert serious_problems(page) == []
    page.get_by_label("Code from your authenticator app").fill(theirs.now())
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{home}/app", timeout=SOON)

    come_by_link(app, home, page, alice)
    page.get_by_text("Use a recovery code").click()
    assert serious_problems(page) == []
    page.get_by_label("Recovery code", exact=True).fill(code.upper())
    page.get_by_role("button", name="Sign in with it").click()
    expect(page.get_by_text("9 recovery codes are left.")).to_be_visible(timeout=SOON)
    page.goto(f"{home}/app/settings/security")
    expect(page.locator(".code-marks s")).to_have_count(1)
    page.get_by_role("link", name="Remove the authenticator app").click()
    page.get_by_role("button", name="Remove app").click()
    expect(page.get_by_role("button", name="Set up an app")).to_be_visible(timeout=SOON)


def test_a_passkey_does_for_the_second_step(
    home: str, app: Flask, page: Page, be: Callable[[User], None], authenticator: Authenticator, alice: User
) -> None:
    be(alice)
    page.goto(f"{home}/app/settings/security/passkeys/new")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible(timeout=SOON)
    authenticators.begin(alice.id, datetime.now(UTC))
    authenticators.confirm(alice.id, phone(alice).now(), NOWHERE, datetime.now(UTC))
    authenticator.set(willing=False)
    come_by_link(app, home, page, alice)
    authenticator.set(willing=True)
    assert serious_problems(page) == []
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{home}/app", timeout=SOON)


def come_by_link(app: Flask, home: str, page: Page, user: User) -> None:
    """Sign out, ask for a link, and follow it as if it had been mailed."""
    sign_out(page)
    page.goto(f"{home}/auth/sign-in")
    page.get_by_label("E-mail address").fill(user.email)
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("heading", name="Look into your mailbox")).to_be_visible(timeout=SOON)
    page.goto(home + newest_link(app))
    page.get_by_role("button", name="Sign in").click()


def newest_link(app: Flask) -> str:
    """The path that the newest mail holds."""
    from sqlalchemy import select

    from tokiflow.db import db
    from tokiflow.models import SignInLink

    newest = db.session.execute(select(SignInLink.id).order_by(SignInLink.id.desc()).limit(1)).scalar_one()
    db.session.rollback()
    return f"/auth/link/{sign_in.token(newest)}"
