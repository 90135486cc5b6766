"""Opsgenie's alerts: created, acknowledged and closed by their alias, and nobody left paged by a test."""

from __future__ import annotations

import json

import pytest
from werkzeug import Response

from tests.channels.conftest import TROUBLES, message
from tests.channels.storms import HOSTILE, hostile, summary
from tokiflow import channels
from tokiflow.adapters import http
from tokiflow.channels.opsgenie import Opsgenie, alert
from tokiflow.errors import DeliveryError, Invalid

KEY = "12345678-90ab-cdef-1234-567890abcdef"
REQUEST = "43a29c5c-3dbf-4fa4-9c26-f4f71023e120"
TAKEN = {"result": "Request will be processed", "took": 0.302, "requestId": REQUEST}
CREATES = ("opened", "reopened", "flapping", "escalated", "reminder")
ALIAS = message().thread_key


@pytest.fixture
def config(httpserver):
    return Opsgenie().validate({"key": KEY, "server": httpserver.url_for("")})


@pytest.fixture
def opsgenie(httpserver):
    httpserver.expect_request("/v2/alerts", method="POST").respond_with_json(TAKEN, status=202)
    for alias in (ALIAS, message("test").dedup_key):
        for what in ("acknowledge", "close"):
            httpserver.expect_request(
                f"/v2/alerts/{alias}/{what}", method="POST", query_string="identifierType=alias"
            ).respond_with_json(TAKEN, status=202)
    return httpserver


def assert_opsgenie_would_take_it(body):
    """https://docs.opsgenie.com/docs/alert-api#create-alert"""
    assert 1 <= len(body["message"].encode("utf-16-le")) // 2 <= 130
    assert 1 <= len(body["alias"]) <= 512
    assert 1 <= len(body["description"].encode("utf-16-le")) // 2 <= 15_000
    assert len(body.get("tags", [])) <= 20
    assert all(len(tag) <= 50 for tag in body.get("tags", []))
    assert all(isinstance(value, str) for value in body["details"].values())
    assert sum(len(name) + len(value) for name, value in body["details"].items()) <= 8_000
    assert len(body["entity"]) <= 512
    assert body["priority"] in {"P1", "P2", "P3", "P4", "P5"}
    assert all(one["type"] in {"team", "user", "schedule", "escalation"} for one in body.get("responders", []))


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("kind", CREATES)
def test_trouble_creates_an_alert_under_the_alias_of_its_incident(kind, trouble, config, outside, opsgenie):
    told = message(kind, trouble)
    receipt = Opsgenie().send(config, told, outside)
    [(request, _)] = opsgenie.log
    body = json.loads(request.data)
    assert_opsgenie_would_take_it(body)
    assert request.headers["Authorization"] == f"GenieKey {KEY}"
    assert body["alias"] == ALIAS
    for part in (told.summary, told.reason, told.advice, told.incident_url, *told.last_lines):
        assert part in body["description"]
    assert body["details"]["Schedule"] == told.schedule_words
    assert receipt.status_code == 202
    assert REQUEST in receipt.response


def test_it_says_what_broke_and_how_bad_it_is(config):
    body = alert(config, message("opened", "failed"))
    assert body["message"] == "Down: Nightly database backup failed with exit code 1"
    assert (body["entity"], body["source"], body["priority"]) == ("Nightly database backup", "Tokiflow", "P1")
    assert body["tags"] == ["db", "prod"]
    assert "responders" not in body
    assert alert(config, message(severity="warning"))["priority"] == "P3"


def test_priorities_responders_and_tags_are_those_that_were_chosen():
    config = Opsgenie().validate(
        {
            "key": KEY,
            "outages": "P2",
            "warnings": "P5",
            "responders": "Database\nalice@harbour.example, schedule: Nights\nescalation:Database",
            "tags": ["cron", "db"],
        }
    )
    body = alert(config, message())
    assert body["responders"] == [
        {"type": "team", "name": "Database"},
        {"type": "user", "username": "alice@harbour.example"},
        {"type": "schedule", "name": "Nights"},
        {"type": "escalation", "name": "Database"},
    ]
    assert body["tags"] == ["cron", "db", "prod"]
    assert (body["priority"], alert(config, message(severity="warning"))["priority"]) == ("P2", "P5")
    assert Opsgenie().validate(config) == config


@pytest.mark.parametrize(
    ("line", "responder"),
    [
        ("team: 4513b7ea-3b91-438f-b7e4-e3e54af9147c", {"type": "team", "id": "4513b7ea-3b91-438f-b7e4-e3e54af9147c"}),
        ("user: 712020:bb4d9938-c3c2-455d-aaab-727aa701c0d8", {"type": "user"}),
        ("user: 5b10ac8d82e05b22cc7d4ef5", {"type": "user", "id": "5b10ac8d82e05b22cc7d4ef5"}),
        ("4513b7ea-3b91-438f-b7e4-e3e54af9147c", {"type": "team", "id": "4513b7ea-3b91-438f-b7e4-e3e54af9147c"}),
    ],
)
def test_responders_may_be_ids_as_jira_wants_them(line, responder):
    config = Opsgenie().validate({"key": KEY, "region": "jira", "responders": line})
    [told] = alert(config, message())["responders"]
    assert set(told) == {"type", "id"}
    assert responder.items() <= told.items()
    assert Opsgenie().validate(config) == config


@pytest.mark.parametrize(("kind", "what"), [("acknowledged", "acknowledge"), ("resolved", "close")])
def test_what_becomes_of_it_meets_the_same_alert(kind, what, config, outside, opsgenie):
    receipt = Opsgenie().send(config, message(kind, acknowledged_by="Alice"), outside)
    [(request, _)] = opsgenie.log
    assert (request.path, request.query_string) == (f"/v2/alerts/{ALIAS}/{what}", b"identifierType=alias")
    body = json.loads(request.data)
    assert body["source"] == "Tokiflow"
    assert body.get("user") == ("Alice" if kind == "acknowledged" else None)
    assert "Nightly database backup" in body["note"]
    assert REQUEST in receipt.response


@pytest.mark.parametrize(("kind", "what"), [("acknowledged", "acknowledge"), ("resolved", "close")])
def test_an_alert_that_somebody_deleted_needs_nothing_more(kind, what, config, outside, httpserver):
    httpserver.expect_request(f"/v2/alerts/{ALIAS}/{what}").respond_with_json({"message": "Not found"}, status=404)
    receipt = Opsgenie().send(config, message(kind), outside)
    assert receipt.status_code == 404
    assert receipt.response.startswith("No such alert is open there any more.")


def test_an_address_that_takes_no_alerts_is_no_success(config, outside, httpserver):
    httpserver.expect_request("/v2/alerts").respond_with_data("no such page", status=404)
    with pytest.raises(DeliveryError, match="Opsgenie answered 404: no such page") as caught:
        Opsgenie().send(config, message(), outside)
    assert not caught.value.permanent


def test_it_hears_of_acknowledgements_and_of_every_incident_by_itself():
    assert Opsgenie.follows == {"acknowledged"}
    assert not Opsgenie.for_people


def test_a_test_creates_an_alert_of_its_own_and_closes_it_at_once(config, outside, opsgenie):
    told = message("test")
    receipt = Opsgenie().send(config, told, outside)
    assert [request.path for request, _ in opsgenie.log] == ["/v2/alerts", f"/v2/alerts/{told.dedup_key}/close"]
    body = json.loads(opsgenie.log[0][0].data)
    assert_opsgenie_would_take_it(body)
    assert (body["alias"], body["priority"]) == (told.dedup_key, "P5")
    assert receipt.response.count(REQUEST) == 2


def test_a_test_that_can_not_be_closed_says_what_is_left_to_do(config, outside, httpserver):
    httpserver.expect_request("/v2/alerts").respond_with_json(TAKEN, status=202)
    httpserver.expect_request(f"/v2/alerts/{message('test').dedup_key}/close").respond_with_data("busy", status=503)
    with pytest.raises(DeliveryError, match=r"could not be ended: .*busy\. Close it in Opsgenie"):
        Opsgenie().send(config, message("test"), outside)
    assert len(httpserver.log) == 4


def test_a_long_name_loses_its_end_and_not_what_happened(config):
    body = alert(config, message("opened", "failed", monitor_name="Backup " * 17))
    assert body["message"].endswith("… failed with exit code 1")
    assert 120 <= len(body["message"]) <= 130


def test_a_summary_lists_who_is_down_and_one_of_good_news_closes(config, outside, opsgenie):
    body = alert(config, summary(54))
    assert_opsgenie_would_take_it(body)
    assert "▲ Backup 0 missed its 02:05 ping" in body["description"]
    assert "and 34 more" in body["description"]
    Opsgenie().send(config, summary(2, back=2), outside)
    assert opsgenie.log[-1][0].path.endswith("/close")


@pytest.mark.parametrize("kind", ["opened", "acknowledged", "summary"])
@pytest.mark.parametrize("evil", HOSTILE)
def test_the_largest_and_oddest_message_is_still_taken(evil, kind, config):
    assert_opsgenie_would_take_it(alert(config, hostile(evil, kind)))


@pytest.mark.parametrize(
    ("chosen", "host", "where"),
    [
        ({}, "api.opsgenie.com", "Opsgenie"),
        ({"region": "eu"}, "api.eu.opsgenie.com", "Opsgenie in Europe"),
        ({"region": "jira", "responders": "Ops"}, "api.atlassian.com", "Jira Service Management, team: Ops"),
        ({"server": "https://proxy.example/"}, "proxy.example", "Opsgenie at proxy.example"),
    ],
)
def test_regions_have_hosts_of_their_own(chosen, host, where):
    config = Opsgenie().validate({"key": KEY, **chosen})
    assert (Opsgenie().host(config), Opsgenie().describe(config)) == (host, where)


@pytest.mark.parametrize(
    ("wrong", "field", "why"),
    [
        ({}, "key", "is missing; write the API key"),
        ({"key": "short"}, "key", "is not an API key"),
        ({"key": "with spaces in it and very long"}, "key", "is not an API key"),
        ({"key": KEY, "region": "mars"}, "region", "must be one of us, eu, jira"),
        ({"key": KEY, "outages": "critical"}, "outages", "must be one of P1"),
        ({"key": KEY, "responders": "boss: Alice"}, "responders", "“boss: Alice” names no responder"),
        ({"key": KEY, "responders": 7}, "responders", "must be a list"),
        ({"key": KEY, "responders": [7]}, "responders", "must be a list"),
        ({"key": KEY, "responders": ["a\nb"]}, "responders", "must be a list"),
        ({"key": KEY, "responders": [f"t{n}" for n in range(21)]}, "responders", "at most 20"),
        ({"key": KEY, "tags": "x" * 51}, "tags", "is too long for a tag"),
        ({"key": KEY, "tags": [str(n) for n in range(11)]}, "tags", "at most 10"),
    ],
)
def test_the_form_says_what_to_write(wrong, field, why):
    with pytest.raises(Invalid) as caught:
        Opsgenie().validate(wrong)
    assert why in caught.value.fields[f"config.{field}"][0]


def test_the_key_is_never_shown_also_not_when_it_comes_back(config, outside, httpserver):
    said = {"message": "Key format is not valid!", "errors": {"key": f"{KEY} is unknown"}, "requestId": "1"}
    httpserver.expect_request("/v2/alerts").respond_with_json(said, status=422)
    with pytest.raises(DeliveryError) as caught:
        Opsgenie().send(config, message(), outside)
    shown = [caught.value.message, caught.value.response, Opsgenie().describe(config), Opsgenie().facts(config)]
    assert KEY not in str([shown, Opsgenie().public(config)])
    assert "Opsgenie answered 422: Key format is not valid!; key … is unknown" in caught.value.message
    assert channels.with_kept_secrets(Opsgenie(), config, Opsgenie().public(config)) == config


@pytest.mark.parametrize(
    ("status", "header", "permanent", "wait"),
    [
        (401, {}, True, None),
        (403, {}, True, None),
        (422, {}, True, None),
        (400, {}, False, None),
        (429, {"Retry-After": "30"}, False, 30),
        (500, {}, False, None),
        (503, {"Retry-After": "5"}, False, 5),
        (302, {"Location": "http://10.0.0.1/"}, False, None),
    ],
)
@pytest.mark.parametrize("kind", ["opened", "resolved"])
def test_answers_mean_what_they_mean(kind, status, header, permanent, wait, config, outside, httpserver):
    path = "/v2/alerts" if kind == "opened" else f"/v2/alerts/{ALIAS}/close"
    httpserver.expect_request(path).respond_with_response(Response("<html>", status, header))
    with pytest.raises(DeliveryError, match=f"Opsgenie answered {status}: <html>") as caught:
        Opsgenie().send(config, message(kind), outside)
    error = caught.value
    assert (error.permanent, error.retry_after, error.status_code) == (permanent, wait, status)
    assert len(httpserver.log) == 1, "a redirect is not followed"


def test_a_server_that_says_nothing_is_tried_again(config, outside, mute):
    with http.within(0.2), pytest.raises(DeliveryError, match="no answer in time") as caught:
        Opsgenie().send(config | {"server": mute}, message(), outside)
    assert (caught.value.permanent, caught.value.unreachable) == (False, True)
