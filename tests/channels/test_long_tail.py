"""The long tail: forty services behind one door, through which nobody reaches anything but the service itself."""

from __future__ import annotations

import ast
import inspect
import json
import logging
import re
from dataclasses import replace
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from requests import RequestException
from werkzeug import Response

from tests.channels.conftest import message
from tests.channels.storms import HOSTILE, hostile, summary
from tests.fixtures.instance import ROOT
from tokiflow import channels
from tokiflow.adapters import http
from tokiflow.channels import long_tail_door, sms
from tokiflow.channels.long_tail import Apprise, secrets, written
from tokiflow.channels.long_tail_services import BY_SCHEMA, SERVICES
from tokiflow.errors import DeliveryError, Invalid

URLS = {
    "gchat": "gchat://AAAAspace/s3cret-key-1/s3cret-token-1",
    "zulip": "zulip://tokiflow@harbour/" + "a1" * 16 + "/alerts",
    "webex": "webex://" + "a1" * 45,
    "zoom": "zoom://s3cretHook-1/s3cretToken-1",
    "cliq": "cliq://1000.abcdefabcdef.012345678901/alerts",
    "flock": "flock://134b8gh0-eba0-4fa9-ab9c-257ced0e8221",
    "ryver": "ryver://harbour/abcdefghij12345",
    "stackfield": "stackfield://12345678-90ab-4cde-8234-567890abcdef",
    "groupme": "groupme://a1b2c3d4e5f6a1b2c3d4e5f6a1",
    "line": "line://s3cretToken-1/U0123456789",
    "viber": "viber://s3cretToken-1/01234567890A=",
    "whatsapp": "whatsapp://s3cretToken@1234567890123456/+4915112345678",
    "threema": "threema://*HARBOUR@s3cretSecret/ECHOECHO",
    "dingtalk": "dingtalk://s3cret12@token1234567890",
    "feishu": "feishu://s3cret-Token-1",
    "lark": "lark://s3cret-token-1",
    "ilert": "ilert://il1api01234567890s3cret",
    "incidentio": "incidentio://01GW2G3V0S59R238FAHPDS1R66/s3cretToken",
    "firehydrant": "firehydrant://eyJhbGciOiJIUzI1NiJ9.s3cret",
    "splunk": "splunk://database@12345678-s3cret",
    "squadcast": "squadcast://s3cretKey123456",
    "signl4": "signl4://s3cretKey123456",
    "pagertree": "pagertree://int_0123456789",
    "spike": "spike://" + "a1" * 16,
    "prowl": "prowl://" + "a1" * 20,
    "pbul": "pbul://s3cretToken123",
    "psafers": "psafers://s3cretToken123",
    "push": "push://12345678-90ab-4cde-8234-567890abcdef",
    "join": "join://" + "a1" * 16 + "/group.all",
    "ifttt": "ifttt://s3cretKey1234@alerts",
    "vonage": "vonage://s3cretK1:s3cretSecret16@15551234567/+4915112345678",
    "msgbird": "msgbird://" + "a1b2c" * 5 + "/15551234567/+4915112345678",
    "sinch": "sinch://" + "a1" * 16 + ":" + "b2" * 16 + "@15551234567/+4915112345678",
    "clicksend": "clicksend://alice:s3cretKey123@4915112345678",
    "telnyx": "telnyx://s3cretKey123@15551234567/+4915112345678",
    "clickatell": "clickatell://s3cretKey123/4915112345678",
    "bulksms": "bulksms://s3cretId123:s3cretSecret@4915112345678",
    "seven": "seven://s3cretKey123/4915112345678",
    "46elks": "46elks://alice:s3cretSecret@15551234567/+4915112345678",
}
BODIES = {"viber": {"status": 0}, "psafers": {"status": 1}}
"""What those say that want more than 200."""
PAGING = [service for service in SERVICES if service.key]
GCHAT = {"url": URLS["gchat"]}


@pytest.fixture
def anything(httpserver):
    """A service that takes everything."""

    def answer(said=None, status=200, headers=None):
        body = said if isinstance(said, str) else json.dumps(said or {"ok": True})
        httpserver.expect_request(re.compile(".*")).respond_with_response(Response(body, status, headers))
        return httpserver

    return answer


# Who is taken.


def test_each_service_has_an_example_here_and_a_form_there():
    assert list(URLS) == [service.schema for service in SERVICES]
    assert all(service.form.startswith(f"{service.schema}://") for service in SERVICES)


def test_the_guide_lists_each_service():
    guide = (ROOT / "docs" / "paging.md").read_text()
    listed = re.findall(r"^\|[^|]*\| ([^|]+) \| `([^|]+://[^|]+)` \|$", guide, re.MULTILINE)
    assert listed == [(service.title, service.form) for service in SERVICES]
    assert Apprise.line.startswith(f"{len(SERVICES)} more services")
    assert "Thirty-nine public services" in guide
    assert len(SERVICES) == 39


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.schema)
def test_each_service_is_told_at_its_own_hosts_only(service, diverted, anything):
    anything(BODIES.get(service.schema))
    config = Apprise().validate({"url": f" {URLS[service.schema]} "})
    receipt = Apprise().send(config, message("opened", "failed"), diverted)
    assert receipt.status_code == 200
    assert receipt.response
    assert diverted.http.urls
    for url in diverted.http.urls:
        parts = urlsplit(url)
        assert (parts.scheme, parts.port) == ("https", None)
        assert any(parts.hostname == host or parts.hostname.endswith(f".{host}") for host in service.hosts)
    assert (Apprise().describe(config), Apprise().host(config)) == (service.title, service.hosts[0])


OWN = ("discord", "slack", "workflows", "msteams", "tgram", "ntfy", "pover", "pagerduty", "opsgenie", "twilio")
LOCAL = ("syslog", "rsyslog", "dbus", "glib", "gnome", "macosx", "windows", "blink1", "file", "exec", "growl")
ANYWHERE = ("json", "xml", "form", "mailto", "apprise", "gotify", "matrix", "mmost", "rocket", "mqtt", "ncloud", "smpp")


@pytest.mark.parametrize("schema", [*OWN, *LOCAL, *ANYWHERE, "http", "https", "javascript"])
def test_what_is_not_listed_is_refused_by_name(schema):
    with pytest.raises(Invalid) as caught:
        Apprise().validate({"url": f"{schema}://user:password@host/path"})
    assert "which is none of the services that are taken" in caught.value.fields["config.url"][0]
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (None, "is missing; write the address of a service, like gchat://"),
        (7, "is missing"),
        ("gchat", "begins with this, which is none"),
        ("gchat://", "is not complete, or a part of it can’t be right; write it like gchat://workspace/key/token"),
        ("gchat://workspace", "is not complete"),
        ("prowl://tooshort", "is not complete"),
        ("seven://key", "is not complete"),
        ("gchat://a\nb", "must be one line"),
        ("gchat://" + "a" * 3_000, "must be one line of at most 2,000"),
        ("vonage://key1234:secret1234567890@15", "is not complete"),
        ("seven://s3cretKey123/" + "/".join(f"49151123456{n:02}" for n in range(25)), "name fewer receivers"),
    ],
)
def test_an_address_that_cannot_be_right_is_told_what_it_looks_like(url, why):
    with pytest.raises(Invalid) as caught:
        Apprise().validate({"url": url})
    assert why in caught.value.fields["config.url"][0]
    assert "secret1234567890" not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["chat.harbour.example", "127.0.0.1", "evil.example%2F.zulipchat.com", "harbour.internal", "x.y@10.0.0.1"]
)
def test_a_server_of_ones_own_is_refused_before_it_is_asked(host, diverted, httpserver):
    url = f"zulip://tokiflow@{host}/{'a1' * 16}/alerts"
    with pytest.raises(Invalid):
        Apprise().validate({"url": url})
    with pytest.raises(DeliveryError):
        Apprise().send({"url": url}, message(), diverted)
    assert not httpserver.log


# The door.

MAY_IMPORT = {
    *("__future__", "base64", "collections", "contextlib", "copy", "datetime", "email", "enum", "hashlib", "hmac"),
    *("html", "itertools", "json", "logging", "math", "random", "re", "requests", "string", "time", "typing"),
    *("unicodedata", "urllib", "uuid", "..", ".base", "..common", "..conversion", "..exception", "..locale", "..url"),
    *("..utils.base64", "..utils.parse", "..utils.sanitize", "..attachment.base", "..apprise_attachment"),
}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.schema)
def test_a_plugin_knows_no_way_out_but_requests(service):
    """Read, not run: with a new release of Apprise a plugin may have learned another way."""
    spec = find_spec(f"apprise.plugins.{service.plugin.partition(':')[0]}")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(name.asname is None for name in node.names)
            found |= {name.name.partition(".")[0] for name in node.names}
        if isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found.add(module if node.level else module.partition(".")[0])
            assert module != "requests", "requests is taken whole, so that it can be replaced"
            if node.level == 2 and not node.module:
                assert {name.name for name in node.names} <= {"exception", "__title__", "__version__"}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile", "__import__")
    assert found <= MAY_IMPORT


@pytest.mark.parametrize("private", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "100.64.0.1"])
def test_a_name_that_leads_to_a_private_address_is_refused(private, outside):
    client = http.Client(resolver=lambda host, port: [ip_address(private)])
    with pytest.raises(DeliveryError, match=r"chat\.googleapis\.com leads to a private network"):
        Apprise().send(GCHAT, message(), replace(outside, http=client))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_also_not_when_the_address_asks_for_it(status, diverted, anything):
    server = anything("moved", status, {"Location": "http://169.254.169.254/latest/meta-data/"})
    url = f"{GCHAT['url']}?redirect=yes&verify=no&cto=600&rto=600"
    with pytest.raises(
        DeliveryError, match=f"Google Chat answered {status}, a redirect, which is not followed"
    ) as caught:
        Apprise().send(Apprise().validate({"url": url}), message(), diverted)
    assert not caught.value.permanent
    assert len(server.log) == 1
    assert set(diverted.http.options[0]) == {"content", "headers"}, "it can neither wait longer nor trust anybody"


def test_where_no_delivery_is_under_way_the_door_is_closed():
    plugin = long_tail_door.plugin_of(BY_SCHEMA["gchat"])
    module: Any = inspect.getmodule(plugin)
    with pytest.raises(RuntimeError, match="no delivery is under way"):
        module.requests.post("https://chat.googleapis.com/")
    with pytest.raises(AttributeError, match=r"requests\.Session"):
        module.requests.Session()
    with pytest.raises(OSError, match="open no files"):
        module.open("/etc/passwd")


@pytest.mark.parametrize(
    "url",
    [
        "https://chat.googleapis.com.evil.example/",
        "https://evilchat.googleapis.com/",
        "http://chat.googleapis.com/",
        "https://chat.googleapis.com:8443/",
        "https://evil.example/chat.googleapis.com",
        "https://chat.googleapis.com@evil.example/",
    ],
)
def test_who_asks_elsewhere_is_stopped_at_the_door(url, diverted, httpserver):
    visit = long_tail_door.Visit(BY_SCHEMA["gchat"], diverted.http)
    with pytest.raises(RequestException):
        visit.ask("GET", url)
    assert visit.errors[0].permanent
    assert not httpserver.log


# What is told.


@pytest.mark.parametrize("kind", ["opened", "reopened", "flapping", "escalated", "reminder", "resolved", "test"])
def test_every_message_says_what_why_and_where(kind, diverted, anything):
    server = anything()
    told = message(kind, "failed")
    Apprise().send(GCHAT, told, diverted)
    text = json.loads(server.log[0][0].data)["text"]
    for said in (told.summary, told.reason, told.advice, told.incident_url, *told.last_lines):
        assert said in text


def test_a_storm_is_one_message_with_a_list(diverted, anything):
    server = anything()
    Apprise().send(GCHAT, summary(54), diverted)
    text = json.loads(server.log[0][0].data)["text"]
    assert "▲ Backup 0 missed its 02:05 ping" in text
    assert "and 34 more" in text
    assert Apprise.for_people


@pytest.mark.parametrize("service", PAGING, ids=lambda service: service.schema)
def test_what_pages_people_knows_whose_news_it_is_and_when_it_ends(service, diverted, anything):
    server = anything()
    config = {"url": URLS[service.schema]}
    told = message("opened", "failed")
    for one in (told, message("resolved", "failed")):
        Apprise().send(config, one, diverted)
    bodies = [json.loads(request.data) for request, _ in server.log]
    assert all(told.thread_key in json.dumps(body) for body in bodies)
    first, last = (json.dumps(body).lower() for body in bodies)
    assert re.search(r"resolve|closed|recovery", last)
    assert not re.search(r'"(resolved?|closed|recovery)"', first)


@pytest.mark.parametrize("service", PAGING, ids=lambda service: service.schema)
def test_a_test_leaves_nobody_paged(service, diverted, anything):
    server = anything()
    Apprise().send({"url": URLS[service.schema]}, message("test"), diverted)
    first, last = (request.get_data(as_text=True) for request, _ in server.log)
    assert message("test").dedup_key in first
    assert message("test").dedup_key in last
    assert re.search(r"resolve|closed|recovery", last.lower())


def test_a_test_insists_on_its_end(diverted, httpserver):
    every = re.compile(".*")
    httpserver.expect_oneshot_request(every).respond_with_data("{}", status=202)
    httpserver.expect_oneshot_request(every).respond_with_data("busy", status=503)
    httpserver.expect_oneshot_request(every).respond_with_data("{}", status=202)
    Apprise().send({"url": URLS["ilert"]}, message("test"), diverted)
    assert [json.loads(request.data)["eventType"] for request, _ in httpserver.log] == ["ALERT", "RESOLVE", "RESOLVE"]


@pytest.mark.parametrize("service", [one for one in SERVICES if one.short], ids=lambda service: service.schema)
def test_where_each_letter_costs_it_is_what_an_sms_is(service):
    assert written(message(), service) == ("", sms.body(message()))


def test_strangers_mention_nobody(diverted, anything):
    server = anything()
    evil = "@all <users/all> <!channel> @**everyone** [click](https://evil.example) a@b"
    told = message("opened", "failed", monitor_name=evil, summary=evil, last_lines=(evil,))
    Apprise().send(GCHAT, told, diverted)
    text = json.loads(server.log[0][0].data)["text"]
    assert not re.search(r"@[a-z*]|<[a-z!]|\]\(", text)


@pytest.mark.parametrize("schema", ["gchat", "flock", "zulip", "webex", "prowl", "seven"])
@pytest.mark.parametrize("evil", HOSTILE)
def test_the_largest_and_oddest_message_is_one_request(evil, schema, diverted, anything):
    server = anything(BODIES.get(schema))
    for kind in ("opened", "summary"):
        Apprise().send({"url": URLS[schema]}, hostile(evil, kind), diverted)
    assert len(server.log) == 2


def test_several_receivers_are_told_without_a_pause(diverted, anything, monkeypatch):
    def no_sleep(seconds):
        raise AssertionError("it sleeps")

    server = anything()
    monkeypatch.setattr("time.sleep", no_sleep)
    url = "telnyx://s3cretKey123@15551234567/+4915112345678/+4915112345679/+4915112345680"
    Apprise().send(Apprise().validate({"url": url}), message(), diverted)
    told = [json.loads(request.data)["to"] for request, _ in server.log]
    assert told == ["+4915112345678", "+4915112345679", "+4915112345680"]


# What comes back.


@pytest.mark.parametrize(
    ("status", "headers", "permanent", "wait"),
    [
        (429, {"Retry-After": "33"}, False, 33),
        (429, {}, False, None),
        (500, {}, False, None),
        (503, {"Retry-After": "5"}, False, 5),
        (403, {}, False, None),
        (400, {}, False, None),
        (401, {}, True, None),
        (404, {}, True, None),
        (410, {}, True, None),
    ],
)
def test_answers_mean_what_they_mean(status, headers, permanent, wait, diverted, anything):
    anything("No.", status, headers)
    with pytest.raises(DeliveryError, match=f"Google Chat answered {status}: No.") as caught:
        Apprise().send(GCHAT, message(), diverted)
    error = caught.value
    assert (error.permanent, error.retry_after, error.status_code) == (permanent, wait, status)


def test_a_no_inside_of_a_yes_is_a_no(diverted, anything):
    anything({"status": 2, "status_message": "invalidAuthToken"})
    with pytest.raises(DeliveryError, match=r"Viber answered 200: .*invalidAuthToken") as caught:
        Apprise().send({"url": URLS["viber"]}, message(), diverted)
    assert not caught.value.permanent


def test_a_service_that_says_nothing_is_tried_again(outside, diverted, mute):
    diverted.http.server = mute
    with http.within(0.2), pytest.raises(DeliveryError, match="no answer in time") as caught:
        Apprise().send(GCHAT, message(), diverted)
    assert (caught.value.permanent, caught.value.unreachable) == (False, True)


def test_a_stored_address_that_is_no_good_any_more_says_so_without_its_keys(diverted):
    with pytest.raises(DeliveryError) as caught:
        Apprise().send({"url": "prowl://s3cret"}, message(), diverted)
    assert caught.value.message.startswith("Apprise could not tell Prowl: ")
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("schema", URLS)
def test_keys_are_never_told_also_not_when_they_come_back(schema, diverted, anything, caplog):
    url = URLS[schema]
    keys = [one for one in secrets(url) if len(one) >= 8 and "4915" not in one and "1555" not in one]
    anything(f"no such key: {' '.join(keys)} {url}", 400)
    config = Apprise().validate({"url": url})
    with caplog.at_level(logging.DEBUG, "apprise"), pytest.raises(DeliveryError) as caught:
        Apprise().send(config, message(), diverted)
    shown = [caught.value.message, caught.value.response, Apprise().public(config), Apprise().describe(config)]
    shown += [Apprise().host(config), *(record.getMessage() for record in caplog.records if record.name == "apprise")]
    assert not [key for key in keys if key in str(shown)]
    assert Apprise().public(config) == {"url": "set"}


def test_an_edit_keeps_the_address():
    config = Apprise().validate(GCHAT)
    assert channels.with_kept_secrets(Apprise(), config, Apprise().public(config)) == config
