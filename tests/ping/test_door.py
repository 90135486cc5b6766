"""What the ping door answers, and what it keeps: the good, the odd and the absurd.

At the level of ASGI and of WSGI, where even what no well-behaved client sends can be said. `{t}` stands for the token.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_monitor, make_organization
from tokiflow.core import tokens
from tokiflow.db import db
from tokiflow.models import Monitor, Organization
from tokiflow.models import Ping as PingRow
from tokiflow.ping import asgi, wsgi
from tokiflow.ping.body import LIMIT
from tokiflow.ping.door import open_letterbox
from tokiflow.ping.letterbox import Letterbox
from tokiflow.services import names

RID = "0c0ffee0-1234-4abc-8def-0123456789ab"
TWO_MEGABYTES = bytes(range(256)) * 8192


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    text: str


Door = Callable[..., Reply]


class Breaking(io.RawIOBase):
    """A body whose sender goes away in the middle of it."""

    def __init__(self) -> None:
        self.pieces = [b"as far as it got"]

    def read(self, size: int = -1) -> bytes:
        if not self.pieces:
            raise ConnectionResetError
        return self.pieces.pop()


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def door(request: pytest.FixtureRequest, app: Flask) -> Door:
    """`door("GET", "/ping/…?…", body, HEADER=…)`: one request, as a server would hand it in. The headers are called as
    they are in WSGI."""
    letterbox = open_letterbox(app)
    return {"asgi": asgi_door, "wsgi": wsgi_door}[request.param](letterbox)


def wsgi_door(letterbox: Letterbox) -> Door:
    nothing: Any = None
    application = wsgi.in_front_of(nothing, letterbox, source=wsgi.source(0), seen=lambda status: None)

    def knock(method: str, target: str, body: bytes | Breaking = b"", **variables: str) -> Reply:
        path, _, query = target.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "REMOTE_ADDR": "203.0.113.7",
            "wsgi.input": io.BytesIO(body) if isinstance(body, bytes) else body,
        }
        if isinstance(body, bytes) and body:
            environ["CONTENT_LENGTH"] = str(len(body))
        told: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            told.update(status=int(status.split()[0]), headers=dict(headers))

        answer = b"".join(application({**environ, **variables}, start_response))  # type: ignore[arg-type]
        return Reply(told["status"], told["headers"], answer.decode())

    return knock


def asgi_door(letterbox: Letterbox) -> Door:
    application = asgi.in_front_of(asgi.nothing_behind(letterbox), letterbox, 0, seen=lambda status: None)

    def knock(method: str, target: str, body: bytes | Breaking = b"", **variables: str) -> Reply:
        path, _, query = target.partition("?")
        length = variables.pop("CONTENT_LENGTH", str(len(body)) if isinstance(body, bytes) else "")
        headers = {name.removeprefix("HTTP_").replace("_", "-").lower(): value for name, value in variables.items()}
        scope = {
            "type": "http",
            "method": method,
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "query_string": query.encode(),
            "client": ("203.0.113.7", 40_000),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        }
        if length.isdigit():
            scope["headers"].append((b"content-length", length.encode()))  # type: ignore[attr-defined]
        # Servers refuse a length that is none, or take it for 0.
        said = _messages(body, length) if length.isdigit() or "transfer-encoding" in headers else []
        said = _messages(body, length) if isinstance(body, Breaking) else said
        told: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return said.pop(0) if said else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            told.append(dict(message))

        async def serve() -> None:
            await application(scope, receive, send)

        asyncio.run(serve())
        start, end = told
        # As names are written in WSGI; over the wire their case means nothing.
        names = {name.decode().title(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], names, end["body"].decode())

    return knock


def _messages(body: bytes | Breaking, length: str) -> list[dict[str, Any]]:
    """`body` in pieces. If it is less than was promised, the sender has gone away."""
    pieces = [body[at : at + 50_000] for at in range(0, len(body), 50_000)] if isinstance(body, bytes) else body.pieces
    whole = isinstance(body, bytes) and length in ("", str(len(body)))
    said = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    return [*said, {"type": "http.request", "more_body": False}] if whole else said


@pytest.fixture
def monitor(organization: Organization) -> Monitor:
    return make_monitor(organization)


def pings(monitor: Monitor) -> list[PingRow]:
    db.session.rollback()
    kept = select(PingRow).where(PingRow.monitor_id == monitor.id).order_by(PingRow.n)
    return list(db.session.execute(kept).scalars())


def check_headers(reply: Reply) -> None:
    """What every answer of this door says."""
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.headers["Ping-Body-Limit"] == str(LIMIT)


# --- what is taken ----------------------------------------------------------------------------------------------

TAKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/ping/{t}", {"signal": "success", "method": "GET", "source": "203.0.113.7"}),
    ("HEAD", "/ping/{t}", {"signal": "success", "method": "HEAD"}),
    ("POST", "/ping/{t}", {"signal": "success", "method": "POST"}),
    ("GET", "/ping/{t}/", {"signal": "success"}),
    ("GET", "/ping/{t}/start", {"signal": "start"}),
    ("GET", "/ping/{t}/success", {"signal": "success"}),
    ("GET", "/ping/{t}/fail/", {"signal": "fail"}),
    ("GET", "/ping/{t}/log", {"signal": "log"}),
    ("GET", "/ping/{t}/%73tart", {"signal": "start"}),
    ("GET", "/api/ping/{t}", {"signal": "success"}),
    ("POST", "/api/ping/{t}/start/", {"signal": "start"}),
    ("POST", "/api/ping/{t}/3", {"signal": "fail", "exit_code": 3}),
    ("GET", "/ping/{t}/0", {"signal": "success", "exit_code": 0}),
    ("GET", "/ping/{t}/255/", {"signal": "fail", "exit_code": 255}),
    ("GET", "/ping/{t}?state=start", {"signal": "start"}),
    ("GET", "/ping/{t}/fail?state=success", {"signal": "fail"}),
    ("GET", "/ping/{t}?exitCode=0", {"signal": "success", "exit_code": 0}),
    ("GET", "/ping/{t}?exitCode=3", {"signal": "fail", "exit_code": 3}),
    ("GET", "/ping/{t}/success?exitCode=3", {"signal": "fail", "exit_code": 3}),
    ("GET", "/ping/{t}/fail?exitCode=0", {"signal": "fail", "exit_code": 0}),
    ("GET", "/ping/{t}/0?exitCode=7", {"signal": "success", "exit_code": 0}),
    ("GET", "/ping/{t}?exitCode=1&exitCode=0", {"signal": "success", "exit_code": 0}),
    ("GET", "/ping/{t}?durationMs=0", {"duration_ms": 0}),
    ("GET", "/ping/{t}?durationMs=1500.6", {"duration_ms": 1501}),
    ("GET", "/ping/{t}?durationMs=31622400000", {"duration_ms": 31_622_400_000}),
    ("GET", "/ping/{t}?rid=" + RID, {"rid": UUID(RID)}),
    ("GET", "/ping/{t}?run=" + RID.upper(), {"rid": UUID(RID)}),
    ("GET", "/ping/{t}?rid=" + RID.replace("-", ""), {"rid": UUID(RID)}),
    ("GET", "/ping/{t}?rid=", {"rid": None}),
    ("GET", "/ping/{t}?env=prod&msg=nightly+run", {"environment": "prod", "message": "nightly run"}),
    ("GET", "/ping/{t}?msg=a%00b%0Ac", {"message": "ab c"}),
    ("GET", "/ping/{t}?msg=%ff%fe", {"message": "��"}),
    ("GET", "/ping/{t}?msg=%ed%a0%80", {"message": "���"}),
    ("GET", "/ping/{t}?msg=%D7%A9%D7%9C%D7%95%D7%9D", {"message": "שלום"}),
    ("GET", "/ping/{t}?msg=" + "x" * 5_000, {"message": "x" * 1_000}),
    ("GET", "/ping/{t}?utm_source=x&&=&;&%", {"signal": "success"}),
    ("GET", "/ping/{t}?metric=rows:8000&metric=bytes:1e6", {"metrics": {"rows": 8000.0, "bytes": 1e6}}),
    ("GET", "/ping/{t}?metric=db:rows:-1.5", {"metrics": {"db:rows": -1.5}}),
    ("GET", "/ping/{t}?metric=a%00b:1", {"metrics": {"ab": 1.0}}),
]


def test_what_is_taken_and_how_it_is_kept(door: Door, organization: Organization, subtests: pytest.Subtests) -> None:
    for method, target, kept in TAKEN:
        with subtests.test(f"{method} {target[:60]}"):
            monitor = make_monitor(organization)
            reply = door(method, target.replace("{t}", monitor.token))
            assert (reply.status, reply.text) == (200, "" if method == "HEAD" else "OK")
            check_headers(reply)
            (ping,) = pings(monitor)
            assert {name: getattr(ping, name) for name in kept} == kept


def test_progress_is_kept(door: Door, monitor: Monitor) -> None:
    assert door("POST", f"/ping/{monitor.token}/log?progress=40").status == 200
    assert door("POST", f"/ping/{monitor.token}/log?step=3&total=8&step_name=indexes%00").status == 200
    percent, steps = (ping.progress or {} for ping in pings(monitor))
    assert percent["fraction"] == 0.4
    assert (steps["step"], steps["total"], steps["name"]) == (3, 8, "indexes")


# --- what is refused --------------------------------------------------------------------------------------------

URL = "invalid url format"
REFUSED: list[tuple[str, str]] = [
    ("/ping/", URL),
    ("/ping//start", URL),
    ("/ping/{t}/start/now", URL),
    ("/ping/{t}/done", URL),
    ("/ping/{t}/START", URL),
    ("/ping/{t}/256", URL),
    ("/ping/{t}/-1", URL),
    ("/ping/{t}/1.5", URL),
    ("/ping/{t}/99999999999999999999", URL),
    ("/ping/{t}/%D9%A3", URL),
    ("/ping/{t}%00", URL),
    ("/ping/%ff%fe", URL),
    ("/ping/a%20b", URL),
    ("/ping/" + "x" * 65, URL),
    ("/ping/{t}?rid=nightly", "invalid uuid format"),
    ("/ping/{t}?rid=" + "z" * 36, "invalid uuid format"),
    ("/ping/{t}?rid=1_345678123456781234567812345678", "invalid uuid format"),
    ("/ping/{t}?rid=" + "%EF%BC%91" * 32, "invalid uuid format"),
    ("/ping/{t}?rid=" + RID + "0", "invalid uuid format"),
    ("/ping/{t}?state=done", "bad state"),
    ("/ping/{t}?state=", "bad state"),
    ("/ping/{t}?exitCode=256", "bad exit code"),
    ("/ping/{t}?exitCode=-1", "bad exit code"),
    ("/ping/{t}?exitCode=1.5", "bad exit code"),
    ("/ping/{t}?exitCode=", "bad exit code"),
    ("/ping/{t}?exitCode=%D9%A3", "bad exit code"),
    ("/ping/{t}?durationMs=-1", "bad durationMs"),
    ("/ping/{t}?durationMs=soon", "bad durationMs"),
    ("/ping/{t}?durationMs=NaN", "bad durationMs"),
    ("/ping/{t}?durationMs=Infinity", "bad durationMs"),
    ("/ping/{t}?durationMs=1e400", "bad durationMs"),
    ("/ping/{t}?durationMs=1_000", "bad durationMs"),
    ("/ping/{t}?durationMs=" + "9" * 5_000, "bad durationMs"),
    ("/ping/{t}?durationMs=31622400001", "bad durationMs"),
    ("/ping/{t}/log?progress=101", "bad progress"),
    ("/ping/{t}/log?progress=half", "bad progress"),
    ("/ping/{t}/log?step=1.5", "bad step"),
    ("/ping/{t}/log?step=3&total=-8", "bad total"),
    ("/ping/{t}?metric=rows", "bad metric"),
    ("/ping/{t}?metric=:1", "bad metric"),
    ("/ping/{t}?metric=rows:nan", "bad metric"),
    ("/ping/{t}?" + "&".join(f"metric=m{n}:1" for n in range(51)), "too many metrics"),
    ("/ping/{t}?" + "&".join(f"a{n}=1" for n in range(201)), "too many query parameters"),
    ("/ping/{t}?msg=" + "x" * 9_000, "query too long"),
]


def test_what_is_refused_and_why(door: Door, monitor: Monitor, subtests: pytest.Subtests) -> None:
    for target, reason in REFUSED:
        with subtests.test(target[:60]):
            reply = door("POST", target.replace("{t}", monitor.token), b"whatever")
            assert reply.status == 400
            assert reply.text.startswith(reason)
            assert "\n" not in reply.text
            check_headers(reply)
    assert pings(monitor) == []


def test_an_unknown_token_is_not_found(door: Door, app: Flask) -> None:
    for target in ("/ping/nobody", "/api/ping/nobody/start", f"/ping/{'A' * 22}/3", "/ping/nobody/"):
        for method in ("GET", "POST", "HEAD"):
            reply = door(method, target, b"output" if method == "POST" else b"")
            assert (reply.status, reply.text) == (404, "" if method == "HEAD" else "not found")
            check_headers(reply)


def test_another_method_is_named(door: Door, monitor: Monitor) -> None:
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "BREW"):
        reply = door(method, f"/ping/{monitor.token}")
        assert reply.status == 405
        assert reply.headers["Allow"] == "GET, HEAD, POST"
        check_headers(reply)
    assert pings(monitor) == []


def test_a_browser_may_ask_beforehand_and_ping_from_any_page(door: Door, monitor: Monitor) -> None:
    reply = door("OPTIONS", f"/ping/{monitor.token}/start", HTTP_ORIGIN="https://jobs.example")
    assert (reply.status, reply.text) == (204, "")
    assert reply.headers["Access-Control-Allow-Methods"] == "GET, HEAD, POST"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Length" not in reply.headers, "RFC 9110 §8.6: none with a 204"
    assert pings(monitor) == []


# --- by name ----------------------------------------------------------------------------------------------------


def test_a_ping_by_name_is_taken_like_any_other(door: Door) -> None:
    key = tokens.new_ping_key()
    monitor = make_monitor(make_organization(ping_key=key), slug="nightly-backup")
    said = ("", "/", "/start", "/fail/", "/log", "/3", "/start?rid=" + RID)
    for rest in said:
        reply = door("POST", f"/ping/{key}/nightly-backup{rest}", b"output")
        assert (reply.status, reply.text) == (200, "OK")
        check_headers(reply)
    signals = ["success", "success", "start", "fail", "log", "fail", "start"]
    assert [ping.signal for ping in pings(monitor)] == signals


def test_a_ping_may_make_its_monitor(door: Door) -> None:
    key = tokens.new_ping_key()
    make_organization(ping_key=key)
    address = f"/api/ping/{key}/nightly-backup/start"
    for query, status, text in (
        ("", 404, "not found"),
        ("?create=0", 404, "not found"),
        ("?create=1&rid=nightly", 400, "invalid uuid format"),
        ("?create=1", 201, "Created"),
        ("?create=1", 200, "OK"),
        ("", 200, "OK"),
    ):
        reply = door("GET", address + query)
        assert (reply.status, reply.text) == (status, text)
        check_headers(reply)
    made = db.session.execute(select(Monitor)).scalar_one()
    assert (made.name, len(pings(made))) == ("Nightly backup", 3)


def test_a_ping_by_name_that_reaches_nobody(door: Door) -> None:
    key = tokens.new_ping_key()
    organization = make_organization(ping_key=key)
    make_monitor(organization, "Backup", slug="backup")
    make_monitor(organization, "Backup", slug="backup-2")
    reply = door("GET", f"/ping/{key}/backup")
    assert (reply.status, reply.text) == (409, "ambiguous slug")
    check_headers(reply)
    for unknown in (f"/ping/{tokens.new_ping_key()}/backup?create=1", "/ping/nobody/backup", "/ping/nobody/a/start"):
        assert (door("GET", unknown).status, door("GET", unknown).text) == (404, "not found")
    assert door("GET", f"/ping/{key}/backup-2").status == 200


def test_a_key_that_makes_too_many_is_told_when_to_come_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tokens.new_ping_key()
    make_organization(ping_key=key)
    monkeypatch.setattr(names, "MOST_AN_HOUR", 1)
    assert door("GET", f"/ping/{key}/backup-1?create=1").status == 201
    reply = door("GET", f"/ping/{key}/backup-2?create=1")
    assert (reply.status, reply.text) == (429, "rate limited")
    assert 3500 < int(reply.headers["Retry-After"]) <= 3600
    check_headers(reply)
    monkeypatch.setattr(names, "MOST_MONITORS", 1)
    assert door("GET", f"/ping/{key}/backup-3?create=1").status == 403


# --- bodies -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Output:
    name: str
    body: bytes
    variables: dict[str, str] = field(default_factory=dict)
    kept: bytes | None = None


OUTPUTS = [
    Output("NUL bytes", b"before\x00after\x00"),
    Output("broken UTF-8", b"\xff\xfe\x80 and \xed\xa0\x80"),
    Output("a form, which is output like any other", b"state=fail&exitCode=9", {
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
    }),
    Output("an unfinished multipart form", b"--x\r\nContent-Disp", {"CONTENT_TYPE": "multipart/form-data; boundary=x"}),
    Output("JSON that is none", b'{"state": ', {"CONTENT_TYPE": "application/json"}),
    Output("an absurd content type", b"hello", {"CONTENT_TYPE": "\xff/\x00; " + "x" * 10_000}),
    Output("as much as is kept", TWO_MEGABYTES[:LIMIT]),
    Output("one byte more", TWO_MEGABYTES[: LIMIT + 1], kept=TWO_MEGABYTES[: LIMIT // 2]
           + TWO_MEGABYTES[LIMIT // 2 + 1 : LIMIT + 1]),
    Output("two megabytes", TWO_MEGABYTES, kept=TWO_MEGABYTES[: LIMIT // 2] + TWO_MEGABYTES[-LIMIT // 2 :]),
    Output("chunked", b"as gunicorn hands it over", {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}),
    Output("less than promised", b"half a", {"CONTENT_LENGTH": "1000"}),
    Output("an absurd length", b"unread", {"CONTENT_LENGTH": "many"}, kept=b""),
    Output("a negative length", b"unread", {"CONTENT_LENGTH": "-6"}, kept=b""),
    Output("an absurd user agent", b"hello", {"HTTP_USER_AGENT": "\x00\xff" * 20_000}),
    Output("absurd proxies", b"hello", {"HTTP_X_FORWARDED_FOR": ", ,\x00," * 5_000}),
]  # fmt: skip


def test_any_body_is_output(door: Door, organization: Organization, subtests: pytest.Subtests) -> None:
    for output in OUTPUTS:
        with subtests.test(output.name):
            monitor = make_monitor(organization)
            reply = door("POST", f"/ping/{monitor.token}", output.body, **output.variables)
            assert (reply.status, reply.text) == (200, "OK")
            (ping,) = pings(monitor)
            assert ping.signal == "success"
            assert (ping.body or b"") == (output.body if output.kept is None else output.kept)
            if output.kept:
                assert (ping.body_size, ping.body_cut) == (len(output.body), LIMIT // 2)


def test_a_sender_that_goes_away_has_still_pinged(door: Door, monitor: Monitor) -> None:
    reply = door("POST", f"/ping/{monitor.token}/fail", Breaking(), CONTENT_LENGTH="5000")
    assert reply.status == 200
    (ping,) = pings(monitor)
    assert (ping.signal, ping.body) == ("fail", b"as far as it got")


def test_an_unparsable_ping_takes_no_other_with_it(door: Door, monitor: Monitor) -> None:
    for target in ("?rid=x", "", "/999", "/fail", "?metric=x", "/log"):
        door("POST", f"/ping/{monitor.token}{target}", b"\x00")
    assert [ping.signal for ping in pings(monitor)] == ["success", "fail", "log"]
