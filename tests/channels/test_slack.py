"""Slack's incoming webhook: cards that Slack takes, and answers that mean what they mean."""

from __future__ import annotations

import json

import pytest

from tests.channels.conftest import TROUBLES, message
from tokiflow.channels.slack import Slack, card
from tokiflow.errors import DeliveryError, Invalid

KINDS = ("opened", "reopened", "flapping", "resolved", "test")


def texts(value):
    """Every text in a card."""
    if isinstance(value, dict):
        yield from (value["text"],) if isinstance(value.get("text"), str) else ()
        for inner in value.values():
            yield from texts(inner)
    if isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def assert_slack_would_take_it(body):
    """The limits of https://docs.slack.dev/reference/block-kit/blocks."""
    [attachment] = body["attachments"]
    assert 1 <= len(attachment["blocks"]) <= 50
    for block in attachment["blocks"]:
        if block["type"] == "section":
            assert 1 <= len(block.get("text", {"text": "x"})["text"]) <= 3_000
            assert all(1 <= len(field["text"]) <= 2_000 for field in block.get("fields", []))
            assert len(block.get("fields", [])) <= 10
        else:
            assert block["type"] == "context"
            assert 1 <= len(block["elements"]) <= 10
    assert len(body["text"]) <= 4_000


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_card_says_what_why_and_what_to_do(kind, trouble):
    told = message(kind, trouble)
    body = card(told)
    assert_slack_would_take_it(body)
    everything = "\n".join(texts(body))
    for said in (told.summary, told.reason, told.advice, told.schedule_words, *told.last_lines):
        assert said in everything
    label = "See your channels" if kind == "test" else "Open the incident"
    assert f"<{told.incident_url}|{label}>" in everything


def test_the_line_in_the_notification_says_it_all_and_the_colour_is_not_alone():
    body = card(message())
    assert body["text"] == "▲ *Down: Nightly database backup missed its 02:05 ping*"
    assert body["attachments"][0]["color"] == "#bf2d20"
    assert card(message("resolved"))["text"].startswith("● *Up: ")


def test_strangers_can_neither_link_nor_mention_nor_break_out():
    evil = "<!channel> <https://evil.example|click> & ```"
    names = ("monitor_name", "summary", "reason", "advice", "organization", "environment", "schedule_words")
    body = card(message("opened", "failed", **dict.fromkeys(names, evil), last_lines=(evil,), tags=(evil,)))
    everything = "\n".join(texts(body))
    assert "<!channel>" not in everything
    assert "<https://evil" not in everything
    assert "&lt;!channel&gt;" in everything
    [output] = [one for one in texts(body) if one.startswith("*Last output*")]
    assert output.count("```") == 2


def test_the_largest_message_is_still_taken():
    large = "&" * 5_000
    names = ("monitor_name", "summary", "reason", "advice", "organization", "environment", "schedule_words")
    body = card(
        message("opened", "failed", **dict.fromkeys(names, large), last_lines=(large,) * 20, tags=(large,) * 30)
    )
    assert_slack_would_take_it(body)


def test_it_is_posted_as_json(outside, httpserver):
    httpserver.expect_request("/services/T/B/x", method="POST").respond_with_data("ok")

    receipt = Slack().send({"url": httpserver.url_for("/services/T/B/x")}, message(), outside)

    assert (receipt.status_code, receipt.response) == (200, "ok")
    request, _ = httpserver.log[0]
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.data) == card(message())


@pytest.mark.parametrize(
    ("status", "said", "permanent"),
    [
        (404, "no_service", True),
        (404, "channel_not_found", True),
        (410, "channel_is_archived", True),
        (403, "action_prohibited", True),
        (403, "invalid_token", True),
        (400, "no_team", True),
        (400, "invalid_payload", False),
        (429, "rate_limited", False),
        (500, "rollup_error", False),
        (503, "", False),
        (302, "", False),
    ],
)
def test_answers_are_permanent_only_when_the_webhook_is_gone(status, said, permanent, outside, httpserver):
    httpserver.expect_request("/x").respond_with_data(said, status=status, headers={"Retry-After": "30"})

    with pytest.raises(DeliveryError, match=str(status)) as caught:
        Slack().send({"url": httpserver.url_for("/x")}, message(), outside)

    error = caught.value
    assert (error.permanent, error.status_code, error.response, error.retry_after) == (permanent, status, said, 30)
    assert "/x" not in str(error), "the address is a secret"


def test_only_an_address_is_asked_for():
    assert Slack().validate({"url": " https://hooks.slack.com/services/T/B/x "}) == {
        "url": "https://hooks.slack.com/services/T/B/x"
    }
    with pytest.raises(Invalid) as caught:
        Slack().validate({"url": "https://chat.harbour.example/hooks/x", "channel": "#ops"})
    assert list(caught.value.fields) == ["config.channel"]
    for half in ("https://hooks.slack.com", "https://hooks.slack.com/services/T0/", "https://hooks.slack.com/x"):
        with pytest.raises(Invalid, match="write all of it"):
            Slack().validate({"url": half})
    assert Slack().validate({"url": "https://hooks.slack.com/triggers/T0/123/abc"})
    assert Slack().describe({"url": "https://chat.harbour.example/hooks/x"}) == (
        "Slack webhook at chat.harbour.example"
    )
