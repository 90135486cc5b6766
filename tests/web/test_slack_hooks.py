"""What Slack tells us: buttons, commands, the end of the app. Each story goes through the signed door."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from tests.factories import make_channel, make_monitor, save
from tests.fixtures.app import Client
from tests.fixtures.slack import add_app
from tests.fixtures.slack_standin import Posted, SlackStandin, Team, wrong_with
from tests.house.things import fail, succeed
from tokiflow import outside
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW, Actor
from tokiflow.db import db, transaction
from tokiflow.models import (
    Alert,
    AuditEvent,
    Channel,
    Delivery,
    Incident,
    IncidentEvent,
    MaintenanceWindow,
    MaintenanceWindowMonitor,
    Monitor,
    Organization,
    SlackInstallation,
    Summary,
    User,
)
from tokiflow.services import deliveries, incidents

DOORS = ("actions", "commands", "events")
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def deliver(app: Flask) -> Callable[[], None]:
    """What the worker does: send whatever waits."""

    def send() -> None:
        waiting = select(Delivery.id).where(Delivery.status == "pending").order_by(Delivery.id)
        for delivery_id in db.session.execute(waiting).scalars().all():
            deliveries.deliver([delivery_id], outside.of(app))

    return send


@pytest.fixture
def monitor(slack: SlackStandin, organization: Organization) -> Monitor:
    """It tells #ops in Slack."""
    add_app(slack, organization)
    return make_monitor(
        organization, "Nightly backup", slug="nightly-backup", channels=[make_channel(organization, "slack_app")]
    )


@pytest.fixture
def card(slack: SlackStandin, monitor: Monitor, deliver: Callable[[], None]) -> Posted:
    """The card about its trouble."""
    fail(monitor, datetime.now(UTC) - timedelta(minutes=5))
    deliver()
    [posted] = slack.posted
    return posted


def retry(now: datetime) -> None:
    """The wait after a try that failed is over."""
    with transaction():
        db.session.execute(update(Delivery).where(Delivery.status == "pending").values(next_attempt_at=now))


def post(client: Client, door: str, request: dict[str, Any]) -> TestResponse:
    return client.post(f"/hooks/slack/{door}", **request)


def press(client: Client, slack: SlackStandin, label: str, card: Posted, **who: str) -> None:
    began = time.monotonic()
    answer = post(client, "actions", slack.press(label, card, **who))
    assert (answer.status_code, answer.data) == (200, b"")
    assert time.monotonic() - began < 3


def ask(client: Client, slack: SlackStandin, text: str, **who: str) -> str:
    """What is answered, all of it as text; only the person sees it, and Slack takes it."""
    answer = post(client, "commands", slack.type(text, **who))
    assert answer.status_code == 200
    said = answer.get_json()
    assert said["response_type"] == "ephemeral"
    assert wrong_with(said["blocks"]) == ""
    assert said["text"]
    return json.dumps(said["blocks"], ensure_ascii=False)


def trouble(monitor: Monitor) -> Incident:
    statement = select(Incident).where(Incident.monitor_id == monitor.id).execution_options(populate_existing=True)
    return db.session.execute(statement.order_by(Incident.id.desc()).limit(1)).scalar_one()


def steps(monitor: Monitor) -> list[tuple[str, str, str]]:
    statement = select(IncidentEvent).where(IncidentEvent.incident_id == trouble(monitor).id)
    found = db.session.execute(statement.order_by(IncidentEvent.id)).scalars()
    return [(one.what, one.by, one.by_kind) for one in found]


# Who may come in.


@pytest.mark.parametrize("door", DOORS)
def test_without_an_app_there_is_no_door(door: str, client: Client) -> None:
    assert client.post(f"/hooks/slack/{door}", data={"text": "status"}).status_code == 404


@pytest.mark.parametrize("door", DOORS)
def test_only_slack_is_answered(door: str, client: Client, slack: SlackStandin, monitor: Monitor) -> None:
    good = slack.type("status")
    stamp, signature = "X-Slack-Request-Timestamp", "X-Slack-Signature"
    for spoiled in (
        {**good, "headers": {}},
        {**good, "headers": {**good["headers"], signature: "v0=" + "0" * 64}},
        {**good, "headers": {**good["headers"], stamp: str(int(time.time()) + 1)}},
        {**good, "headers": {**good["headers"], stamp: "soon"}},
        {**good, "data": good["data"] + b"&x=1"},
        {**good, **slack.signed(good["data"], FORM, at=time.time() - 310)},
        {**good, **slack.signed(good["data"], FORM, at=time.time() + 310)},
    ):
        assert post(client, door, spoiled).status_code == 401
    assert post(client, door, slack.signed(b"x" * 300_000, FORM)).status_code == 413


@pytest.mark.parametrize(
    "body", [b"", b"payload=", b"payload={", b"payload=[]", b"payload=7", b"\xff\xfe", b"[" * 9_000]
)
@pytest.mark.parametrize("door", DOORS)
def test_what_can_not_be_read_is_no_fault_of_ours(body: bytes, door: str, client: Client, slack: SlackStandin) -> None:
    for content_type in (FORM, "application/json"):
        assert post(client, door, slack.signed(body, content_type)).status_code in (200, 400)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "block_actions"},
        {"type": "block_actions", "actions": [], "user": None, "team": "T", "channel": 7, "container": []},
        {
            "type": "block_actions",
            "actions": [{"action_id": "acknowledge", "value": "inc_\x00"}],
            "team": {"id": "\x00"},
        },
        {"type": "block_actions", "actions": [{"action_id": ["x"], "value": {}}], "response_url": 9},
        {"type": "view_closed"},
    ],
)
def test_payloads_of_any_shape_are_taken(payload: dict[str, Any], client: Client, slack: SlackStandin) -> None:
    body = urlencode({"payload": json.dumps(payload)}).encode()
    assert post(client, "actions", slack.signed(body, FORM)).status_code == 200


def test_the_same_request_twice_does_nothing_twice(
    client: Client, slack: SlackStandin, card: Posted, monitor: Monitor, deliver: Callable[[], None]
) -> None:
    request = slack.press("Mute 1 h", card)
    post(client, "actions", request)
    assert post(client, "actions", request).status_code == 200
    assert [what for what, _, _ in steps(monitor)].count("muted") == 1
    deliver()
    assert len(slack.thread(card.ts)) == 1


def test_so_many_are_too_many(client: Client, slack: SlackStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(600):
        last = client.post("/hooks/slack/events", data=b"x")
    assert last.status_code == 401
    assert client.post("/hooks/slack/events", data=b"x").status_code == 429


def test_the_same_command_twice_is_answered_twice_and_done_once(
    client: Client, slack: SlackStandin, card: Posted, monitor: Monitor
) -> None:
    for text, second in (("status", "Nightly backup"), ("mute nightly-backup 1h", "done once")):
        request = slack.type(text)
        assert "Nightly backup" in post(client, "commands", request).text
        assert second in post(client, "commands", request).text
    assert [what for what, _, _ in steps(monitor)].count("muted") == 1


# Buttons.


def test_alice_acknowledges(
    client: Client, slack: SlackStandin, card: Posted, monitor: Monitor, deliver: Callable[[], None]
) -> None:
    press(client, slack, "Acknowledge", card)

    assert trouble(monitor).status == "acknowledged"
    assert trouble(monitor).acknowledged_by == "alice (Slack)"
    assert steps(monitor)[-1] == ("acknowledged", "alice (Slack)", "slack")
    audited = db.session.execute(select(AuditEvent).where(AuditEvent.what == "incident.acknowledged")).scalar_one()
    assert (audited.by, audited.by_kind) == ("alice (Slack)", "slack")
    assert list(card.buttons) == ["Mute 1 h", "Resolve"]
    assert "Acknowledged by alice (Slack)" in card.text
    assert "Last output" in card.text, "the last output stays in sight"
    deliver()
    assert slack.cards() == [card]
    assert [one.body["text"] for one in slack.thread(card.ts)] == ["◔ Acknowledged by alice (Slack)"]
    assert "Last output" in card.text, "and stays when the outbox has told of it, too"


def test_bob_mutes_and_unmutes(
    client: Client, slack: SlackStandin, card: Posted, monitor: Monitor, deliver: Callable[[], None]
) -> None:
    press(client, slack, "Mute 1 h", card, user="bob")
    until = trouble(monitor).muted_until
    assert until is not None
    assert timedelta(minutes=59) < until - datetime.now(UTC) <= timedelta(hours=1)
    assert list(card.buttons) == ["Acknowledge", "Unmute", "Resolve"]
    assert "Muted until" in card.text

    press(client, slack, "Unmute", card, user="bob")
    assert trouble(monitor).muted_until is None
    assert list(card.buttons) == ["Acknowledge", "Mute 1 h", "Resolve"]
    deliver()
    assert list(card.buttons) == ["Acknowledge", "Mute 1 h", "Resolve"]
    muted, unmuted = (one.body["text"] for one in slack.thread(card.ts))
    assert muted.startswith("Muted until")
    assert muted.endswith("by bob (Slack)")
    assert unmuted == "Unmuted by bob (Slack)"


def test_from_trouble_to_recovery_it_is_one_card_and_one_thread(
    client: Client, slack: SlackStandin, card: Posted, monitor: Monitor, deliver: Callable[[], None]
) -> None:
    press(client, slack, "Acknowledge", card)
    deliver()
    succeed(monitor, datetime.now(UTC))
    deliver()

    assert slack.cards() == [card]
    assert card.body["text"].startswith("● *Up: Nightly backup is back")
    assert card.buttons == {}
    assert slack.thread(card.ts)[-1].body["text"].startswith("● *Up: ")
    assert db.session.execute(select(Channel.last_error)).scalar_one() == ""


def test_resolved_by_hand_the_thread_hears_of_it(
    client: Client, slack: SlackStandin, card: Posted, monitor: Monitor, deliver: Callable[[], None]
) -> None:
    press(client, slack, "Resolve", card)
    assert trouble(monitor).resolved_by == "alice (Slack)"
    assert card.buttons == {}
    deliver()
    assert [one.body["text"].split(":")[0] for one in slack.thread(card.ts)] == ["● *Up"]


def test_what_is_done_on_the_web_shows_on_the_card(
    client: Client, slack: SlackStandin, card: Posted, monitor: Monitor, alice: User, deliver: Callable[[], None]
) -> None:
    who, incident_id, now = Actor("person", "Alice", alice.id), trouble(monitor).id, datetime.now(UTC)
    incidents.mute(incident_id, now + timedelta(hours=8), who, now)
    assert card.changes == 0, "Slack is not called by whoever waits for a page"
    slack.fail("chat.update", "", 503)
    deliver()
    retry(now)
    deliver()
    assert "Unmute" in card.buttons, "and is told surely"
    incidents.acknowledge(incident_id, who, now)
    deliver()
    assert list(card.buttons) == ["Unmute", "Resolve"]
    assert "◔ Acknowledged by Alice · Muted until" in card.text
    incidents.mute(incident_id, None, who, now)
    deliver()
    assert card.body["text"].startswith("◔ *Acknowledged: ")
    assert list(card.buttons) == ["Mute 1 h", "Resolve"]
    incidents.resolve(incident_id, who, now)
    deliver()
    assert card.body["text"].startswith("● *Up: Nightly backup was resolved by Alice after ")
    assert "Output of the trouble" in card.text
    assert slack.cards() == [card]
    said = [one.body["text"] for one in slack.thread(card.ts)]
    assert said[1:3] == ["◔ Acknowledged by Alice", "Unmuted by Alice"]
    assert not any(call.arguments.get("reply_broadcast") for call in slack.called("chat.postMessage"))


def test_what_follows_a_summary_stands_below_it(
    slack: SlackStandin, organization: Organization, monitor: Monitor, deliver: Callable[[], None]
) -> None:
    channel, now = db.session.execute(select(Channel)).scalar_one(), datetime.now(UTC)
    summary = save(
        Summary(organization_id=organization.id, channel_id=channel.id, reason="storm", started_at=now, last_at=now)
    )
    for status in ("down", "up"):
        listed = {"monitor_name": "Job", "summary": "", "incident": "inc_1", "status": status, "at": now.isoformat()}
        content = {
            **dict.fromkeys(("incident_kind", "reason", "advice", "summary", "monitor_name"), ""),
            "organization": "Harbour Freight", "severity": "critical", "opened_at": now.isoformat(),
            "listed": [listed], "listed_total": 1,
        }  # fmt: skip
        alert = save(Alert(organization_id=organization.id, kind="summary", at=now, content=content, decision={}))
        save(
            Delivery(
                organization_id=organization.id, alert_id=alert.id, channel_id=channel.id, summary_id=summary.id,
                next_attempt_at=now, because="", memory={},
            )
        )  # fmt: skip
        deliver()
    [card] = slack.cards()
    assert card.body["text"].startswith("● *Up: ")
    assert len(slack.thread(card.ts)) == 1


def test_a_card_says_why_it_is_there(
    client: Client, slack: SlackStandin, card: Posted, monitor: Monitor, deliver: Callable[[], None]
) -> None:
    press(client, slack, "Acknowledge", card)
    assert "told because the monitor names it" in card.text
    deliver()
    assert "told because the monitor names it" in card.text


@pytest.mark.parametrize("label", ["Acknowledge", "Mute 1 h", "Resolve"])
def test_whoever_is_late_is_told_and_the_card_made_right(
    label: str, client: Client, slack: SlackStandin, card: Posted, monitor: Monitor
) -> None:
    request = slack.press(label, card)
    incidents.resolve(trouble(monitor).id, TOKIFLOW, datetime.now(UTC))
    assert post(client, "actions", request).status_code == 200
    assert "resolved already" in slack.whispers[0]["text"]
    assert slack.whispers[0]["response_type"] == "ephemeral"
    assert card.buttons == {}


def test_another_workspace_knows_nothing_of_it(
    client: Client, slack: SlackStandin, card: Posted, monitor: Monitor, other_organization: Organization
) -> None:
    slack.teams["T0CHARLIE"] = Team("T0CHARLIE", "Charlie & Sons")
    press(client, slack, "Resolve", card, team_id="T0CHARLIE")
    add_app(slack, other_organization, "T0CHARLIE")
    press(client, slack, "Acknowledge", card, team_id="T0CHARLIE")
    assert [one["text"] for one in slack.whispers] == ["Tokiflow knows no such incident."] * 2
    assert trouble(monitor).status == "open"
    assert card.changes == 0


def test_slack_away_for_a_moment_costs_nothing(
    client: Client, slack: SlackStandin, card: Posted, monitor: Monitor
) -> None:
    slack.fail("chat.update", "", 503)
    press(client, slack, "Acknowledge", card)
    assert trouble(monitor).status == "acknowledged"
    assert "Acknowledged by" in card.text, "by the address that came with the press"


def test_an_answer_goes_only_to_slack(client: Client, slack: SlackStandin, card: Posted) -> None:
    request = slack.press("Acknowledge", card, team_id="T0NOWHERE")
    body = request["data"].decode().replace(urlencode({"": slack.base})[1:], urlencode({"": "http://127.0.0.1:9"})[1:])
    assert post(client, "actions", slack.signed(body.encode(), FORM)).status_code == 200
    assert slack.whispers == []


# The command.


def test_help_for_whatever_is_not_understood(client: Client, slack: SlackStandin, monitor: Monitor) -> None:
    for text in ("", "help", "<!channel> & *bold*", "frobnicate", "mute", "ack", "mute x soon"):
        assert "/tokiflow monitors" in ask(client, slack, text)
    assert "“&lt;!channel&gt;” is not something I know" in ask(client, slack, "<!channel> & *bold*")


def test_status_says_what_is_broken(client: Client, slack: SlackStandin, card: Posted, monitor: Monitor) -> None:
    said = ask(client, slack, "status")
    assert "*Harbour Freight*: ▲ 1 down" in said
    assert "|Nightly backup>* failed with exit code 3" in said
    assert ids.public("inc", trouble(monitor).id)[-6:] in said
    incidents.acknowledge(trouble(monitor).id, TOKIFLOW, datetime.now(UTC))
    assert "acknowledged by Tokiflow" in ask(client, slack, "status")


def test_status_when_all_is_well(client: Client, slack: SlackStandin, monitor: Monitor) -> None:
    succeed(monitor, datetime.now(UTC))
    assert "Nothing is broken" in ask(client, slack, "status")


def test_monitors_are_listed_the_worst_first(
    client: Client, slack: SlackStandin, card: Posted, organization: Organization
) -> None:
    for n in range(53):
        make_monitor(organization, f"<Job> {n:02}")
    said = ask(client, slack, "monitors")
    assert "and 34 more" in said
    assert said.index("▲ *") < said.index("◌ *")
    assert "|&lt;Job&gt; 00>* new, never pinged" in said


@pytest.mark.parametrize("how", ["whole", "ending", "inc_ending", "name", "slug", "part", "monitor id", "UPPER"])
def test_ack_by_id_by_its_end_or_by_name(
    how: str, client: Client, slack: SlackStandin, card: Posted, monitor: Monitor
) -> None:
    whole = ids.public("inc", trouble(monitor).id)
    what = {
        "whole": whole,
        "ending": whole[-5:],
        "inc_ending": f"inc_…{whole[-6:]}",
        "name": "nightly BACKUP",
        "slug": "nightly-backup",
        "part": "backup",
        "monitor id": ids.public("mon", monitor.id),
        "UPPER": whole.upper(),
    }[how]
    assert "is acknowledged" in ask(client, slack, f"ack {what}")
    assert trouble(monitor).acknowledged_by == "alice (Slack)"
    assert "acknowledged already, by alice (Slack)" in ask(client, slack, f"ack {what}", user="bob")


def test_ack_of_what_is_not_there(client: Client, slack: SlackStandin, card: Posted, monitor: Monitor) -> None:
    incident = ids.public("inc", trouble(monitor).id)
    for what in ("nothing", "inc_zzzzzz", "<@U1>", "%", "\x00", "inc_" + "0" * 26):
        assert "No incident" in ask(client, slack, f"ack {what}") or what == "\x00"
    incidents.resolve(trouble(monitor).id, TOKIFLOW, datetime.now(UTC))
    assert "resolved already" in ask(client, slack, f"ack {incident}")
    assert trouble(monitor).status == "resolved"


def test_ack_asks_which_one_is_meant(
    client: Client, slack: SlackStandin, card: Posted, organization: Organization
) -> None:
    fail(make_monitor(organization, "Weekly backup"), datetime.now(UTC))
    said = ask(client, slack, "ack backup")
    assert "Which one is it?" in said
    assert "Weekly backup" in said
    assert "Nightly backup" in said


def test_mute_of_what_is_broken(
    client: Client, slack: SlackStandin, card: Posted, monitor: Monitor, deliver: Callable[[], None]
) -> None:
    said = ask(client, slack, "mute nightly-backup 2h 30m")
    assert "is muted until" in said
    until = trouble(monitor).muted_until
    assert until is not None
    assert timedelta(minutes=149) < until - datetime.now(UTC) <= timedelta(minutes=150)
    deliver()
    assert "Unmute" in card.buttons
    assert slack.thread(card.ts)[0].body["text"].endswith("by alice (Slack)")


def test_mute_is_of_all_that_is_wrong_with_it(
    client: Client, slack: SlackStandin, card: Posted, monitor: Monitor
) -> None:
    at = datetime.now(UTC)
    save(
        Incident(
            organization_id=monitor.organization_id, monitor_id=monitor.id, class_="performance", kind="degraded",
            status="open", opened_at=at, last_opened_at=at, summary="is slower than usual",
        )
    )  # fmt: skip
    assert "is muted until" in ask(client, slack, "mute nightly-backup 1h")
    muted = db.session.execute(select(Incident.muted_until).where(Incident.monitor_id == monitor.id)).scalars().all()
    assert len(muted) == 2
    assert None not in muted


def test_mute_of_what_is_well_holds_back_what_may_come(client: Client, slack: SlackStandin, monitor: Monitor) -> None:
    succeed(monitor, datetime.now(UTC))
    assert "is told to nobody" in ask(client, slack, "mute Nightly backup 1h")
    window = db.session.execute(select(MaintenanceWindow)).scalar_one()
    assert (window.name, window.kind) == ("Nightly backup, muted by alice (Slack)", "once")
    assert window.ends_at is not None
    assert window.ends_at - datetime.now(UTC) <= timedelta(hours=1)
    named = db.session.execute(select(MaintenanceWindowMonitor.monitor_id)).scalars().all()
    assert named == [monitor.id]


def test_mute_has_room_for_long_names(client: Client, slack: SlackStandin, monitor: Monitor) -> None:
    monitor.name = "Nightly backup " + "n" * 185
    save(monitor)
    answer = client.post("/hooks/slack/commands", **slack.type("mute nightly-backup 1h", user="u" * 80))
    assert "is told to nobody" in answer.get_data(as_text=True)


def test_mute_asks_which_one_is_meant(
    client: Client, slack: SlackStandin, monitor: Monitor, organization: Organization
) -> None:
    make_monitor(organization, "Nightly import")
    assert "Which one is it?" in ask(client, slack, "mute nightly 1h")
    assert "no monitor called “&lt;!here&gt;”" in ask(client, slack, "mute <!here> 1h")


def test_two_organizations_of_one_workspace_are_both_told(
    client: Client, slack: SlackStandin, card: Posted, other_organization: Organization
) -> None:
    add_app(slack, other_organization)
    make_monitor(other_organization, "Theirs")
    said = ask(client, slack, "monitors")
    assert "Theirs" in said
    assert "*Charlie &amp; Sons*" in said


def test_a_workspace_without_the_app_hears_nothing(client: Client, slack: SlackStandin, card: Posted) -> None:
    said = ask(client, slack, "status", team_id="T0NOWHERE")
    assert "not connected" in said
    assert "Nightly" not in said


def test_slack_may_look_whether_the_address_is_there(client: Client, slack: SlackStandin) -> None:
    assert post(client, "commands", slack.type("", ssl_check="1")).data == b""


# Events.


def test_slack_is_shown_that_somebody_listens(client: Client, slack: SlackStandin) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "3eZbrw1aB", "token": "x"}).encode()
    answer = post(client, "events", slack.signed(body, "application/json"))
    assert answer.get_json() == {"challenge": "3eZbrw1aB"}


@pytest.mark.parametrize(
    "event", [{"type": "app_uninstalled"}, {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["U0TOKIFLOW"]}}]
)
def test_removed_in_slack_its_channels_are_disabled_with_the_reason(
    event: dict[str, Any], client: Client, slack: SlackStandin, monitor: Monitor, deliver: Callable[[], None]
) -> None:
    for retry in (0, 1):
        headers = {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": "http_timeout"} if retry else {}
        assert post(client, "events", slack.event(event, **headers)).status_code == 200
    assert db.session.execute(select(SlackInstallation)).scalars().all() == []
    channel = db.session.execute(select(Channel)).scalar_one()
    assert not channel.enabled
    assert "add it again" in channel.disabled_reason
    fail(monitor, datetime.now(UTC))
    deliver()
    assert slack.posted == []


@pytest.mark.parametrize(
    "event",
    [
        {"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}},
        {"type": "tokens_revoked"},
        {"type": "message"},
        {},
        7,
        None,
    ],
)
def test_other_events_change_nothing(event: Any, client: Client, slack: SlackStandin, monitor: Monitor) -> None:
    assert post(client, "events", slack.event(event)).status_code == 200
    assert len(db.session.execute(select(SlackInstallation)).scalars().all()) == 1


def test_a_revoked_token_disables_the_channel(
    client: Client, slack: SlackStandin, monitor: Monitor, deliver: Callable[[], None]
) -> None:
    slack.teams["T0HARBOUR"].token = "xoxb-another"
    fail(monitor, datetime.now(UTC))
    deliver()
    channel = db.session.execute(select(Channel)).scalar_one()
    assert (channel.enabled, "token_revoked" in channel.disabled_reason) == (False, True)
