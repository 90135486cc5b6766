"""Slack's installed app: a card that changes in place, and one thread, against a Slack that checks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.channels.conftest import OPENED, TROUBLES, message
from tests.fixtures.slack_standin import BOT_SCOPES, slack_standin, wrong_with
from tokiflow.channels import slack_api
from tokiflow.channels.message import Listed
from tokiflow.channels.slack_app import SlackApp, card, reply
from tokiflow.errors import DeliveryError, Invalid

KINDS = ("opened", "reopened", "flapping", "escalated", "reminder", "acknowledged", "muted", "resolved", "test")
BUTTONS = ["Acknowledge", "Mute 1 h", "Resolve"]


@pytest.fixture
def slack():
    with slack_standin() as made:
        yield made


@pytest.fixture
def config(slack):
    """As it comes with its briefing."""
    stored = SlackApp().validate({"team": "T0HARBOUR", "channel": "#ops"})
    return {**stored, "token": slack.install(), "server": slack.base}


def tell(config, outside, kind="opened", trouble="failed", **changes):
    return SlackApp().send(config, message(kind, trouble, **changes), outside)


# What it looks like.


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("kind", KINDS)
def test_slack_takes_every_card_and_every_answer(kind, trouble):
    told = message(kind, trouble)
    for body in (card(told), card(replace(told, muted_until=OPENED)), reply(told)):
        assert wrong_with(body.get("blocks", [])) == ""
        assert all(wrong_with(one["blocks"]) == "" for one in body.get("attachments", []))


def test_slack_takes_the_largest_message():
    large = "&" * 5_000
    names = ("monitor_name", "summary", "reason", "advice", "organization", "environment", "schedule_words")
    words = dict.fromkeys([*names, "acknowledged_by"], large)
    listed = tuple(
        Listed(monitor_name=large, summary=large, url="https://x.example/" + large, status="down", at=OPENED)
        for _ in range(200)
    )
    for told in (
        message("opened", "failed", last_lines=(large,) * 20, tags=(large,) * 30, **words),
        message("summary", listed=listed, listed_total=7_000, **words),
    ):
        for body in (card(told), reply(told)):
            assert wrong_with(body["blocks"]) == ""
            assert all(wrong_with(one["blocks"]) == "" for one in body.get("attachments", []))


def test_a_summary_lists_many_and_has_no_buttons():
    listed = tuple(
        Listed(
            monitor_name=f"<Job> {n}", summary="missed its ping", url=f"https://x.example/{n}", status="up", at=OPENED
        )
        for n in range(40)
    )
    body = card(message("summary", listed=listed, listed_total=64))
    text = str(body)
    assert "● *<https://x.example/0|&lt;Job&gt; 0>* missed its ping" in text
    assert "and 34 more" in text
    assert not [block for block in body["blocks"] if block["type"] == "actions"]


def test_strangers_can_neither_link_nor_mention():
    evil = "<!channel> <@U1> <https://evil.example|click> & ```"
    names = ("monitor_name", "summary", "reason", "advice", "organization", "acknowledged_by", "because", "by")
    for kind in KINDS:
        told = message(kind, "failed", **dict.fromkeys(names, evil), last_lines=(evil,), tags=(evil,))
        for body in (card(replace(told, muted_until=OPENED)), reply(told)):
            assert "<!channel>" not in str(body)
            assert "<@U1>" not in str(body)
            assert "<https://evil" not in str(body)


def test_a_star_in_a_name_leaves_no_half_of_its_bold():
    assert card(message(monitor_name="cleanup *.tmp"))["text"] == "▲ Down: cleanup *.tmp missed its 02:05 ping"


# What is sent.


def test_trouble_is_a_card_with_buttons(slack, config, outside):
    receipt = tell(config, outside)

    [posted] = slack.posted
    assert list(posted.buttons) == BUTTONS
    assert {one["value"] for one in posted.buttons.values()} == {message().incident_id}
    assert "No space left on device" in posted.text
    assert receipt.memory == {"channel": "C0OPS0000", "ts": posted.ts, "because": ""}
    assert posted.room == "C0OPS0000"


def test_what_follows_changes_the_card_and_answers_in_its_thread(slack, config, outside):
    thread = tell(config, outside).memory
    tell(config, outside, "acknowledged", acknowledged_by="Alice (Slack)", thread=thread)
    [posted] = slack.cards()
    assert list(posted.buttons) == ["Mute 1 h", "Resolve"]
    assert "Acknowledged by Alice (Slack)" in posted.text

    tell(config, outside, "reminder", acknowledged_by="Alice (Slack)", thread=thread)
    tell(config, outside, "resolved", thread=thread)

    assert posted.changes == 3
    assert posted.buttons == {}
    assert posted.body["text"].startswith("● *Up: ")
    said = [one.body["text"] for one in slack.thread(posted.ts)]
    assert said[0] == "◔ Acknowledged by Alice (Slack)"
    assert said[1].startswith("▲ *Still down: ")
    assert said[2].startswith("● *Up: ")
    aloud = [call.arguments.get("reply_broadcast") for call in slack.called("chat.postMessage")]
    assert aloud == [None, False, True, False]


def test_a_summary_that_follows_changes_its_card_and_is_heard_unless_it_is_good_news(slack, config, outside):
    listed = [Listed(monitor_name=f"Job {n}", summary="", url="", status="down", at=OPENED) for n in range(5)]
    thread = tell(config, outside, "summary", listed=tuple(listed[:3])).memory
    tell(config, outside, "summary", listed=tuple(listed), thread=thread)
    over = tuple(replace(one, status="up") for one in listed)
    tell(config, outside, "summary", listed=over, thread={**thread, "alone": True})
    [posted] = slack.cards()
    assert posted.body["text"] == "● *Up: all 5 monitors of Harbour Freight are back*"
    assert [one.body["text"].split(":")[0] for one in slack.thread(posted.ts)] == ["▲ *Down", "● *Up"]
    aloud = [call.arguments.get("reply_broadcast") for call in slack.called("chat.postMessage")]
    assert aloud == [None, True, False]


def test_a_mute_of_what_has_no_card_of_its_own_says_nothing(slack, config, outside):
    receipt = tell(config, outside, "muted", by="Alice", muted_until=OPENED + timedelta(hours=1))
    assert slack.posted == []
    assert "no card" in receipt.response


@pytest.mark.parametrize(
    ("opened_as", "begins"), [("opened", "▲ *Down:"), ("reopened", "▲ *Down again:"), ("flapping", "◔ *Flapping:")]
)
def test_a_mute_leaves_the_card_what_it_is(slack, config, outside, opened_as, begins):
    thread = tell(config, outside, opened_as).memory
    for kind in ("muted", "unmuted"):
        tell(config, outside, kind, thread=thread, opened_as=opened_as)
        assert slack.cards()[0].body["text"].startswith(begins)


def test_trouble_that_comes_back_gets_its_buttons_back(slack, config, outside):
    thread = tell(config, outside).memory
    tell(config, outside, "resolved", thread=thread)
    tell(config, outside, "reopened", thread=thread)
    assert list(slack.cards()[0].buttons) == BUTTONS
    assert len(slack.cards()) == 1


def test_a_card_that_was_deleted_is_written_anew(slack, config, outside):
    thread = tell(config, outside).memory
    slack.posted.clear()
    receipt = tell(config, outside, "resolved", thread=thread)
    [posted] = slack.posted
    assert receipt.memory["ts"] == posted.ts != thread["ts"]


def test_a_test_stands_alone_and_asks_for_nothing(slack, config, outside):
    tell(config, outside, "test", thread={"channel": "C0OPS0000", "ts": "1700000000.000100"})
    [posted] = slack.posted
    assert posted.buttons == {}
    assert not posted.thread


def test_blocks_that_slack_does_not_take_dont_cost_the_alert(slack, config, outside):
    slack.fail("chat.postMessage", "invalid_blocks")
    tell(config, outside)
    assert list(slack.posted[0].body) == ["text"]


# What goes wrong.


@pytest.mark.parametrize(
    ("channel", "code", "permanent"),
    [
        ("#nowhere", "channel_not_found", True),
        ("#old", "is_archived", True),
        ("G0SECRET0", "channel_not_found", True),
    ],
)
def test_a_room_that_is_gone_is_told_in_words(channel, code, permanent, slack, config, outside):
    with pytest.raises(DeliveryError, match=code) as caught:
        tell({**config, "channel": channel}, outside)
    assert caught.value.permanent is permanent
    assert slack.posted == []


def test_without_the_scope_it_is_permanent(slack, config, outside):
    slack.teams["T0HARBOUR"].scopes = "commands"
    with pytest.raises(DeliveryError, match="missing_scope") as caught:
        tell(config, outside)
    assert caught.value.permanent


def test_public_rooms_need_no_invitation(slack, config, outside):
    tell({**config, "channel": "#general"}, outside)
    slack.teams["T0HARBOUR"].scopes = BOT_SCOPES.replace("chat:write.public,", "")
    with pytest.raises(DeliveryError, match="/invite"):
        tell({**config, "channel": "#general"}, outside)


@pytest.mark.parametrize("code", sorted(slack_api.REMOVED))
def test_a_removed_app_is_permanent(code, slack, config, outside):
    slack.fail("chat.postMessage", code)
    with pytest.raises(DeliveryError, match="add it again") as caught:
        tell(config, outside)
    assert caught.value.permanent


def test_without_a_token_nothing_is_asked(slack, config, outside):
    with pytest.raises(DeliveryError, match="add it again") as caught:
        tell({"team": "T0HARBOUR", "channel": "#ops", "server": slack.base}, outside)
    assert caught.value.permanent
    assert slack.calls == []


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        ("ratelimited", 429, 30),
        ("internal_error", 200, None),
        ("fatal_error", 200, None),
        ("", 503, 7),
        ("", 200, None),
    ],
)
def test_what_passes_is_tried_again(error, status, retry_after, method, slack, config, outside):
    thread = tell(config, outside).memory
    slack.fail(method, error, status, retry_after)
    with pytest.raises(DeliveryError) as caught:
        tell(config, outside, "resolved", thread=thread)
    assert not caught.value.permanent
    assert caught.value.retry_after == retry_after
    assert config["token"] not in str(vars(caught.value))


def test_an_answer_that_failed_halfway_comes_once(slack, config, outside):
    thread = tell(config, outside).memory
    slack.fail("chat.postMessage", "ratelimited", 429, 1)
    told = replace(message("resolved", "failed"), thread=thread)
    with pytest.raises(DeliveryError):
        SlackApp().send(config, told, outside)
    SlackApp().send(config, told, outside)
    assert len(slack.thread(thread["ts"])) == 1


# What it is made of.


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("#ops", "#ops"),
        (" Ops ", "#ops"),
        ("#ops-nächte", "#ops-nächte"),
        ("C0123ABCD", "C0123ABCD"),
        ("https://harbour.slack.com/archives/C0123ABCD", "C0123ABCD"),
        ("https://harbour.slack.com/archives/C0123ABCD/p1700000000000100?x=1", "C0123ABCD"),
    ],
)
def test_channels_are_named_in_any_way_people_do(written, stored):
    assert SlackApp().validate({"team": "T0HARBOUR", "channel": written})["channel"] == stored


@pytest.mark.parametrize("written", ["", None, 7, "#", "#two words", "@alice", "<!channel>", "#" + "x" * 81, "a\x00b"])
def test_what_is_no_channel_is_refused(written):
    with pytest.raises(Invalid) as caught:
        SlackApp().validate({"team": "T0HARBOUR", "channel": written})
    assert list(caught.value.fields) == ["config.channel"]


@pytest.mark.parametrize(
    ("url", "base", "ours"),
    [
        ("https://hooks.slack.com/actions/T0/1", "https://slack.com", True),
        ("https://slack.com/x", "https://slack.com", True),
        ("http://127.0.0.1:9/actions/1", "http://127.0.0.1:9/api/", True),
        ("http://127.0.0.1:8/actions/1", "http://127.0.0.1:9", False),
        ("http://hooks.slack.com/actions/1", "https://slack.com", False),
        ("https://hooks.slack.com:8443/", "https://slack.com", False),
        ("https://hooks.slack.com.evil.example/", "https://slack.com", False),
        ("https://slack.com@evil.example/", "https://slack.com", False),
        ("https://evilslack.com/", "https://slack.com", False),
        ("", "https://slack.com", False),
        ("https://[", "https://slack.com", False),
    ],
)
def test_an_answer_goes_only_to_slack(url, base, ours):
    assert slack_api.is_slacks(url, base) is ours


@pytest.mark.parametrize(
    "address", ["https://slack.com", "https://slack.com/", "https://slack.com/api", "https://slack.com/api/"]
)
def test_where_slack_is_may_be_written_in_any_way(address):
    assert slack_api.base(address) == "https://slack.com"


def test_a_mute_is_told_on_the_card():
    body = card(message(muted_until=OPENED + timedelta(hours=1)))
    assert "Muted until Sat 21 Nov, 03:05 (Europe/Berlin)" in str(body)
    assert "Unmute" in str(body)
