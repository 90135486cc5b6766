"""What every kind of channel keeps to."""

from __future__ import annotations

import json
import re

import pytest

from tests.channels.conftest import TROUBLES, message
from tests.channels.storms import summary
from tokiflow import channels
from tokiflow.errors import DeliveryError, Invalid

BOT = f"123456789:{'A' * 35}"
KINDS = ("opened", "reopened", "flapping", "escalated", "reminder", "acknowledged", "resolved", "test")


@pytest.fixture
def configs(httpserver):
    """A config for each kind that reaches a receiver here."""
    httpserver.expect_request("/hook").respond_with_data("ok")
    httpserver.expect_request(re.compile("/v2/.*")).respond_with_data("{}", status=202)
    httpserver.expect_request("/v1/spaces/AAAAspace/messages").respond_with_data("{}")
    httpserver.expect_request(re.compile("/2010-04-01/.*")).respond_with_json({"sid": "SM1"}, status=201)
    httpserver.expect_request("/api/chat.postMessage").respond_with_json({"ok": True, "channel": "C1", "ts": "1.2"})
    httpserver.expect_request(f"/bot{BOT}/sendMessage").respond_with_json({"ok": True, "result": {"message_id": 1}})
    httpserver.expect_request("/").respond_with_json({"id": "sPs71M8A2T", "event": "message"})
    httpserver.expect_request("/1/messages.json").respond_with_json({"status": 1, "request": "r"})
    url, server = httpserver.url_for("/hook"), httpserver.url_for("")
    return {
        "email": {"to": ["alice@harbour.example"]},
        "slack_app": {"team": "T0HARBOUR", "channel": "#ops"},
        "slack": {"url": url},
        "discord": {"url": url},
        "teams": {"url": url},
        "telegram": {"token": BOT, "chat": "-1001234567890", "server": server},
        "ntfy": {"topic": "harbour-7fk2x9qd", "server": server},
        "pushover": {"token": "a" * 30, "user": "u" * 30, "server": server},
        "pagerduty": {"routing_key": "r" * 32, "server": server},
        "opsgenie": {"key": "12345678-90ab-cdef-1234-567890abcdef", "server": server},
        "sms": {
            "account": "AC" + "0" * 32,
            "secret": "s" * 32,
            "sender": "+15550100999",
            "to": ["+4915112345678"],
            "server": server,
        },
        "webhook": {"url": url, "secret": "s"},
        "apprise": {"url": "gchat://AAAAspace/s3cret-key/s3cret-token"},
    }


@pytest.fixture
def briefings(httpserver):
    """What a kind is told beyond its config when it sends."""
    wants = {"alice@harbour.example": {"state": "confirmed", "unsubscribe": "https://tokiflow.example/unsubscribe/1"}}
    return {"email": {"recipients": wants}, "slack_app": {"token": "xoxb-1", "server": httpserver.url_for("")}}


def test_kinds_are_found_by_name():
    assert [kind.kind for kind in channels.KINDS] == [
        *("email", "slack_app", "slack", "discord", "teams", "telegram", "ntfy", "pushover"),
        *("pagerduty", "opsgenie", "sms", "webhook", "apprise"),
    ]
    assert channels.get("slack").title == "Slack"


@pytest.mark.parametrize("name", ["", "pigeon", "Slack", "x" * 10_000])
def test_an_unknown_kind_is_told_which_there_are(name):
    with pytest.raises(Invalid, match="email, slack_app, slack, ") as caught:
        channels.get(name)
    assert set(caught.value.fields) == {"kind"}


@pytest.mark.parametrize("kind", channels.KINDS, ids=lambda kind: kind.kind)
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("what", KINDS)
def test_every_channel_delivers_every_message(kind, what, trouble, configs, briefings, outside, diverted):
    # What Apprise asks has an address of its own, which no config can change.
    outside = diverted if kind.kind == "apprise" else outside
    config = kind.validate(configs[kind.kind]) | briefings.get(kind.kind, {})
    receipt = kind.send(config, message(what, trouble), outside)
    assert receipt.response


@pytest.mark.parametrize("kind", channels.KINDS, ids=lambda kind: kind.kind)
def test_every_channel_delivers_a_summary_of_many(kind, configs, briefings, outside, diverted):
    outside = diverted if kind.kind == "apprise" else outside
    config = kind.validate(configs[kind.kind]) | briefings.get(kind.kind, {})
    assert kind.send(config, summary(54), outside).response


@pytest.mark.parametrize("kind", channels.KINDS, ids=lambda kind: kind.kind)
def test_what_is_stored_is_json_and_stays_as_it_is_when_validated_again(kind, configs):
    stored = kind.validate(configs[kind.kind])
    assert kind.validate(json.loads(json.dumps(stored))) == stored


@pytest.mark.parametrize("kind", channels.KINDS, ids=lambda kind: kind.kind)
@pytest.mark.parametrize(
    "config",
    [{}, {"url": 7}, {"url": None}, {"to": 7}, {"to": [7]}, {"to": {}}, {"url": ["a"]}, {"url": "http://\x00"}],
)
def test_nonsense_is_refused_by_field(kind, config):
    with pytest.raises(Invalid) as caught:
        kind.validate(config)
    assert all(name.startswith("config.") for name in caught.value.fields)


def test_secrets_are_written_and_never_read_back():
    webhook = channels.get("webhook")
    stored = webhook.validate(
        {"url": "https://example.com/hook/t0ken", "secret": "s3cret", "headers": {"Authorization": "Bearer t0ken"}}
    )
    assert webhook.public(stored)["secret"] == "set"
    assert webhook.public(stored)["headers"] == {"Authorization": "set"}
    assert webhook.public(webhook.validate({"url": "https://example.com/"}))["secret"] is None
    assert "t0ken" not in webhook.describe(stored)
    slack = channels.get("slack")
    assert "T0KEN" not in str(slack.public({"url": "https://hooks.slack.com/services/T0KEN"}))
    assert slack.describe({"url": "https://hooks.slack.com/services/T0KEN"}) == "Slack webhook"


def test_an_edit_keeps_secrets_that_are_left_out_or_written_back_as_shown():
    webhook = channels.get("webhook")
    stored = webhook.validate(
        {"url": "https://example.com/", "secret": "s3cret", "headers": {"Authorization": "Bearer 1", "X-Team": "ops"}}
    )
    shown = webhook.public(stored)
    assert channels.with_kept_secrets(webhook, stored, {"url": "https://other.example/"}) == {
        **{name: stored[name] for name in ("secret", "headers")},
        "url": "https://other.example/",
    }
    assert webhook.validate(channels.with_kept_secrets(webhook, stored, shown)) == stored
    edited = channels.with_kept_secrets(
        webhook, stored, {**shown, "secret": None, "headers": {"Authorization": "Bearer 2", "X-Team": "set"}}
    )
    assert (edited["secret"], edited["headers"]) == (None, {"Authorization": "Bearer 2", "X-Team": "ops"})


@pytest.mark.parametrize("name", ["slack", "webhook"])
def test_an_address_that_leads_inside_is_refused_for_good(name, outside):
    kind = channels.get(name)
    with pytest.raises(DeliveryError, match="private network") as caught:
        kind.send(kind.validate({"url": "http://10.1.2.3/"}), message(), outside)
    assert caught.value.permanent
