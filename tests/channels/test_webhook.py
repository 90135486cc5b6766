"""The webhook: signed, escaped, and patient with everything but 410."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.adapters.conftest import listening
from tests.channels.conftest import message
from tokiflow.channels import examples, with_kept_secrets
from tokiflow.channels.outside import Outside
from tokiflow.channels.webhook import OVERLAP, Webhook
from tokiflow.channels.webhook_payload import SHAPE, payload, values
from tokiflow.core.templating import shapes
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
        "Nightly database backup failed with exit code 1 after 1 m 44 s."
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


def test_values_are_not_filled_in_again(outside, httpserver, url):
    told = message(summary="{{reason}} {{ 7*7 }} {% x %}")
    assert filled(outside, httpserver, url, "{{summary}}", told)[0] == "{{reason}} {{ 7*7 }} {% x %}"


def test_a_template_that_was_saved_before_there_was_a_language_is_filled_in_as_ever(outside, httpserver, url):
    config = Webhook().validate({"url": url})
    for old, made in {
        "{{ status }} {{ 7*7 }} {% raw %}": "down {{ 7*7 }} {% raw %}",
        '{"a": "{{monitor.name}}", "b": "{{ 1 + 1 }}"}': '{"a": "say \\"cheese\\"", "b": "{{ 1 + 1 }}"}',
    }.items():
        Webhook().send({**config, "template": old}, message(monitor_name='say "cheese"'), outside)
        assert httpserver.log[-1][0].data.decode() == made


OLD_NAMES = """
    id type headline summary reason advice status severity organization opened_at resolved_at monitor.id monitor.name
    monitor.url incident.id incident.kind incident.url environment exit_code last_lines
""".split()  # noqa: SIM905 - easier to read


def test_every_name_there_ever_was_can_be_used(outside, httpserver, url):
    template = "\n".join(f"{name}={{{{{name}}}}}" for name in OLD_NAMES)
    for kind in ("opened", "resolved", "test", "summary"):
        body, _ = filled(outside, httpserver, url, template, message(kind, "failed"))
        assert "{{" not in body
    body, _ = filled(outside, httpserver, url, template, message("test"))
    assert "incident.url=https://tokiflow.example/app/channels" in body
    assert "exit_code=\n" in body


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{nonsense}}", "Line 1, column 3: nonsense is not known"),
        ("{{ monitor.nmae }}", r"did you mean monitor.name\?"),
        ('{"text": "{{summary}}"', "looks like JSON and is not"),
        (
            '{"text": [{% for line in output %}"{{ line }}",{% endfor %}]}',
            "looks like JSON and is not when a run fails",
        ),
        ('{"exit_code": 1{{ exit_code }}}', "looks like JSON and is not"),
        ('{"text": "{% if summary %}"}', "has no {% endif %}"),
        pytest.param("[" * 9_000 + "]" * 900, "looks like JSON|nested too deeply", id="unclosed"),
        pytest.param("[" * 4_000 + "]" * 4_000, "looks like JSON|nested too deeply", id="deep"),
        pytest.param("[" + "1" * 5_000 + "]", "too many digits", id="digits"),
        pytest.param(
            "{% for one in incidents %}{{ one.summary }}{{ advice }}{{ reason }}{% endfor %}" * 3,
            "longer than 100,000",
            id="large",
        ),
        ("{% for a in incidents %}{% for b in incidents %}.{% endfor %}{% endfor %}", "20,000 steps"),
        pytest.param("x" * 20_000, "at most", id="long"),
        pytest.param("\ud800", "must be text", id="surrogate"),
        pytest.param("a\0b", "must be text", id="nul"),
        (7, "must be text"),
    ],
)
def test_a_template_that_cannot_work_is_refused_with_the_reason(template, why):
    with pytest.raises(Invalid, match=why) as caught:
        Webhook().validate({"url": "https://example.com/", "template": template})
    assert list(caught.value.fields) == ["config.template"]


def test_what_must_be_json_by_its_content_type_is_refused_with_that_reason():
    headers = {"Content-Type": "application/json"}
    config = {"url": "https://example.com/", "headers": headers, "template": "Oh {{ summary }}"}
    with pytest.raises(Invalid, match="Your Content-Type says JSON, and this is none"):
        Webhook().validate(config)


@pytest.mark.parametrize(
    ("template", "is_json"),
    [
        ('{"a": 1}', True), ('  [{{ summary }}]', True), ('{{% if exit_code %}"a": 1{% endif %}}', True),
        ('{% if exit_code %}{"a": 1}{% else %}{"b": 1}{% endif %}', True),
        ("{{ summary }}", False), ("{{{ summary }}}", False), ("Oh {", False),
        ("{% if exit_code %}a{% endif %}", False),
    ],
)  # fmt: skip
def test_json_is_known_by_its_beginning(template, is_json):
    config = Webhook().validate({"url": "https://example.com/", "template": template})
    content_type = Webhook().request(config, message("opened", "failed")).headers["Content-Type"]
    assert content_type.startswith("application/json" if is_json else "text/plain")


EVIL = '"}, "admin": true, "x": {"\\\n\u2028 {{ id }} \ud83d\udea2'.encode("utf-16", "surrogatepass").decode("utf-16")


def test_values_are_json_between_quotes_and_without(outside, httpserver, url):
    template = (
        '{"text": "{{ monitor.name }} is {{ status }}", "name": {{ monitor.name }}, "exit_code": {{ exit_code }},\n'
        ' "tags": {{ monitor.tags }}, "lines": [{% for line in output %}"> {{ line }}"'
        '{% if not loop.last %},{% endif %}{% endfor %}], "all": {{ incident | json }}, "again": "{{ run | json }}"}'
    )
    told = message("opened", "failed", monitor_name=EVIL, tags=(EVIL, "b"), last_lines=(EVIL, "two"))
    body, content_type = filled(outside, httpserver, url, template, told)
    found = json.loads(body)
    assert content_type == "application/json"
    assert found["text"] == f"{told.monitor_name} is down"
    assert found["name"] == told.monitor_name
    assert (found["exit_code"], found["tags"]) == (1, list(told.tags))
    assert found["lines"] == [f"> {line}" for line in told.last_lines]
    assert found["all"] == payload(told)["incident"]
    assert json.loads(found["again"]) == payload(told)["run"]
    body, _ = filled(outside, httpserver, url, template, message("test"))
    assert (json.loads(body)["exit_code"], json.loads(body)["lines"]) == (None, [])


@pytest.mark.parametrize(
    ("content_type", "made"),
    [
        ("application/vnd.api+json; charset=utf-8", '"\\"a\\" & <b>=c"'),
        ("application/x-www-form-urlencoded", "%22a%22+%26+%3Cb%3E%3Dc"),
        ("application/xml", "&quot;a&quot; &amp; &lt;b&gt;=c"),
        ("text/plain", '"a" & <b>=c'),
    ],
)
def test_a_content_type_of_ones_own_says_how_values_are_written(content_type, made, outside, httpserver, url):
    config = {"url": url, "template": "{{ summary }}", "headers": {"content-type": content_type}}
    send(outside, config, message(summary='"a" & <b>=c'))
    request, _ = httpserver.log[-1]
    assert request.data.decode() == made
    assert request.headers["Content-Type"] == content_type


def test_a_template_that_fails_all_the_same_costs_nobody_the_alert(outside, httpserver, url):
    config = Webhook().validate({"url": url, "secret": "s"}) | {"template": '{"broken": {{ summary }}'}
    receipt = Webhook().send(config, message(), outside)
    request, _ = httpserver.log[-1]
    body = json.loads(request.data)
    assert body["text"].startswith("Down: Nightly database backup")
    assert "looks like JSON and is not" in body["template_error"]
    assert receipt.response.startswith("(Sent as Tokiflow’s JSON, for the template failed.")
    assert receipt.response.endswith("thanks")


def test_a_summary_lists_its_incidents(outside, httpserver, url):
    told = examples.MESSAGES["Many at once"]
    body, _ = filled(outside, httpserver, url, "{% for one in incidents %}\n- {{ one.monitor }}\n{% endfor %}", told)
    assert body.startswith("- Nightly database backup\n- Invoice e-mails\n- Warehouse sync\n")
    assert body.count("\n") == 23
    assert (payload(told)["type"], payload(told)["incidents_total"]) == ("summary", 23)
    assert payload(told)["incident"] is None


@pytest.mark.parametrize("told", [*examples.MESSAGES.values(), *examples.HARDEST])
def test_every_name_of_the_payload_is_known_to_templates(told):
    def paths(value, before=""):
        for name, below in value.items():
            yield before + name
            if isinstance(below, dict):
                yield from paths(below, f"{before}{name}.")

    assert set(paths(payload(told))) <= set(shapes.paths(SHAPE))
    assert set(paths(values(told))) <= set(shapes.paths(SHAPE))


# The secret.

NOW = datetime(2026, 11, 21, 1, 5, 1, tzinfo=UTC)


def rotated(config, now=NOW, **changes):
    """The config after an edit, as the service makes it."""
    merged = with_kept_secrets(Webhook(), config, {**config, **changes})
    return Webhook().carried(config, Webhook().validate(merged), now)


def signatures(request):
    fields = [part.split("=", 1) for part in request.headers["Tokiflow-Signature"].split(",")]
    moment = next(value for name, value in fields if name == "t")
    return moment, [value for name, value in fields if name == "v1"]


def hexed(secret, moment, content):
    return hmac.new(secret.encode(), moment.encode() + b"." + content, hashlib.sha256).hexdigest()


def test_for_a_day_after_a_change_both_secrets_sign():
    first = Webhook().carried({}, Webhook().validate({"url": "https://example.com/", "secret": "one"}), NOW)
    assert "previous_secret" not in first
    second = rotated(first, secret="two")
    assert second["previous_secret_until"] == "2026-11-22T01:05:01.000Z"
    assert Webhook().public(second)["previous_secret"] == "set"
    for after, secrets in ((timedelta(0), ["two", "one"]), (OVERLAP, ["two"])):
        request = Webhook().request(second, message(sent_at=NOW + after))
        moment, given = signatures(request)
        assert given == [hexed(secret, moment, request.content) for secret in secrets]


def test_the_former_secret_goes_when_its_time_is_over_or_it_is_removed():
    config = Webhook().validate({"url": "https://example.com/", "secret": "one"})
    second = rotated(config, secret="two")
    same = rotated(second, NOW + timedelta(hours=1), url="https://example.com/2")
    assert same["previous_secret_until"] == second["previous_secret_until"]
    assert "previous_secret" not in rotated(second, NOW + OVERLAP, url="https://example.com/2")
    assert "previous_secret" not in rotated(second, previous_secret=None)
    assert "previous_secret" not in rotated(second, secret=None)
    assert rotated(second, NOW + timedelta(hours=1), secret="three")["previous_secret"] == "two"
    assert Webhook().public(Webhook().current(second, NOW + OVERLAP))["secret"] == "set"
    assert "previous_secret" not in Webhook().current(second, NOW + OVERLAP)
    # Whoever sends back what they read changes nothing.
    assert rotated(second, NOW + timedelta(hours=1), **Webhook().public(second)) == second


def test_a_former_secret_may_be_brought_along():
    config = Webhook().validate({"url": "https://example.com/", "secret": "two", "previous_secret": "one"})
    kept = Webhook().carried({}, config, NOW)
    assert (kept["previous_secret"], kept["previous_secret_until"]) == ("one", "2026-11-22T01:05:01.000Z")


@pytest.mark.parametrize("former", [{"previous_secret": 7}, {"previous_secret": "a", "previous_secret_until": "soon"}])
def test_a_former_secret_that_is_none_is_refused(former):
    with pytest.raises(Invalid) as caught:
        Webhook().validate({"url": "https://example.com/", "secret": "two", **former})
    assert list(caught.value.fields) == ["config.previous_secret"]


def test_it_is_described_without_its_path():
    config = Webhook().validate({"url": "https://hooks.example:8443/very/secret?token=1"})
    assert Webhook().describe(config) == "POST https://hooks.example:8443/…"
