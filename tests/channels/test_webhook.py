"""The webhook: signed, escaped, and patient with everything but 410."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from tests.adapters.conftest import listening
from tests.channels.conftest import message
from tokiflow.channels.outside import Outside
from tokiflow.channels.webhook import PLACEHOLDERS, Webhook, payload
from tokiflow.errors import DeliveryError, Invalid


@pytest.fixture
def url(httpserver):
    httpserver.expect_request("/hook").respond_with_data("thanks")
    return httpserver.url_for("/hook")


def send(outside: Outside, config, told=None):
    return Webhook().send(Webhook().validate(config), told or message(), outside)


def test_the_body_is_json_and_says_everything(outside, httpserver, url):
    receipt = send(outside, {"url": url}, message("opened", "failed"))

    assert (receipt.status_code, receipt.response) == (200, "thanks")
    request, _ = httpserver.log[0]
    assert request.method == "POST"
    assert request.headers["Content-Type"] == "application/json"
    body = json.loads(request.data)
    assert body["id"] == request.headers["Tokiflow-Delivery"] == request.headers["Idempotency-Key"]
    assert body["type"] == "incident.opened"
    assert body["created_at"] == "2026-11-21T01:05:01.000Z"
    assert body["organization"] == "Harbour Freight"
    assert body["monitor"]["tags"] == ["db", "prod"]
    assert body["incident"]["kind"] == "failed"
    assert body["incident"]["resolved_at"] is None
    assert body["run"]["exit_code"] == 1
    assert body["text"] == (
        "Down: Nightly database backup failed with exit code 1. "
        "Nightly database backup failed with exit code 1 after 1 min 44 s."
    )
    assert "Tokiflow-Signature" not in request.headers


def test_recovery_and_test_have_types_of_their_own():
    assert payload(message("resolved"))["type"] == "incident.resolved"
    assert payload(message("resolved"))["incident"]["resolved_at"] == "2026-11-21T10:17:00.000Z"
    assert payload(message("test"))["type"] == "test"
    assert payload(message("test"))["incident"] is payload(message("test"))["monitor"] is None


def test_a_receiver_can_check_the_signature(outside, httpserver, url):
    send(outside, {"url": url, "secret": "geheim"})

    request, _ = httpserver.log[0]
    fields = dict(part.split("=", 1) for part in request.headers["Tokiflow-Signature"].split(","))
    signed = fields["t"].encode() + b"." + request.data
    assert fields["v1"] == hmac.new(b"geheim", signed, hashlib.sha256).hexdigest()
    assert fields["t"] == str(int(message().sent_at.timestamp()))


def test_own_headers_and_another_method(outside, httpserver, url):
    send(outside, {"url": url, "method": "put", "headers": {"Authorization": "Bearer 1", "X-Team": "ops"}})
    request, _ = httpserver.log[0]
    assert request.method == "PUT"
    assert request.headers["Authorization"] == "Bearer 1"
    assert request.headers["X-Team"] == "ops"


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(410, True), *((status, False) for status in (301, 307, 400, 401, 403, 404, 405, 408, 429, 500, 502, 503))],
)
def test_only_gone_is_permanent(status, permanent, outside, httpserver):
    httpserver.expect_request("/").respond_with_data(
        "no", status=status, headers={"Retry-After": "7", "Location": "/elsewhere"}
    )
    with pytest.raises(DeliveryError, match=str(status)) as caught:
        send(outside, {"url": httpserver.url_for("/")})
    error = caught.value
    assert (error.permanent, error.status_code, error.response, error.retry_after) == (permanent, status, "no", 7)
    assert len(httpserver.log) == 1


def test_a_long_answer_is_kept_in_part(outside, httpserver):
    httpserver.expect_request("/").respond_with_data("x" * 200_000, status=500)
    with pytest.raises(DeliveryError) as caught:
        send(outside, {"url": httpserver.url_for("/")})
    assert len(caught.value.response) == 2_000


def test_a_connection_that_breaks_is_tried_again(outside):
    with listening(lambda connection: connection.close()) as port, pytest.raises(DeliveryError) as caught:
        send(outside, {"url": f"http://127.0.0.1:{port}/"})
    assert not caught.value.permanent


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Evil": "a\r\nX-Other: 1"},
        {"X-Evil": "a\n"},
        {"X-Evil": "a\x00"},
        {"X Evil": "a"},
        {"X-Evil:": "a"},
        {"": "a"},
        {"X-Evil\r\nHost": "a"},
        {"Host": "inside"},
        {"content-length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Tokiflow-Signature": "t=1"},
        {"Idempotency-Key": "1"},
        {"X-Long": "a" * 3_000},
        {"X-Number": 7},
        {"X-Umlaut": "ü"},
        {f"X-{number}": "a" for number in range(21)},
        ["X-List: a"],
        "X-Text: a",
    ],
)
def test_headers_that_could_do_harm_are_refused(headers):
    with pytest.raises(Invalid) as caught:
        Webhook().validate({"url": "https://example.com/", "headers": headers})
    assert list(caught.value.fields) == ["config.headers"]


def test_every_mistake_is_named_at_once():
    with pytest.raises(Invalid) as caught:
        Webhook().validate(
            {"url": "nowhere", "secret": 7, "headers": 7, "method": "DELETE", "template": "{{x}}", "colour": "red"}
        )
    assert set(caught.value.fields) == {
        f"config.{name}" for name in ("url", "secret", "headers", "method", "template", "colour")
    }


def filled(outside, httpserver, url, template, told=None):
    send(outside, {"url": url, "template": template}, told)
    request, _ = httpserver.log[-1]
    return request.data.decode(), request.headers["Content-Type"]


def test_a_plain_template_is_filled_in(outside, httpserver, url):
    body, content_type = filled(outside, httpserver, url, "{{ headline }}\n{{incident.url}} [{{status}}]")
    assert body == f"Down: Nightly database backup missed its 02:05 ping\n{message().incident_url} [down]"
    assert content_type == "text/plain; charset=utf-8"


def test_a_template_in_json_stays_json_whatever_the_name(outside, httpserver, url):
    evil = message(monitor_name='"}, "admin": true, "x": {"\\')
    body, content_type = filled(outside, httpserver, url, '{"text": "{{monitor.name}} is {{status}}"}', evil)
    assert json.loads(body) == {"text": '"}, "admin": true, "x": {"\\ is down'}
    assert content_type == "application/json"


def test_values_are_not_filled_in_again_and_nothing_is_run(outside, httpserver, url):
    told = message(summary="{{reason}} {{ 7*7 }} {% x %}")
    body, _ = filled(outside, httpserver, url, "{{summary}} {{ 7*7 }} {% raw %}", told)
    assert body == "{{reason}} {{ 7*7 }} {% x %} {{ 7*7 }} {% raw %}"


def test_every_placeholder_can_be_used(outside, httpserver, url):
    template = "\n".join(f"{name}={{{{{name}}}}}" for name in sorted(PLACEHOLDERS))
    for kind in ("opened", "resolved", "test"):
        body, _ = filled(outside, httpserver, url, template, message(kind, "failed"))
        assert "{{" not in body


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{nonsense}}", "is not known"),
        ('{"text": {{summary}}}', "looks like JSON"),
        ('{"text": "{{summary}}"', "looks like JSON"),
        ("x" * 20_000, "at most"),
        (7, "must be text"),
    ],
)
def test_a_template_that_cannot_work_is_refused_with_the_reason(template, why):
    with pytest.raises(Invalid, match=why):
        Webhook().validate({"url": "https://example.com/", "template": template})


def test_it_is_described_without_its_path():
    config = Webhook().validate({"url": "https://hooks.example:8443/very/secret?token=1"})
    assert Webhook().describe(config) == "POST https://hooks.example:8443/…"
