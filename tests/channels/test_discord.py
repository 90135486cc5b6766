"""Discord's webhook: cards that are taken, a first message that turns green, answers that mean what they mean."""

from __future__ import annotations

import json
import re

import pytest

from tests.channels.conftest import TROUBLES, message
from tests.channels.storms import HOSTILE, hostile, summary
from tokiflow.channels import text
from tokiflow.channels.discord import Discord, back, embed, payload
from tokiflow.errors import DeliveryError, Invalid

PATH = "/api/webhooks/112233/s3cret-t0ken"
NEWS = ("opened", "reopened", "flapping", "escalated", "reminder", "acknowledged", "resolved", "test")
CREATED = {"id": "998877", "type": 0, "channel_id": "5", "embeds": []}


def texts(card):
    """Every text of a card that counts."""
    yield card["title"]
    yield card["description"]
    yield card["footer"]["text"]
    for field in card.get("fields", []):
        yield field["name"]
        yield field["value"]


def assert_discord_would_take_it(card):
    """https://docs.discord.com/developers/resources/message#embed-object-embed-limits"""
    assert 1 <= text.units(card["title"]) <= 256
    assert 1 <= text.units(card["description"]) <= 4_096
    assert len(card.get("fields", [])) <= 25
    for field in card.get("fields", []):
        assert 1 <= text.units(field["name"]) <= 256
        assert 1 <= text.units(field["value"]) <= 1_024
    assert 1 <= text.units(card["footer"]["text"]) <= 2_048
    assert sum(map(text.units, texts(card))) <= 6_000


@pytest.fixture
def config(httpserver):
    return Discord().validate({"url": httpserver.url_for(PATH)})


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("kind", NEWS)
def test_every_card_says_what_why_and_what_to_do(kind, trouble):
    told = message(kind, trouble)
    card = embed(told)
    assert_discord_would_take_it(card)
    everything = "\n".join(texts(card))
    for said in (told.summary, told.reason, told.advice, told.schedule_words, *told.last_lines):
        assert said.replace("_", "") in everything.replace("\\", "").replace("_", "")
    assert card["url"] == told.incident_url
    assert payload(told)["allowed_mentions"] == {"parse": []}


def test_the_colour_is_not_alone():
    down, up = embed(message()), embed(message("resolved"))
    assert down["title"] == "▲ Down: Nightly database backup missed its 02:05 ping"
    assert (down["color"], up["color"]) == (0xBF2D20, 0x16794F)
    assert up["title"] == "● Up: Nightly database backup is back after 9 h 12 min"
    assert embed(message(severity="warning"))["title"].startswith("◔ Warning: ")
    assert down["timestamp"] == "2026-11-21T01:05:00+00:00"


def test_a_summary_lists_who_is_down_and_how_many_more():
    card = embed(summary(54))
    assert_discord_would_take_it(card)
    assert "▲ [**Backup 0**](https://tokiflow.example/app/incidents/inc_0) missed its 02:05 ping" in card["description"]
    assert "and 34 more" in card["description"]
    assert "[See all incidents](https://tokiflow.example/app/incidents)" in card["description"]
    assert embed(summary(2, back=2))["color"] == 0x16794F
    assert "more" not in embed(summary(2, back=0))["description"]


@pytest.mark.parametrize("kind", ["opened", "summary"])
@pytest.mark.parametrize("evil", HOSTILE)
def test_the_largest_and_oddest_message_is_still_taken(evil, kind):
    told = hostile(evil, kind)
    assert_discord_would_take_it(embed(told))
    assert text.units(back(told)["content"]) <= 2_000


def test_strangers_can_neither_link_nor_mention_nor_format_nor_break_out():
    evil = "**x** [click](https://evil.example) @everyone <@1> ~~x~~ ||x|| `x` _x_ db_backup"
    card = embed(message("opened", "failed", monitor_name=evil, summary=evil, last_lines=("``` @here", "````")))
    for written in (card["title"], card["description"].split("\n")[0]):
        assert "db_backup" in written
        assert not set("*[]<>@~|`") & set(re.sub(r"\\.", "", written)), "each is escaped"
        assert "https://" not in written
    assert card["description"].count("```") == 2


def test_it_is_posted_and_its_message_remembered(config, outside, httpserver):
    httpserver.expect_request(PATH, method="POST").respond_with_json(CREATED)
    receipt = Discord().send(config, message(), outside)
    request, _ = httpserver.log[0]
    assert request.query_string == b"wait=true"
    assert json.loads(request.data) == payload(message())
    assert (receipt.status_code, dict(receipt.memory)) == (200, {"message_id": "998877"})
    assert "998877" in receipt.response


def test_a_thread_named_in_the_address_is_kept(outside, httpserver):
    httpserver.expect_request(PATH).respond_with_json(CREATED)
    httpserver.expect_request(f"{PATH}/messages/1").respond_with_json(CREATED)
    config = {"url": httpserver.url_for(PATH) + "/?thread_id=77&wait=false"}
    Discord().send(config, message("resolved", thread={"message_id": "1"}), outside)
    asked = [(request.method, request.path, request.query_string) for request, _ in httpserver.log]
    assert asked == [("PATCH", f"{PATH}/messages/1", b"thread_id=77"), ("POST", PATH, b"thread_id=77&wait=true")]


def test_recovery_turns_the_first_message_green_and_says_so_in_a_short_new_one(config, outside, httpserver):
    httpserver.expect_request(f"{PATH}/messages/998877", method="PATCH").respond_with_json(CREATED)
    httpserver.expect_request(PATH, method="POST").respond_with_json({**CREATED, "id": "2"})
    told = message("resolved", thread={"message_id": "998877"})
    receipt = Discord().send(config, told, outside)
    edited, posted = (json.loads(request.data) for request, _ in httpserver.log)
    assert edited == payload(told)
    assert edited["embeds"][0]["color"] == 0x16794F
    assert posted["content"] == (
        f"● Up: Nightly database backup is back after 9 h 12 min [Open the incident](<{told.incident_url}>)"
    )
    assert "embeds" not in posted
    assert posted["allowed_mentions"] == {"parse": []}
    assert receipt.memory == {"message_id": "2"}


@pytest.mark.parametrize(
    ("thread", "answer"),
    [({}, None), ({"message_id": "1"}, (404, {"message": "Unknown Message", "code": 10008}))],
)
def test_recovery_without_a_first_message_is_told_in_full(thread, answer, config, outside, httpserver):
    httpserver.expect_request(PATH, method="POST").respond_with_json(CREATED)
    if answer:
        httpserver.expect_request(f"{PATH}/messages/1").respond_with_json(answer[1], status=answer[0])
    told = message("resolved", thread=thread)
    Discord().send(config, told, outside)
    assert json.loads(httpserver.log[-1][0].data) == payload(told)


def test_that_somebody_is_on_it_only_changes_the_first_message(config, outside, httpserver):
    httpserver.expect_request(f"{PATH}/messages/1", method="PATCH").respond_with_json({**CREATED, "id": "1"})
    told = message("acknowledged", acknowledged_by="Alice", thread={"message_id": "1"})
    receipt = Discord().send(config, told, outside)
    [(request, _)] = httpserver.log
    assert json.loads(request.data)["embeds"][0]["title"].endswith("is being looked at by Alice")
    assert receipt.memory == {"message_id": "1"}


@pytest.mark.parametrize("kind", ["reopened", "flapping"])
def test_trouble_that_comes_back_changes_the_first_message_and_is_told_in_full(kind, config, outside, httpserver):
    httpserver.expect_request(f"{PATH}/messages/1", method="PATCH").respond_with_json(CREATED)
    httpserver.expect_request(PATH, method="POST").respond_with_json(CREATED)
    told = message(kind, thread={"message_id": "1"})
    Discord().send(config, told, outside)
    assert [json.loads(request.data) for request, _ in httpserver.log] == [payload(told)] * 2


@pytest.mark.parametrize("status", [429, 500])
def test_an_edit_that_may_work_later_is_tried_again_before_anything_new_is_said(status, config, outside, httpserver):
    httpserver.expect_request(f"{PATH}/messages/1").respond_with_json({"retry_after": 2.5}, status=status)
    with pytest.raises(DeliveryError) as caught:
        Discord().send(config, message("resolved", thread={"message_id": "1"}), outside)
    assert (caught.value.permanent, caught.value.retry_after) == (False, 2.5)
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("status", "said", "permanent"),
    [
        (404, {"message": "Unknown Webhook", "code": 10015}, True),
        (401, {"message": "Invalid Webhook Token", "code": 50027}, True),
        (403, {"message": "Missing Permissions", "code": 50013}, True),
        (403, None, False),
        (401, None, False),
        (400, {"message": "Invalid Form Body", "code": 50035}, False),
        (500, None, False),
        (503, {"message": "upstream"}, False),
        (302, None, False),
    ],
)
def test_answers_are_permanent_only_when_the_webhook_is_gone(status, said, permanent, config, outside, httpserver):
    httpserver.expect_request(PATH).respond_with_data(json.dumps(said) if said else "<html>", status=status)
    with pytest.raises(DeliveryError, match=f"Discord answered {status}: ") as caught:
        Discord().send(config, message(), outside)
    assert (caught.value.permanent, caught.value.status_code) == (permanent, status)


@pytest.mark.parametrize(
    ("header", "body", "wait"),
    [
        ("65", {"message": "You are being rate limited.", "retry_after": 64.57, "global": False}, 65),
        ("1", {"message": "You are being rate limited.", "retry_after": 1.337, "global": True}, 1.337),
        ("120", "error code: 1015", 120),
        ("", {"retry_after": "soon"}, None),
    ],
)
def test_too_many_requests_wait_as_long_as_discord_says(header, body, wait, config, outside, httpserver):
    headers = {"Retry-After": header} if header else {}
    httpserver.expect_request(PATH).respond_with_data(json.dumps(body), status=429, headers=headers)
    with pytest.raises(DeliveryError) as caught:
        Discord().send(config, message(), outside)
    assert (caught.value.permanent, caught.value.retry_after) == (False, wait)


def test_what_came_back_is_told_without_the_key_to_the_channel(config, outside, httpserver):
    httpserver.expect_request(PATH).respond_with_data(f"no such page: {PATH}", status=502)
    with pytest.raises(DeliveryError) as caught:
        Discord().send(config, message(), outside)
    assert caught.value.response == "no such page: …"
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in Discord().describe(config) + str(Discord().public(config))


def test_nobody_at_home_is_tried_again(outside):
    with pytest.raises(DeliveryError) as caught:
        Discord().send({"url": f"http://127.0.0.1:9{PATH}"}, message(), outside)
    assert not caught.value.permanent
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com/api/webhooks/1/abc_DEF-1",
        "https://discordapp.com/api/webhooks/1/abc",
        "https://ptb.discord.com/api/v10/webhooks/1/abc?thread_id=5",
        "https://chat.harbour.example/hook",
    ],
)
def test_addresses_of_webhooks_are_taken(url):
    assert Discord().validate({"url": f" {url} "}) == {"url": url}


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com/channels/1/2",
        "https://discord.com/api/webhooks/1",
        "https://discord.com/api/webhooks/1/abc/slack",
        "discord",
        "",
    ],
)
def test_addresses_of_something_else_are_told(url):
    with pytest.raises(Invalid) as caught:
        Discord().validate({"url": url})
    assert list(caught.value.fields) == ["config.url"]


def test_where_it_goes_is_told_without_the_key():
    assert Discord().describe({"url": f"https://discord.com{PATH}"}) == "Discord webhook"
    assert (
        Discord().describe({"url": f"https://chat.harbour.example{PATH}"}) == "Discord webhook at chat.harbour.example"
    )
    assert Discord().host({"url": f"https://discord.com{PATH}"}) == "discord.com"


def test_in_a_forum_each_incident_has_a_thread_of_its_own(config, outside, httpserver):
    wants = {"code": 220001, "message": "Webhooks posted to forum channels must have a thread_name or thread_id"}
    httpserver.expect_ordered_request(PATH, "POST", query_string="wait=true").respond_with_json(wants, status=400)
    httpserver.expect_ordered_request(PATH, "POST", query_string="wait=true").respond_with_json(CREATED)
    first = Discord().send(config, message(because="by the rule “Database”"), outside).memory
    assert first == {"message_id": "998877", "thread_id": "5", "because": "by the rule “Database”"}
    named = json.loads(httpserver.log[1][0].data)
    assert named["thread_name"] == "Down: Nightly database backup missed its 02:05 ping"

    httpserver.expect_ordered_request(f"{PATH}/messages/998877", "PATCH", query_string="thread_id=5").respond_with_json(
        CREATED
    )
    httpserver.expect_ordered_request(PATH, "POST", query_string="wait=true&thread_id=5").respond_with_json(CREATED)
    Discord().send(config, message("resolved", thread=first, lines_before=("disk full",)), outside)
    edited = json.loads(httpserver.log[2][0].data)["embeds"][0]
    assert "told by the rule “Database”" in edited["footer"]["text"]
    assert "**Output of the trouble**\n```\ndisk full\n```" in edited["description"]
    httpserver.check_assertions()


def test_a_thread_that_somebody_deleted_is_begun_anew_and_disables_nothing(config, outside, httpserver):
    gone, wants = {"code": 10003, "message": "Unknown Channel"}, {"code": 220001, "message": "thread_name"}
    httpserver.expect_ordered_request(PATH, "POST", query_string="wait=true&thread_id=5").respond_with_json(
        gone, status=404
    )
    httpserver.expect_ordered_request(PATH, "POST").respond_with_json(wants, status=400)
    httpserver.expect_ordered_request(PATH, "POST").respond_with_json({**CREATED, "channel_id": "6"})
    known = {"message_id": "998877", "thread_id": "5"}
    assert Discord().send(config, message("reminder", thread=known), outside).memory["thread_id"] == "6"


def test_a_summary_that_follows_changes_the_first_and_says_so_in_a_line(config, outside, httpserver):
    httpserver.expect_request(f"{PATH}/messages/998877", method="PATCH").respond_with_json(CREATED)
    httpserver.expect_request(PATH, method="POST").respond_with_json(CREATED)
    told = summary(7, back=2, thread={"message_id": "998877"})
    Discord().send(config, told, outside)
    edited, posted = (json.loads(request.data) for request, _ in httpserver.log)
    assert "Backup 6" in edited["embeds"][0]["description"]
    assert posted["content"].startswith("▲ Down: 7 monitors of Harbour Freight, 2 are back")
