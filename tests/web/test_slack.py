"""Tokiflow's app in Slack: added, added again, refused, and taken out."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_channel, make_membership
from tests.fixtures.app import Client
from tests.fixtures.slack import add_app
from tests.fixtures.slack_standin import BOT_SCOPES, CLIENT_ID, SlackStandin, Team
from tokiflow.core import ids
from tokiflow.core.roles import Role
from tokiflow.db import db
from tokiflow.models import AuditEvent, Channel, Organization, SlackInstallation, User
from tokiflow.services import slack_installations
from tokiflow.web import slack_manifest

ClientFor = Callable[[User], Client]
INSTALL = "/app/channels/slack/install"


@pytest.fixture(autouse=True)
def _without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


@pytest.fixture
def browser(alice: User, client_for: ClientFor) -> Client:
    return client_for(alice)


def begin(browser: Client) -> str:
    """Where the button leads."""
    answer = browser.get(INSTALL)
    assert answer.status_code == 303
    return answer.headers["Location"]


def said(browser: Client, back: str) -> str:
    """What the page says that they come to in the end."""
    answer = browser.get(back)
    assert answer.status_code == 303, answer.text
    return browser.get(answer.headers["Location"]).text


def installations() -> list[SlackInstallation]:
    return list(db.session.execute(select(SlackInstallation)).scalars())


# Adding it.


def test_one_button_adds_the_app(
    app: Flask, slack: SlackStandin, browser: Client, organization: Organization, alice: User
) -> None:
    assert "Add to Slack" in browser.get("/app/channels/slack").text
    address = begin(browser)
    asked = {name: value for name, [value] in parse_qs(urlsplit(address).query).items()}
    assert asked["client_id"] == CLIENT_ID
    assert asked["scope"] == BOT_SCOPES
    assert asked["redirect_uri"] == f"{app.extensions['tokiflow.settings'].public_url}/app/channels/slack/callback"

    page = said(browser, slack.approve(address))

    assert "Tokiflow is in Harbour Freight" in page
    assert '<option value="T0HARBOUR">Harbour Freight</option>' in page
    assert '<option value="#ops">Harbour Freight</option>' in page
    assert "#old" not in page
    [row] = installations()
    assert (row.organization_id, row.team_id, row.installed_by) == (organization.id, "T0HARBOUR", alice.id)
    assert slack_installations.token(row) == slack.teams["T0HARBOUR"].token
    assert slack.teams["T0HARBOUR"].token not in row.sealed_token
    audited = db.session.execute(select(AuditEvent).where(AuditEvent.what == "slack.installed")).scalar_one()
    assert slack.teams["T0HARBOUR"].token not in str(audited.after)


def test_a_channel_is_made_and_tested(slack: SlackStandin, browser: Client, organization: Organization) -> None:
    add_app(slack, organization)
    made = browser.post("/app/channels/new/slack_app", data={"name": "#ops", "team": "T0HARBOUR", "channel": "ops"})
    assert made.status_code == 303
    channel = db.session.execute(select(Channel)).scalar_one()
    assert channel.config == {"team": "T0HARBOUR", "channel": "#ops"}
    answer = browser.post(f"/app/channels/{ids.public('chn', channel.id)}/test")
    assert answer.status_code == 200
    assert "Test: alerts of Harbour Freight arrive here" in slack.posted[0].body["text"]
    edited = browser.get(f"/app/channels/{ids.public('chn', channel.id)}/edit").text
    assert 'value="#ops"' in edited
    assert "Harbour Freight</option>" in edited


def test_a_form_opens_although_slack_tells_no_channels(
    slack: SlackStandin, browser: Client, organization: Organization
) -> None:
    add_app(slack, organization)
    for _ in range(2):
        slack.fail("conversations.list", "ratelimited", 429, 30)
    assert browser.get("/app/channels/new/slack_app").status_code == 200
    slack.teams["T0HARBOUR"].scopes = "chat:write,commands"
    assert browser.get("/app/channels/new/slack_app").status_code == 200


def test_before_there_is_a_workspace_it_is_added_first(slack: SlackStandin, browser: Client) -> None:
    assert browser.get("/app/channels/new/slack_app").headers["Location"] == "/app/channels/slack"


def test_added_again_it_keeps_one_row_and_wakes_its_channels(
    slack: SlackStandin, browser: Client, organization: Organization
) -> None:
    channel = make_channel(organization, "slack_app")
    said(browser, slack.approve(begin(browser)))
    slack_installations.removed_over_there("T0HARBOUR", datetime.now(UTC))
    slack.teams["T0HARBOUR"].token = ""
    said(browser, slack.approve(begin(browser)))
    said(browser, slack.approve(begin(browser)))
    [row] = installations()
    assert slack_installations.token(row) == slack.teams["T0HARBOUR"].token
    assert db.session.get_one(Channel, channel.id, populate_existing=True).enabled


# What goes wrong on the way.


def test_they_say_no(slack: SlackStandin, browser: Client) -> None:
    assert "You did not let Tokiflow into the workspace" in said(browser, slack.deny(begin(browser)))
    assert installations() == []


def test_an_answer_is_used_once(slack: SlackStandin, browser: Client) -> None:
    back = slack.approve(begin(browser))
    said(browser, back)
    assert "used already" in said(browser, back)
    assert len(slack.called("oauth.v2.access")) == 1


def test_a_state_that_was_made_up_is_refused(slack: SlackStandin, browser: Client) -> None:
    back = slack.approve(begin(browser))
    for forged in (re.sub(r"state=[^&]+", "state=forged", back), re.sub(r"&?state=[^&]+", "", back), back + "%00ü"):
        assert "was not begun in this browser" in said(browser, forged)
    assert slack.called("oauth.v2.access") == []


def test_the_state_of_another_person_is_refused(
    slack: SlackStandin, browser: Client, adam: User, client_for: ClientFor
) -> None:
    back = slack.approve(begin(browser))
    assert "was not begun in this browser" in said(client_for(adam), back)
    assert installations() == []


def test_after_ten_minutes_it_is_too_late(
    slack: SlackStandin, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = slack.approve(begin(browser))
    now = datetime.now(UTC)
    monkeypatch.setattr("tokiflow.web.slack.frame.now", lambda: now + timedelta(minutes=11))
    assert "longer than ten minutes" in said(browser, back)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("invalid_code", "no longer takes this answer"),
        ("code_already_used", "no longer takes this answer"),
        ("bad_client_secret", "SLACK_CLIENT_SECRET"),
        ("invalid_client_id", "SLACK_CLIENT_ID"),
        ("bad_redirect_uri", "redirect URL"),
        ("ratelimited", "asked too often"),
        ("", "can’t be reached"),
    ],
)
def test_a_code_that_slack_refuses(error: str, words: str, slack: SlackStandin, browser: Client) -> None:
    back = slack.approve(begin(browser))
    slack.fail("oauth.v2.access", error, 200 if error else 503)
    assert words in said(browser, back)
    assert installations() == []


@pytest.mark.parametrize("scope", ["chat:write", "commands"])
def test_a_scope_that_is_needed_is_named(scope: str, slack: SlackStandin, browser: Client) -> None:
    page = said(browser, slack.approve(begin(browser), without=scope))
    assert f"without the right to {scope}" in page
    assert installations() == []


@pytest.mark.parametrize("query", ["", "?code=x", "?state=x", "?error=%3Cscript%3E", "?code=x&state=%00"])
def test_a_callback_without_sense_is_refused_kindly(query: str, slack: SlackStandin, browser: Client) -> None:
    assert 'role="alert"' in said(browser, f"/app/channels/slack/callback{query}")


def test_it_is_added_where_it_was_begun(
    slack: SlackStandin, browser: Client, alice: User, organization: Organization, other_organization: Organization
) -> None:
    make_membership(other_organization, alice, Role.ADMIN)
    browser.post("/app/switch-organization", data={"organization": organization.slug})
    back = slack.approve(begin(browser))
    browser.post("/app/switch-organization", data={"organization": other_organization.slug})
    said(browser, back)
    assert [row.organization_id for row in installations()] == [organization.id]


def test_members_may_not_add_it(slack: SlackStandin, mia: User, client_for: ClientFor) -> None:
    for page in ("", "/install", "/callback"):
        assert client_for(mia).get(f"/app/channels/slack{page}").status_code == 403


# Where it is not set up.


def test_an_operator_is_told_how(browser: Client) -> None:
    assert browser.get(INSTALL).headers["Location"] == "/app/channels/slack"
    page = browser.get("/app/channels/slack").text
    assert "SLACK_SIGNING_SECRET" in page
    assert "/hooks/slack/actions" in page
    assert 'href="/app/channels/slack/install"' not in page


def test_the_manifest_names_every_address_and_scope() -> None:
    text = slack_manifest.manifest("https://tokiflow.example.com")
    for path in (
        "/hooks/slack/actions",
        "/hooks/slack/commands",
        "/hooks/slack/events",
        "/app/channels/slack/callback",
    ):
        assert f"https://tokiflow.example.com{path}\n" in text
    assert all(f"- {scope}\n" in text for scope in BOT_SCOPES.split(","))


def test_the_documentation_has_the_same_manifest() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "slack.md").read_text(encoding="utf-8")
    assert slack_manifest.manifest("https://tokiflow.example.com") in documented


# Taking it out.


def test_taken_out_its_channels_are_disabled_and_slack_is_told(
    slack: SlackStandin, browser: Client, organization: Organization
) -> None:
    row = add_app(slack, organization)
    token = slack.teams["T0HARBOUR"].token
    channel, other = make_channel(organization, "slack_app"), make_channel(organization, "slack")
    page = f"/app/channels/slack/{ids.public('slk', row.id)}/remove"
    assert "<strong>1</strong> channel is disabled" in browser.get(page).text
    assert "Harbour Freight" in browser.get("/app/channels").text

    assert browser.post(page).status_code == 303

    assert installations() == []
    assert slack.teams["T0HARBOUR"].token != token
    told = db.session.get_one(Channel, channel.id, populate_existing=True)
    assert not told.enabled
    assert "taken out" in told.disabled_reason
    assert db.session.get_one(Channel, other.id, populate_existing=True).enabled
    assert browser.post(page).status_code == 404


def test_slack_need_not_listen(slack: SlackStandin, browser: Client, organization: Organization) -> None:
    row = add_app(slack, organization)
    slack.fail("auth.revoke", "", 503)
    assert browser.post(f"/app/channels/slack/{ids.public('slk', row.id)}/remove").status_code == 303
    assert installations() == []


def test_a_workspace_that_another_organization_uses_keeps_its_token(
    slack: SlackStandin, browser: Client, organization: Organization, other_organization: Organization
) -> None:
    row, theirs = add_app(slack, organization), add_app(slack, other_organization)
    browser.post(f"/app/channels/slack/{ids.public('slk', row.id)}/remove")
    assert slack.called("auth.revoke") == []
    assert [one.id for one in installations()] == [theirs.id]


def test_two_workspaces_are_kept_apart(slack: SlackStandin, browser: Client, organization: Organization) -> None:
    slack.teams["T0SECOND"] = Team("T0SECOND", "Second <b>")
    add_app(slack, organization)
    said(browser, slack.approve(begin(browser), "T0SECOND"))
    assert {row.team_id for row in installations()} == {"T0HARBOUR", "T0SECOND"}
    page = browser.get("/app/channels/slack").text
    assert "Second &lt;b&gt;" in page
