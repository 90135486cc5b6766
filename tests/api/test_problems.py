"""Whatever is sent: a clear problem that says what to do, never a 500, never a page."""

from __future__ import annotations

import json
import zlib

import pytest

from tests.api.conftest import problem
from tokiflow.queries import monitors

GOOD = {"name": "x", "schedule": {"kind": "every", "seconds": 60}}


def send(program, data: bytes, content_type: str = "application/json", **headers: str):
    return program("POST", "/monitors", data=data, content_type=content_type, headers=headers)


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v2/monitors", "/api/v1/monitor", "/api/v1/monitors/", "/api/%00"]
)
def test_an_unknown_address_is_a_problem_with_and_without_a_key(client, program, path):
    problem(client.get(path), 404)
    problem(program.get(path), 404)


def test_outside_of_the_api_pages_stay_pages(client):
    assert client.get("/apis").content_type.startswith("text/html")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_a_wrong_method_is_told_the_right_ones(client, method):
    response = client.open("/api/v1/monitors", method=method)
    problem(response, 405)
    assert response.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/xml",
        "json",
    ],
)
def test_what_is_not_said_to_be_json_is_refused(program, content_type):
    problem(send(program, json.dumps(GOOD).encode(), content_type), 415)


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"]
)
def test_json_by_any_of_its_names_is_taken(program, content_type):
    assert send(program, json.dumps(GOOD).encode(), content_type).status_code == 201


@pytest.mark.parametrize(
    "data",
    [
        b"", b" ", b"{", b"nope", b'{"name": }', b"[]", b'"text"', b"5", b"null", b"true", b"NaN", b'{"a": Infinity}',
        b'{"a": 1e999}', b'{"a": -1e999}', b'{"name": "a", "name": "b"}', b'{"x": {"y": 1, "y": 2}}', b"\xff\xfe{}",
        b'{"name": "\xff"}', b"[" * 100_000, b'{"a":' * 100_000, b'{"a": ' + b"[" * 30 + b"]" * 30 + b"}",
        b'{"a": ' + b"9" * 5_000 + b"}", b'{"\\u0000": 1}', b'{"\\ud800": 1}', zlib.compress(b"{}"), b"{}{}",
        json.dumps(GOOD).encode("utf-16"),
    ],
    ids=lambda data: repr(data[:24]),
)  # fmt: skip
def test_what_can_not_be_read_is_malformed(program, data):
    problem(send(program, data), 400)


def test_a_byte_order_mark_is_forgiven(program):
    assert send(program, b"\xef\xbb\xbf" + json.dumps(GOOD).encode()).status_code == 201


@pytest.mark.parametrize("text", ["a\x00b", "half \ud83d", "\udc00"])
def test_text_that_can_not_be_kept_is_named(program, text):
    for values, field in (
        ({**GOOD, "name": text}, "name"),
        ({**GOOD, "tags": ["ok", text]}, "tags[1]"),
        ({**GOOD, "schedule": {"kind": "cron", "expression": text, "timezone": "UTC"}}, "schedule.expression"),
    ):
        assert list(problem(send(program, json.dumps(values).encode()), 422)["errors"]) == [field]


@pytest.mark.parametrize("value", [10**400, -(10**30), 1.5, True, "5", None, [], {}, 1e300])
def test_nonsense_numbers_are_named(program, value):
    for values, field in (
        ({**GOOD, "grace_seconds": value}, "grace_seconds"),
        ({**GOOD, "schedule": {"kind": "every", "seconds": value}}, "schedule.seconds"),
    ):
        assert list(problem(program.post("/monitors", values), 422)["errors"]) == [field]


@pytest.mark.parametrize("value", [None, 5, "x", [], True, {"a": {}}, [[]]])
@pytest.mark.parametrize("field", ["name", "slug", "tags", "description", "schedule", "capture_output", "channels"])
def test_any_field_of_any_type_is_an_answer(program, field, value):
    assert program.post("/monitors", {**GOOD, field: value}).status_code in (201, 422)


def test_a_body_that_is_too_large_is_refused(program):
    problem(send(program, json.dumps({**GOOD, "description": "x" * 1_000_001}).encode()), 413)


def test_names_of_any_sort_can_be_told(program):
    names = {"x" * 10_000: 1, "‮": 2, "<script>": 3, "emoji 💩": 4}
    errors = problem(program.post("/monitors", names), 422)["errors"]
    assert "<script>" in errors
    assert all(len(name) <= 100 for name in errors)


def test_a_failure_of_ours_is_told_without_its_details(app, program, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(monitors, "cursor_page", fail)
    response = program.get("/monitors")
    body = problem(response, 500)
    assert "secret" not in response.get_data(as_text=True)
    assert body["request_id"] == response.headers["X-Request-ID"]
