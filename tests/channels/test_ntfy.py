"""ntfy: requests that it takes, urgency that fits, a first message that turns into its recovery."""

from __future__ import annotations

import json
import re

import pytest

from tests.channels.conftest import TROUBLES, message
from tests.channels.storms import HOSTILE, hostile, silent_receiver, summary
from tokiflow.adapters import http
from tokiflow.channels.ntfy import SIZE_LIMIT, Ntfy, body, new_topic, payload, priority
from tokiflow.errors import DeliveryError, Invalid

TOPIC = "harbour-7fk2x9qd"
TOKEN = "tk_s3cr3ts3cr3ts3cr3ts3cr3ts3cr3"
NEWS = ("opened", "reopened", "flapping", "escalated", "reminder", "acknowledged", "resolved", "test")
PUBLISHED = {"id": "sPs71M8A2T", "time": 1732151101, "event": "message", "topic": TOPIC}


def assert_ntfy_would_take_it(written):
    """https://docs.ntfy.sh/publish/#limitations, and #action-buttons."""
    assert len(written) <= SIZE_LIMIT <= 4_096
    told = json.loads(written)
    assert told["topic"] == TOPIC
    assert 1 <= len(told["message"].encode()) <= 4_096
    assert 1 <= len(told["title"].encode()) <= 500
    assert told["priority"] in range(1, 6)
    assert all(tag and "," not in tag and len(tag) <= 40 for tag in told["tags"])
    assert len(told.get("actions", ())) <= 3
    assert all(action["action"] == "view" and action["label"] and action["url"] for action in told["actions"])
    assert re.fullmatch(r"[-_A-Za-z0-9]{1,64}", told["sequence_id"])
    return told


@pytest.fixture
def config(httpserver):
    return Ntfy().validate({"topic": TOPIC, "server": httpserver.url_for("/")})


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("kind", NEWS)
def test_every_message_says_what_why_and_what_to_do(kind, trouble):
    told = message(kind, trouble)
    published = assert_ntfy_would_take_it(body(TOPIC, told))
    for said in (told.summary, told.reason, told.advice, told.schedule_words, *told.last_lines):
        assert said in published["message"]
    assert published["click"] == published["actions"][0]["url"] == told.incident_url


@pytest.mark.parametrize(
    ("kind", "severity", "priority", "emoji"),
    [
        ("opened", "critical", 5, "rotating_light"),
        ("opened", "warning", 3, "warning"),
        ("reopened", "critical", 5, "rotating_light"),
        ("flapping", "critical", 4, "warning"),
        ("flapping", "warning", 3, "warning"),
        ("escalated", "critical", 5, "rotating_light"),
        ("escalated", "warning", 3, "warning"),
        ("reminder", "critical", 5, "rotating_light"),
        ("acknowledged", "critical", 2, "eyes"),
        ("resolved", "critical", 2, "white_check_mark"),
        ("resolved", "warning", 2, "white_check_mark"),
        ("test", "critical", 3, "wave"),
    ],
)
def test_urgency_fits_what_is_told_and_is_seen_at_a_glance(kind, severity, priority, emoji):
    published = payload(TOPIC, message(kind, severity=severity))
    assert (published["priority"], published["tags"][0]) == (priority, emoji)


def test_the_title_is_the_line_that_says_it_all():
    published = payload(TOPIC, message())
    assert published["title"] == "Down: Nightly database backup missed its 02:05 ping"
    assert published["tags"] == ["rotating_light", "db", "prod"]
    assert [action["label"] for action in published["actions"]] == ["Open the incident", "See the monitor"]


def test_a_summary_lists_who_is_down_and_how_many_more():
    published = assert_ntfy_would_take_it(body(TOPIC, summary(54)))
    assert "▲ Backup 0 missed its 02:05 ping" in published["message"]
    assert "and 34 more" in published["message"]
    assert published["click"] == "https://tokiflow.example/app/incidents"
    assert (published["priority"], priority(summary(2, back=2))) == (5, 2)


@pytest.mark.parametrize("kind", ["opened", "resolved", "summary"])
@pytest.mark.parametrize("evil", [*HOSTILE, "quotes"])
def test_the_largest_and_oddest_message_is_still_taken(evil, kind, monkeypatch):
    monkeypatch.setitem(HOSTILE, "quotes", '"\\' * 5_000)
    assert_ntfy_would_take_it(body(TOPIC, hostile(evil, kind)))


def test_odd_characters_arrive_as_they_are(config, outside, httpserver):
    httpserver.expect_request("/").respond_with_json(PUBLISHED)
    name, lines = "Zürich 🚢 “Nightly” <b>&", ("naïve ✗", "\x1b[31mred\x1b[0m\x00", "tab\tbed", "\udcff")
    Ntfy().send(config, message("opened", "failed", monitor_name=name, last_lines=lines), outside)
    told = json.loads(httpserver.log[0][0].data)
    assert name in told["title"]
    assert "naïve ✗\nred\ntab bed\n\ufffd" in told["message"]


def test_it_is_published_as_json_and_remembered(config, outside, httpserver):
    httpserver.expect_request("/", method="POST").respond_with_json(PUBLISHED)
    receipt = Ntfy().send(config, message(), outside)
    [(request, _)] = httpserver.log
    assert request.headers["Content-Type"] == "application/json"
    assert "Authorization" not in request.headers
    assert json.loads(request.data) == payload(TOPIC, message())
    assert (receipt.status_code, receipt.memory) == (200, {"sequence_id": message().dedup_key})
    assert "sPs71M8A2T" in receipt.response


@pytest.mark.parametrize(("status", "code"), [(413, 41303), (400, 40014)])
def test_a_server_that_takes_less_is_told_less(status, code, config, outside, httpserver):
    httpserver.expect_oneshot_request("/").respond_with_json({"code": code, "error": "too large"}, status=status)
    httpserver.expect_request("/").respond_with_json(PUBLISHED)
    told = message("opened", "failed", last_lines=("x" * 200,) * 20)
    assert Ntfy().send(config, told, outside).status_code == 200
    first, second = (request.data for request, _ in httpserver.log)
    assert len(first) > 3_500
    assert len(second) <= 1_200
    assert told.summary in json.loads(second)["message"]


def test_with_an_access_token_it_says_who_it_is(config, outside, httpserver):
    httpserver.expect_request("/").respond_with_json(PUBLISHED)
    Ntfy().send({**config, "token": TOKEN}, message(), outside)
    assert httpserver.log[0][0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_what_makes_no_sound_takes_the_place_of_the_first_message_and_what_rings_does_not():
    thread = {"sequence_id": "dlv_first"}
    for kind in ("acknowledged", "resolved"):
        assert payload(TOPIC, message(kind, thread=thread))["sequence_id"] == "dlv_first"
    for kind in ("reopened", "flapping", "escalated", "reminder"):
        assert payload(TOPIC, message(kind, thread=thread))["sequence_id"] == message().dedup_key
    assert payload(TOPIC, message("resolved"))["sequence_id"] == message().dedup_key


@pytest.mark.parametrize(
    ("status", "said", "permanent"),
    [
        (401, {"code": 40101, "http": 401, "error": "unauthorized"}, True),
        (403, {"code": 40301, "http": 403, "error": "forbidden"}, True),
        (404, {"code": 40401, "http": 404, "error": "page not found"}, True),
        (400, {"code": 40009, "http": 400, "error": "invalid request: topic invalid"}, True),
        (400, {"code": 40010, "http": 400, "error": "invalid request: topic name is disallowed"}, True),
        (400, {"code": 40024, "http": 400, "error": "invalid request: request body must be valid JSON"}, False),
        (429, {"code": 42908, "http": 429, "error": "limit reached: too many messages"}, False),
        (413, {"code": 41303, "http": 413, "error": "JSON body too large"}, False),
        (500, {"code": 50001, "http": 500, "error": "internal server error"}, False),
        (502, None, False),
        (302, None, False),
        (200, None, False),
    ],
)
def test_answers_are_permanent_only_where_waiting_cannot_help(status, said, permanent, config, outside, httpserver):
    httpserver.expect_request("/").respond_with_data(json.dumps(said) if said else "<html>", status=status)
    with pytest.raises(DeliveryError, match=f"ntfy answered {status}: ") as caught:
        Ntfy().send(config, message(), outside)
    assert (caught.value.permanent, caught.value.status_code) == (permanent, status)
    assert (said or {"error": "<html>"})["error"] in str(caught.value)


@pytest.mark.parametrize(("header", "wait"), [("65", 65), ("", None)])
def test_too_many_requests_wait_as_long_as_it_says(header, wait, config, outside, httpserver):
    headers = {"Retry-After": header} if header else {}
    httpserver.expect_request("/").respond_with_json({"code": 42901, "error": "be nice"}, status=429, headers=headers)
    with pytest.raises(DeliveryError) as caught:
        Ntfy().send(config, message(), outside)
    assert (caught.value.permanent, caught.value.retry_after) == (False, wait)


def test_what_came_back_is_told_without_the_access_token(config, outside, httpserver):
    httpserver.expect_request("/").respond_with_json({"code": 40101, "error": f"no user for {TOKEN}"}, status=401)
    with pytest.raises(DeliveryError) as caught:
        Ntfy().send({**config, "token": TOKEN}, message(), outside)
    shown = Ntfy().describe(config) + str(Ntfy().public({**config, "token": TOKEN}))
    assert TOKEN not in f"{caught.value} {caught.value.response} {shown}"


def test_nobody_at_home_and_one_who_never_answers_are_tried_again(outside):
    with pytest.raises(DeliveryError) as caught:
        Ntfy().send({"topic": TOPIC, "server": "http://127.0.0.1:9"}, message(), outside)
    assert (caught.value.permanent, caught.value.unreachable) == (False, True)
    with silent_receiver() as server, http.within(0.2), pytest.raises(DeliveryError, match="in time") as caught:
        Ntfy().send({"topic": TOPIC, "server": server}, message(), outside)
    assert not caught.value.permanent


def test_what_is_written_is_checked_and_put_right():
    stored = Ntfy().validate({"topic": f" {TOPIC} ", "token": f" {TOKEN} ", "server": "https://ntfy.harbour.example/"})
    assert stored == {"topic": TOPIC, "token": TOKEN, "server": "https://ntfy.harbour.example"}
    assert Ntfy().validate({"topic": TOPIC}) == {"topic": TOPIC, "token": None, "server": "https://ntfy.sh"}


@pytest.mark.parametrize(
    ("config", "field", "said"),
    [
        ({}, "topic", "is missing"),
        ({"topic": "two words"}, "topic", "is no topic"),
        ({"topic": "x" * 65}, "topic", "at most 64"),
        ({"topic": "https://ntfy.sh/harbour"}, "topic", "is an address"),
        ({"topic": 7}, "topic", "is missing"),
        ({"topic": TOPIC, "token": "two words"}, "token", "is no access token"),
        ({"topic": TOPIC, "token": "tk_ü"}, "token", "is no access token"),
        ({"topic": TOPIC, "token": "a\nb"}, "token", "is no access token"),
        ({"topic": TOPIC, "token": ["a"]}, "token", "is no access token"),
        ({"topic": TOPIC, "server": "ntfy.sh"}, "server", "is not a web address"),
    ],
)
def test_what_cannot_work_is_told(config, field, said):
    with pytest.raises(Invalid, match=said) as caught:
        Ntfy().validate(config)
    assert list(caught.value.fields) == [f"config.{field}"]


def test_a_new_form_begins_with_a_topic_that_nobody_guesses():
    assert Ntfy().validate({"topic": new_topic()})["topic"].startswith("tokiflow-")
    assert new_topic() != new_topic()


def test_where_it_goes_is_told():
    assert Ntfy().describe({"topic": TOPIC, "server": "https://ntfy.sh"}) == f"ntfy.sh/{TOPIC}"
    assert Ntfy().host({"topic": TOPIC, "server": "https://ntfy.harbour.example:8443"}) == "ntfy.harbour.example:8443"
