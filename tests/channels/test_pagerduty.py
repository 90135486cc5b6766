"""PagerDuty's events: what triggers, what acknowledges, what resolves, and nobody left paged by a test."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from werkzeug import Response

from tests.channels.conftest import TROUBLES, message
from tests.channels.storms import HOSTILE, hostile, summary
from tokiflow import channels
from tokiflow.adapters import http
from tokiflow.channels.pagerduty import PagerDuty, event
from tokiflow.errors import DeliveryError, Invalid

KEY = "R0u71ngK3yR0u71ngK3yR0u71ngK3y12"
TAKEN = {"status": "success", "message": "Event processed", "dedup_key": "inc_1"}
TRIGGERS = ("opened", "reopened", "flapping", "escalated", "reminder")
SEVERITIES = {"critical", "error", "warning", "info"}


@pytest.fixture
def config(httpserver):
    return PagerDuty().validate({"routing_key": KEY, "server": httpserver.url_for("")})


@pytest.fixture
def pagerduty(httpserver):
    httpserver.expect_request("/v2/enqueue", method="POST").respond_with_json(TAKEN, status=202)
    return httpserver


def sent(httpserver):
    return [json.loads(request.data) for request, _ in httpserver.log]


def assert_pagerduty_would_take_it(told):
    """https://developer.pagerduty.com/docs/send-alert-event"""
    assert told["routing_key"] == KEY
    assert told["event_action"] in ("trigger", "acknowledge", "resolve")
    assert 1 <= len(told["dedup_key"]) <= 255
    if told["event_action"] != "trigger":
        return
    payload = told["payload"]
    assert 1 <= len(payload["summary"]) <= 1_024
    assert payload["source"]
    assert payload["severity"] in SEVERITIES
    assert all(set(link) == {"href", "text"} and link["href"].startswith("https://") for link in told["links"])
    assert len(json.dumps(told).encode()) <= 512 * 1024


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("kind", TRIGGERS)
def test_trouble_triggers_under_the_key_of_its_incident(kind, trouble, config, outside, pagerduty):
    told = message(kind, trouble)
    receipt = PagerDuty().send(config, told, outside)
    [said] = sent(pagerduty)
    assert_pagerduty_would_take_it(said)
    assert (said["event_action"], said["dedup_key"]) == ("trigger", told.thread_key)
    assert (said["client"], said["client_url"]) == ("Tokiflow", told.incident_url)
    details = json.dumps(said["payload"]["custom_details"], ensure_ascii=False)
    for part in (told.summary, told.reason, told.advice, told.schedule_words):
        assert part in details
    assert said["payload"]["custom_details"].get("Last output", []) == list(told.last_lines)
    assert receipt.status_code == 202
    assert "Event processed" in receipt.response


def test_it_says_what_broke_where_and_since_when(config):
    told = event(config, message("opened", "failed"))
    payload = told["payload"]
    assert payload["summary"] == "Down: Nightly database backup failed with exit code 1"
    assert payload["source"] == "Nightly database backup"
    assert (payload["component"], payload["group"], payload["class"]) == (message().monitor_id, "production", "failed")
    assert payload["timestamp"] == "2026-11-21T01:05:00.000+00:00"
    assert told["links"][0] == {"href": message().incident_url, "text": "Open the incident"}


@pytest.mark.parametrize(("kind", "action"), [("acknowledged", "acknowledge"), ("resolved", "resolve")])
def test_what_becomes_of_it_meets_the_same_alert(kind, action, config, outside, pagerduty):
    told = message(kind, acknowledged_by="Alice")
    PagerDuty().send(config, told, outside)
    assert sent(pagerduty) == [{"routing_key": KEY, "event_action": action, "dedup_key": told.thread_key}]


def test_it_hears_of_acknowledgements_and_of_every_incident_by_itself():
    assert PagerDuty.follows == {"acknowledged"}
    assert not PagerDuty.for_people


def test_a_test_pages_under_a_key_of_its_own_and_ends_at_once(config, outside, pagerduty):
    told = message("test")
    receipt = PagerDuty().send(config, told, outside)
    assert [(one["event_action"], one["dedup_key"]) for one in sent(pagerduty)] == [
        ("trigger", told.dedup_key),
        ("resolve", told.dedup_key),
    ]
    assert told.dedup_key != message().thread_key
    assert_pagerduty_would_take_it(sent(pagerduty)[0])
    assert sent(pagerduty)[0]["payload"]["severity"] == "info"
    assert receipt.response.count("Event processed") == 2


@pytest.mark.parametrize("failures", [1, 2])
def test_a_test_insists_on_its_end_because_nobody_tries_it_again(failures, config, outside, httpserver):
    httpserver.expect_ordered_request("/v2/enqueue").respond_with_json(TAKEN, status=202)
    for _ in range(failures):
        httpserver.expect_ordered_request("/v2/enqueue").respond_with_data("", status=503)
    httpserver.expect_ordered_request("/v2/enqueue").respond_with_json(TAKEN, status=202)
    PagerDuty().send(config, message("test"), outside)
    assert [one["event_action"] for one in sent(httpserver)] == ["trigger", *["resolve"] * (failures + 1)]


def test_a_test_that_can_not_be_ended_says_what_is_left_to_do(config, outside, httpserver):
    httpserver.expect_oneshot_request("/v2/enqueue").respond_with_json(TAKEN, status=202)
    httpserver.expect_request("/v2/enqueue").respond_with_data("busy", status=503)
    with pytest.raises(DeliveryError) as caught:
        PagerDuty().send(config, message("test"), outside)
    assert caught.value.message == (
        "The test arrived, and could not be ended: PagerDuty answered 503: busy. Resolve it in PagerDuty."
    )
    assert len(httpserver.log) == 4


@pytest.mark.parametrize(
    ("chosen", "severity", "told_as"),
    [
        ({}, "critical", "critical"),
        ({}, "warning", "warning"),
        ({"outages": "error"}, "critical", "error"),
        ({"warnings": "info"}, "warning", "info"),
    ],
)
def test_severities_are_told_as_was_chosen(chosen, severity, told_as):
    config = PagerDuty().validate({"routing_key": KEY, **chosen})
    assert event(config, message(severity=severity))["payload"]["severity"] == told_as


def test_a_summary_pages_too_and_one_of_nothing_but_good_news_resolves(config):
    told = event(config, summary(54))
    assert_pagerduty_would_take_it(told)
    assert told["payload"]["custom_details"]["Listed"][0] == "▲ Backup 0 missed its 02:05 ping"
    assert told["payload"]["custom_details"]["Listed"][-1] == "and 34 more"
    assert event(config, summary(2, back=2))["event_action"] == "resolve"


@pytest.mark.parametrize("kind", ["opened", "summary"])
@pytest.mark.parametrize("evil", HOSTILE)
def test_the_largest_and_oddest_message_is_still_taken(evil, kind, config):
    assert_pagerduty_would_take_it(event(config, hostile(evil, kind)))


def test_a_key_that_is_too_long_is_cut_the_same_every_time(config):
    told = replace(message(), thread_key="x" * 200)
    assert event(config, told)["dedup_key"] == event(config, replace(told, kind="resolved"))["dedup_key"]


@pytest.mark.parametrize(
    ("chosen", "server", "where"),
    [
        ({}, "events.pagerduty.com", "PagerDuty"),
        ({"region": "eu"}, "events.eu.pagerduty.com", "PagerDuty in Europe"),
        ({"region": "eu", "server": "https://proxy.example:8443/"}, "proxy.example:8443", "PagerDuty at proxy.example"),
    ],
)
def test_regions_have_hosts_of_their_own(chosen, server, where):
    config = PagerDuty().validate({"routing_key": KEY, **chosen})
    assert (PagerDuty().host(config), PagerDuty().describe(config)) == (server, where)


@pytest.mark.parametrize(
    ("wrong", "field", "why"),
    [
        ({}, "routing_key", "is missing; write the integration key"),
        ({"routing_key": "short"}, "routing_key", "32 letters and digits"),
        ({"routing_key": KEY + "1"}, "routing_key", "32 letters and digits"),
        ({"routing_key": 7}, "routing_key", "is missing"),
        ({"routing_key": f"https://events.pagerduty.com/{KEY}"}, "routing_key", "32 letters and digits"),
        ({"routing_key": KEY, "region": "mars"}, "region", "must be one of us, eu"),
        ({"routing_key": KEY, "outages": "P1"}, "outages", "must be one of critical"),
        ({"routing_key": KEY, "server": "events.pagerduty.com"}, "server", "is not a web address"),
    ],
)
def test_the_form_says_what_to_write(wrong, field, why):
    with pytest.raises(Invalid) as caught:
        PagerDuty().validate(wrong)
    assert why in caught.value.fields[f"config.{field}"][0]


def test_the_key_is_never_shown_also_not_when_it_comes_back(config, outside, httpserver):
    httpserver.expect_request("/v2/enqueue").respond_with_json(
        {"status": "invalid event", "message": "Event object is invalid", "errors": [f"bad routing_key {KEY}"]},
        status=400,
    )
    with pytest.raises(DeliveryError) as caught:
        PagerDuty().send(config, message(), outside)
    shown = [caught.value.message, caught.value.response, PagerDuty().describe(config)]
    assert KEY not in str([shown, PagerDuty().public(config), PagerDuty().facts(config)])
    assert PagerDuty().public(config)["routing_key"] == "set"
    assert "Event object is invalid; bad routing_key …" in caught.value.message
    assert caught.value.permanent


def test_an_edit_keeps_the_key(config):
    shown = PagerDuty().public(config)
    assert channels.with_kept_secrets(PagerDuty(), config, shown) == config


@pytest.mark.parametrize(
    ("status", "header", "permanent", "wait"),
    [
        (400, {}, True, None),
        (429, {"Retry-After": "41"}, False, 41),
        (429, {}, False, None),
        (500, {}, False, None),
        (503, {"Retry-After": "5"}, False, 5),
        (403, {}, False, None),
        (302, {"Location": "http://10.0.0.1/"}, False, None),
    ],
)
def test_answers_mean_what_they_mean(status, header, permanent, wait, config, outside, httpserver):
    httpserver.expect_request("/v2/enqueue").respond_with_response(Response("<html>", status, header))
    with pytest.raises(DeliveryError, match=f"PagerDuty answered {status}: <html>") as caught:
        PagerDuty().send(config, message(), outside)
    error = caught.value
    assert (error.permanent, error.retry_after, error.status_code) == (permanent, wait, status)
    assert len(httpserver.log) == 1, "a redirect is not followed"


def test_a_server_that_says_nothing_is_tried_again(config, outside, mute):
    with http.within(0.2), pytest.raises(DeliveryError, match="no answer in time") as caught:
        PagerDuty().send(config | {"server": mute}, message(), outside)
    assert (caught.value.permanent, caught.value.unreachable) == (False, True)


def test_a_server_that_is_not_there_is_tried_again(config, outside):
    with pytest.raises(DeliveryError) as caught:
        PagerDuty().send(config | {"server": "http://127.0.0.1:9"}, message(), outside)
    assert (caught.value.permanent, caught.value.unreachable) == (False, True)
