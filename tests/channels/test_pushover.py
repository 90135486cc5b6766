"""Pushover: messages that it takes, emergencies that ring and are hushed, answers that mean what they mean."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from tests.channels.conftest import OPENED, TROUBLES, message
from tests.channels.storms import HOSTILE, hostile, silent_receiver, summary
from tokiflow.adapters import http
from tokiflow.channels.pushover import Pushover, priority, request
from tokiflow.errors import DeliveryError, Invalid

APP = "azGDORePK8gMaC0QOYAMyEEuzJnyUi"
USER = "uQiRzpo4DXghDmr9QzzfQu27cmVRsG"
MESSAGES = "/1/messages.json"
CANCEL = f"/1/receipts/cancel_by_tag/{message().thread_key}.json"
TAKEN = {"status": 1, "request": "647d2300-702c-4b38-8b2f-d56326ae460b"}
NEWS = ("opened", "reopened", "flapping", "escalated", "reminder", "acknowledged", "resolved", "test")


def assert_pushover_would_take_it(asked):
    """https://pushover.net/api#limits and #priority"""
    assert 1 <= len(asked["message"]) <= 1_024
    assert 1 <= len(asked["title"]) <= 250
    assert len(asked.get("url", "")) <= 512
    assert len(asked.get("url_title", "")) <= 100
    assert asked["priority"] in range(-2, 3)
    assert (asked["priority"] == 2) == ("retry" in asked) == ("expire" in asked)
    assert 30 <= asked.get("retry", 30) <= asked.get("expire", 30) <= 10_800


def written(log, nth=0):
    """What the nth request to the server said, as a dictionary."""
    return dict(parse_qsl(log[nth][0].get_data(as_text=True), keep_blank_values=True, strict_parsing=True))


def paths(log):
    return [request.path for request, _ in log]


@pytest.fixture
def config(httpserver):
    return Pushover().validate({"token": APP, "user": USER, "server": httpserver.url_for("")})


@pytest.fixture
def ringing(config):
    return {**config, "urgency": "emergency"}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("kind", NEWS)
def test_every_message_says_what_why_and_what_to_do(kind, trouble, config):
    told = message(kind, trouble)
    asked = request(config, told)
    assert_pushover_would_take_it(asked)
    for said in (told.summary, told.reason, told.advice, *told.last_lines[-1:]):
        assert said in asked["message"]
    assert asked["url"] == told.incident_url


@pytest.mark.parametrize(
    ("kind", "severity", "levels"),
    [
        ("opened", "critical", (0, 1, 2)),
        ("reopened", "critical", (0, 1, 2)),
        ("flapping", "critical", (0, 1, 2)),
        ("escalated", "critical", (0, 1, 2)),
        ("reminder", "critical", (0, 1, 2)),
        ("opened", "warning", (0, 0, 0)),
        ("flapping", "warning", (0, 0, 0)),
        ("acknowledged", "critical", (-1, -1, -1)),
        ("resolved", "critical", (-1, -1, -1)),
        ("test", "critical", (0, 0, 0)),
    ],
)
def test_urgency_is_as_it_was_chosen_and_only_for_outages(kind, severity, levels):
    told = message(kind, severity=severity)
    assert tuple(priority({"urgency": one}, told) for one in ("normal", "high", "emergency")) == levels


def test_a_reminder_of_what_somebody_is_on_does_not_ring_and_ring():
    assert priority({"urgency": "emergency"}, message("reminder", acknowledged_by="Alice")) == 1


def test_the_title_says_it_all_and_the_link_has_a_name(config):
    asked = request(config, message())
    assert asked["title"] == "▲ Down: Nightly database backup missed its 02:05 ping"
    assert asked["url_title"] == "Open the incident"


def test_a_summary_lists_who_is_down_and_how_many_more(ringing):
    asked = request(ringing, summary(54))
    assert_pushover_would_take_it(asked)
    assert "▲ Backup 0 missed its 02:05 ping" in asked["message"]
    assert "and 34 more" in asked["message"]
    assert (asked["priority"], priority(ringing, summary(2, back=2))) == (2, -1)


@pytest.mark.parametrize("kind", ["opened", "resolved", "summary"])
@pytest.mark.parametrize("evil", HOSTILE)
def test_the_largest_and_oddest_message_is_still_taken(evil, kind, ringing):
    assert_pushover_would_take_it(request(ringing, hostile(evil, kind)))


def test_characters_are_counted_and_not_bytes(config):
    told = message("opened", "failed", last_lines=("🚢" * 300,) * 20, monitor_name="ü" * 120)
    asked = request(config, told)
    assert len(asked["message"]) > 900
    assert len(asked["message"].encode()) > 2_000


def test_an_address_that_is_too_long_is_left_out_and_the_next_taken(config):
    told = message(incident_url=f"https://tokiflow.example/{'x' * 600}")
    assert request(config, told)["url"] == told.monitor_url
    told = replace(told, monitor_url=told.incident_url)
    assert not {"url", "url_title"} & request(config, told).keys()


def test_it_is_posted_as_a_form(config, outside, httpserver):
    httpserver.expect_request(MESSAGES, method="POST").respond_with_json(TAKEN)
    lines = ("naïve ✗ a=b&c=d", "\x1b[31mred\x1b[0m\x00", "\udcff")
    told = message("opened", "failed", monitor_name="Zürich 🚢 <b>&amp;", last_lines=lines)
    receipt = Pushover().send({**config, "sound": "siren", "device": "iphone"}, told, outside)
    sent = written(httpserver.log)
    assert (sent["token"], sent["user"]) == (APP, USER)
    assert (sent["sound"], sent["device"], sent["priority"]) == ("siren", "iphone", "1")
    assert sent["title"].startswith("▲ Down: Zürich 🚢 <b>&amp; ")
    assert "naïve ✗ a=b&c=d\nred\n\ufffd" in sent["message"]
    assert "html" not in sent
    assert (receipt.status_code, receipt.memory) == (200, {})
    assert APP not in httpserver.log[0][0].url


def test_what_is_over_makes_no_sound(config, outside, httpserver):
    httpserver.expect_request(MESSAGES).respond_with_json(TAKEN)
    Pushover().send({**config, "sound": "siren"}, message("resolved"), outside)
    assert written(httpserver.log)["priority"] == "-1"
    assert "sound" not in written(httpserver.log)
    assert paths(httpserver.log) == [MESSAGES]


def test_an_emergency_rings_every_minute_for_an_hour_and_is_remembered(ringing, outside, httpserver):
    httpserver.expect_request(MESSAGES).respond_with_json({**TAKEN, "receipt": "rLqVuqTRh62UzxtmqiaLzQmVcPgiCy"})
    receipt = Pushover().send(ringing, message(), outside)
    sent = written(httpserver.log)
    assert (sent["priority"], sent["retry"], sent["expire"]) == ("2", "60", "3600")
    assert sent["tags"] == message().thread_key
    assert receipt.memory == {"receipt": "rLqVuqTRh62UzxtmqiaLzQmVcPgiCy"}


@pytest.mark.parametrize("kind", ["acknowledged", "resolved"])
def test_what_is_over_or_in_somebodys_hands_stops_the_ringing(kind, ringing, outside, httpserver):
    httpserver.expect_request(MESSAGES).respond_with_json(TAKEN)
    httpserver.expect_request(CANCEL, method="POST").respond_with_json({"status": 1, "canceled": 2})
    Pushover().send(ringing, message(kind), outside)
    assert paths(httpserver.log) == [MESSAGES, CANCEL]
    assert written(httpserver.log, 1) == {"token": APP}


def test_an_emergency_that_began_before_it_was_unchosen_is_stopped_too(config, outside, httpserver):
    httpserver.expect_request(MESSAGES).respond_with_json(TAKEN)
    httpserver.expect_request(CANCEL).respond_with_json({"status": 1})
    Pushover().send(config, message("resolved", thread={"receipt": "r"}), outside)
    assert paths(httpserver.log) == [MESSAGES, CANCEL]


def test_nothing_to_stop_is_fine(ringing, outside, httpserver):
    httpserver.expect_request(MESSAGES).respond_with_json(TAKEN)
    httpserver.expect_request(CANCEL).respond_with_json({"status": 0, "errors": ["tag not found"]}, status=404)
    assert Pushover().send(ringing, message("resolved"), outside).status_code == 200


@pytest.mark.parametrize("status", [429, 500])
def test_ringing_that_cannot_be_stopped_yet_is_stopped_later_without_telling_twice(
    status, ringing, outside, httpserver
):
    httpserver.expect_request(MESSAGES).respond_with_json(TAKEN)
    httpserver.expect_oneshot_request(CANCEL).respond_with_json({"status": 0}, status=status)
    httpserver.expect_oneshot_request(CANCEL).respond_with_json({"status": 1, "canceled": 1})
    with pytest.raises(DeliveryError) as caught:
        Pushover().send(ringing, message("resolved"), outside)
    assert (caught.value.permanent, caught.value.memory) == (False, {"delivered": True})
    receipt = Pushover().send(ringing, message("resolved", memory=caught.value.memory), outside)
    assert paths(httpserver.log) == [MESSAGES, CANCEL, CANCEL]
    assert receipt.response == "Sent in an earlier try; it rings no more."


@pytest.mark.parametrize(
    ("status", "said", "permanent", "shown"),
    [
        (
            400,
            {"status": 0, "user": "invalid", "errors": ["user identifier is invalid"]},
            True,
            "identifier is invalid",
        ),
        (400, {"status": 0, "token": "invalid", "errors": ["application token is invalid", "x"]}, True, "invalid; x"),
        (403, {"status": 0, "errors": ["forbidden"]}, True, "forbidden"),
        (404, None, True, "<html>"),
        (408, None, False, "<html>"),
        (429, {"status": 0, "errors": ["application is over its quota"]}, False, "over its quota"),
        (500, {"status": 0, "errors": ["internal error"]}, False, "internal error"),
        (503, None, False, "<html>"),
        (302, None, False, "<html>"),
        (200, None, False, "<html>"),
        (200, {"status": 0, "errors": "odd"}, False, "odd"),
    ],
)
def test_answers_are_permanent_where_pushover_says_that_it_is_us(
    status, said, permanent, shown, config, outside, httpserver
):
    if said:
        httpserver.expect_request(MESSAGES).respond_with_json(said, status=status)
    else:
        httpserver.expect_request(MESSAGES).respond_with_data("<html>", status=status)
    with pytest.raises(DeliveryError, match=f"Pushover answered {status}: ") as caught:
        Pushover().send(config, message(), outside)
    assert (caught.value.permanent, caught.value.status_code) == (permanent, status)
    assert shown in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "65"}, 65),
        ({}, None),
        ({"X-Limit-App-Reset": str(int(OPENED.timestamp()) + 601)}, 600),
        ({"X-Limit-App-Reset": str(int(OPENED.timestamp()) + 20 * 86_400)}, 3_600),
        ({"X-Limit-App-Reset": str(int(OPENED.timestamp()) - 500)}, 0),
        ({"X-Limit-App-Reset": str(int(OPENED.timestamp()) + 11), "Retry-After": "30"}, 30),
        ({"X-Limit-App-Reset": "soon"}, None),
        ({"X-Limit-App-Reset": "9" * 400}, 3_600),
    ],
)
def test_when_the_months_messages_are_used_up_it_waits_but_not_for_weeks(headers, wait, config, outside, httpserver):
    httpserver.expect_request(MESSAGES).respond_with_json({"status": 0}, status=429, headers=headers)
    with pytest.raises(DeliveryError) as caught:
        Pushover().send(config, message(), outside)
    assert (caught.value.permanent, caught.value.retry_after) == (False, wait)


def test_what_came_back_is_told_without_the_keys(config, outside, httpserver):
    said = {"status": 0, "errors": [f"{USER} does not know {APP}"]}
    httpserver.expect_request(MESSAGES).respond_with_json(said, status=400)
    with pytest.raises(DeliveryError) as caught:
        Pushover().send(config, message(), outside)
    shown = f"{caught.value} {caught.value.response} {Pushover().describe(config)} {Pushover().public(config)}"
    assert "does not know" in shown
    assert APP not in shown
    assert USER not in shown


def test_nobody_at_home_and_one_who_never_answers_are_tried_again(config, outside):
    with pytest.raises(DeliveryError) as caught:
        Pushover().send({**config, "server": "http://127.0.0.1:9"}, message(), outside)
    assert (caught.value.permanent, caught.value.unreachable) == (False, True)
    with silent_receiver() as server, http.within(0.2), pytest.raises(DeliveryError, match="in time") as caught:
        Pushover().send({**config, "server": server}, message(), outside)
    assert not caught.value.permanent


def test_what_is_written_is_checked_and_put_right():
    assert Pushover().validate({"token": f" {APP} ", "user": USER, "device": "iphone , pixel"}) == {
        "token": APP,
        "user": USER,
        "urgency": "high",
        "sound": "",
        "device": "iphone,pixel",
        "server": "https://api.pushover.net",
    }


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"token": ""}, "token", "is missing"),
        ({"token": "short"}, "token", "30 letters and digits"),
        ({"token": 7}, "token", "is missing"),
        ({"user": "alice@harbour.example"}, "user", "is an e-mail address"),
        ({"user": "ü" * 30}, "user", "30 letters and digits"),
        ({"urgency": "panic"}, "urgency", "must be one of high, emergency, normal"),
        ({"device": "my phone"}, "device", "is no name of a device"),
        ({"sound": "a b"}, "sound", "is no name of a sound"),
        ({"sound": 7}, "sound", "is no name of a sound"),
        ({"server": "pushover"}, "server", "is not a web address"),
    ],
)
def test_what_cannot_work_is_told(changes, field, said):
    with pytest.raises(Invalid, match=said) as caught:
        Pushover().validate({"token": APP, "user": USER, **changes})
    assert list(caught.value.fields) == [f"config.{field}"]


def test_where_it_goes_is_told_without_the_keys(config):
    assert Pushover().describe(config) == "all devices"
    assert Pushover().describe({**config, "device": "iphone,pixel"}) == "iphone, pixel"
    assert Pushover().facts({**config, "sound": "siren"}) == [("When a job is down", "Rings once"), ("Sound", "siren")]
    assert Pushover().host({"server": "https://api.pushover.net"}) == "api.pushover.net"
