"""Rules: what the list says, what the form means, and who would be told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from tests.factories import make_channel, make_monitor, make_rule
from tests.fixtures.app import Client
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db
from tokiflow.models import Channel, Organization, User
from tokiflow.queries import routing as stored
from tokiflow.services import pings, routing
from tokiflow.services.pings import Incoming

ClientFor = Callable[[User], Client]
HTMX = {"HX-Request": "true", "HX-Target": "div#rules"}
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """That every form carries its token is shown by the browser tests and the house."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


def public(channel: Channel) -> str:
    return ids.public("chn", channel.id)


def plain(page: str) -> str:
    """The words of a page, as one reads them."""
    import html
    import re

    return (
        " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
        .replace(" ,", ",")
        .replace(" .", ".")
        .replace(" ;", ";")
    )


@pytest.fixture
def ops(organization: Organization) -> Channel:
    return make_channel(organization, "slack", name="#ops")


@pytest.fixture
def bob_pager(organization: Organization) -> Channel:
    return make_channel(organization, name="Bob")


# --- the list ---------------------------------------------------------------------------------------------------


def test_without_rules_the_default_is_told(alice: User, ops: Channel, client_for: ClientFor) -> None:
    page = plain(client_for(alice).get("/app/rules").text)
    assert "For all that no rule above speaks of, tell every channel." in page
    assert "There are none: warnings are told at any time" in page


def test_a_rule_reads_as_a_sentence(
    alice: User, organization: Organization, ops: Channel, bob_pager: Channel, client_for: ClientFor
) -> None:
    make_rule(
        organization, [ops, bob_pager], [bob_pager], name="Database", waits=[900], remind_seconds=3600, last=True,
        condition={
            "severities": ["critical"], "tags": ["db"], "without": ["test"], "from": "09:00", "to": "17:00",
            "days": [0, 1, 2, 3, 4], "timezone": "Europe/Berlin",
        },
    )  # fmt: skip
    page = plain(client_for(alice).get("/app/rules").text)
    assert (
        "When trouble is critical, tagged db and not tagged test, 09:00–17:00 on weekdays in Berlin, tell #ops and "
        "Bob; after 15 minutes without acknowledgement tell Bob; remind every hour. No rule below is asked then."
    ) in page


def test_a_rule_that_tells_nobody_says_so(alice: User, organization: Organization, client_for: ClientFor) -> None:
    off = make_channel(organization, name="Off", enabled=False)
    make_rule(organization, [off])
    assert "Nobody hears of it: its channel is disabled." in plain(client_for(alice).get("/app/rules").text)


def test_viewers_read_and_change_nothing(
    vera: User, organization: Organization, ops: Channel, client_for: ClientFor
) -> None:
    make_rule(organization, [ops], name="Database")
    page = client_for(vera).get("/app/rules").text
    assert "Database" in page
    assert "<button" not in page.split('id="rules"')[1].split("</main>")[0]


def test_rules_are_moved_and_switched_by_buttons(
    alice: User, organization: Organization, ops: Channel, client_for: ClientFor
) -> None:
    one, two = make_rule(organization, [ops], name="One"), make_rule(organization, [ops], name="Two")
    browser, two_id = client_for(alice), ids.public("rul", two.id)
    assert browser.post(f"/app/rules/{two_id}/move", data={"direction": "up"}).status_code == 303
    assert [row.name for row in stored.rows(organization.id)] == ["Two", "One"]
    part = browser.post(f"/app/rules/{two_id}/disable", headers=HTMX)
    assert "<html" not in part.text
    assert "Disabled" in part.text
    one_id = ids.public("rul", one.id)
    assert browser.get(f"/app/rules/{one_id}/delete").status_code == 200
    browser.post(f"/app/rules/{one_id}/delete")
    db.session.expire_all()
    assert [(row.name, row.enabled) for row in stored.rows(organization.id)] == [("Two", False)]


# --- the form ---------------------------------------------------------------------------------------------------


def test_a_rule_is_written_and_read_again(
    alice: User, organization: Organization, ops: Channel, bob_pager: Channel, client_for: ClientFor
) -> None:
    browser = client_for(alice)
    written: dict[str, Any] = {
        "name": "Database", "severities": ["critical"], "tags": "db, prod", "days": ["0", "1"], "start": "09:00",
        "end": "17:00", "timezone": "Europe/Berlin", "who": "some", "step_0": [public(ops)], "count": "3",
        "wait_2": "15 min", "step_2": [public(bob_pager)], "remind": "1 h", "last": "y",
    }  # fmt: skip
    assert browser.post("/app/rules/new", data=written).status_code == 303
    (rule,) = stored.of([organization.id])[organization.id]
    assert (rule.name, rule.waits, rule.remind, rule.last) == ("Database", (900,), 3600, True)
    assert [set(step) for step in rule.steps] == [{ops.id}, {bob_pager.id}]
    assert set(rule.condition.tags) == {"db", "prod"}
    assert rule.id is not None
    page = browser.get(f"/app/rules/{ids.public('rul', rule.id)}/edit").text
    for value in ('value="db, prod"', 'value="15 minutes"', 'value="09:00"', 'value="1 hour"'):
        assert value in page


def test_one_more_step_loses_nothing(
    alice: User, organization: Organization, ops: Channel, client_for: ClientFor
) -> None:
    page = client_for(alice).post("/app/rules/new", data={"name": "Night", "count": "1", "add": "1"})
    assert page.status_code == 200
    assert 'value="Night"' in page.text
    assert "wait_1" in page.text
    assert stored.rows(organization.id) == []


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"name": ""}, "Name: It is empty"),
        ({"count": "2", "wait_1": "soon", "step_1": ["chn_x"]}, "After: Write a length of time"),
        ({"count": "3", "wait_2": "15 min"}, "Tell: It names no channel"),
        ({"start": "09:00"}, "To: It is missing"),
        ({"remind": "1 s"}, "Remind every: It is no such length"),
        ({"severities": ["loud"]}, "Severity: It is not a list"),
    ],
)
def test_what_is_wrong_stands_beside_the_field(
    alice: User, written: dict[str, Any], words: str, client_for: ClientFor
) -> None:
    answer = client_for(alice).post("/app/rules/new", data={"name": "Rule", **written})
    assert answer.status_code == 422
    assert words in plain(answer.text)


def test_nobody_overwrites_unseen(alice: User, organization: Organization, client_for: ClientFor) -> None:
    rule = make_rule(organization, name="One")
    routing.edit(rule.id, {"name": "Theirs"}, TOKIFLOW, NOON)
    browser, address = client_for(alice), f"/app/rules/{ids.public('rul', rule.id)}/edit"
    answer = browser.post(address, data={"name": "Mine", "version": "0"})
    assert answer.status_code == 409
    assert "Somebody else changed this rule" in answer.text
    assert browser.post(address, data={"name": "Mine", "version": "1"}).status_code == 303


def test_the_default_rule_is_changed(
    alice: User, organization: Organization, ops: Channel, bob_pager: Channel, client_for: ClientFor
) -> None:
    browser = client_for(alice)
    assert 'name="tags"' not in browser.get("/app/rules/default").text
    assert browser.post("/app/rules/default", data={"who": "some", "step_0": [public(ops)]}).status_code == 303
    assert "For all that no rule above speaks of, tell #ops." in plain(browser.get("/app/rules").text)
    assert browser.post("/app/rules/default", data={"who": "everybody", "version": "0"}).status_code == 409


def test_quiet_hours_are_set_and_lifted(alice: User, organization: Organization, client_for: ClientFor) -> None:
    browser = client_for(alice)
    refused = browser.post("/app/rules/quiet-hours", data={"start": "22:00", "end": "", "timezone": "UTC"})
    assert refused.status_code == 422
    assert "To: It is missing" in plain(refused.text)
    written = {"start": "22:00", "end": "07:00", "timezone": "Europe/Berlin", "quiet_days": ["4", "5"]}
    assert browser.post("/app/rules/quiet-hours", data=written).status_code == 303
    assert "22:00–07:00 on Friday and Saturday in Berlin : warnings wait" in plain(browser.get("/app/rules").text)
    browser.post("/app/rules/quiet-hours", data={"never": "1"})
    assert stored.quiet_hours(organization.id) is None


# --- who would be told? -----------------------------------------------------------------------------------------


def test_the_simulator_tells_who_when_and_why(
    alice: User, organization: Organization, ops: Channel, bob_pager: Channel, client_for: ClientFor
) -> None:
    monitor = make_monitor(organization, "Backup", tags=["db"])
    make_rule(
        organization, [ops], [bob_pager], name="Database", condition={"tags": ["db"]}, waits=[900], remind_seconds=3600
    )
    make_rule(organization, [bob_pager], name="Warnings", condition={"severities": ["warning"]})
    address = f"/app/rules/who?monitor={ids.public('mon', monitor.id)}&kind=failed&at=2026-11-20T13:00"
    page = plain(client_for(alice).get(address).text)
    assert "#ops by the rule “Database”" in page
    assert "After 15 minutes, 20 Nov" in page
    assert "Bob by step 2 of “Database”" in page
    assert "Every hour: those again whom “ Database ” has told" in page
    assert "Silent Warnings Not a warning." in page


def test_the_simulator_knows_silences_and_own_channels(
    alice: User, organization: Organization, ops: Channel, bob_pager: Channel, client_for: ClientFor
) -> None:
    night = {"from": "22:00", "to": "07:00", "timezone": "Europe/Berlin"}
    routing.set_quiet_hours(organization.id, night, TOKIFLOW, NOON)
    monitor = make_monitor(organization, "Backup", channels=[bob_pager])
    address = f"/app/rules/who?monitor={ids.public('mon', monitor.id)}&kind=degraded&at=2026-11-20T23:00"
    page = plain(client_for(alice).get(address).text)
    assert "quiet hours for warnings until 21 Nov 07:00 in Berlin" in page
    assert "Bob because the monitor names it" in page
    assert "names channels of its own" in page
    calm = plain(client_for(alice).get(address.replace("degraded", "failed")).text)
    assert "quiet hours" not in calm


def test_the_simulator_asks_the_rules_as_they_are_asked_when_a_silence_ends(
    alice: User, organization: Organization, ops: Channel, bob_pager: Channel, client_for: ClientFor
) -> None:
    """Hours are judged when people are told, and of silence nobody says where it is."""
    berlin = {"timezone": "Europe/Berlin"}
    routing.set_quiet_hours(organization.id, {"from": "22:00", "to": "07:00", **berlin}, TOKIFLOW, NOON)
    make_rule(organization, [ops], name="Nights", condition={"from": "20:00", "to": "07:00", **berlin})
    make_rule(organization, [bob_pager], name="Days", condition={"from": "07:00", "to": "20:00", **berlin})
    make_rule(organization, [ops], name="Staging", condition={"environments": ["staging"]})
    monitor = make_monitor(organization, "Backup")
    pings.record([Incoming(monitor.token, Ping(Signal.SUCCESS, NOON, environment="staging"))], NOON)
    address = f"/app/rules/who?monitor={ids.public('mon', monitor.id)}&kind=degraded&at=2026-11-20T23:00"
    page = plain(client_for(alice).get(address).text)
    assert "Speaks Days" in page
    assert "Silent Nights" in page
    assert "Speaks Staging" in page
    assert "No environment is named, so it is staging" in page
    named = plain(client_for(alice).get(f"{address}&environment=production").text)
    assert "Silent Staging Not in staging." in named


@pytest.mark.parametrize(
    "query",
    ["", "?monitor=mon_x", "?monitor=%00&kind=x&at=x&environment=%00", "?at=0001-01-01T00:00", "?at=9999-12-31T00:00"],
)
def test_questions_that_make_no_sense_break_nothing(alice: User, query: str, client_for: ClientFor) -> None:
    answer = client_for(alice).get(f"/app/rules/who{query}")
    assert answer.status_code == 200
    assert "Nobody yet" in answer.text


def test_monitors_of_others_are_not_asked_about(
    alice: User, other_organization: Organization, client_for: ClientFor
) -> None:
    theirs = make_monitor(other_organization, "Secret")
    assert "Secret" not in client_for(alice).get(f"/app/rules/who?monitor={ids.public('mon', theirs.id)}").text


def test_htmx_gets_the_answer_alone(alice: User, client_for: ClientFor) -> None:
    part = client_for(alice).get("/app/rules/who", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert 'id="answer"' in part
