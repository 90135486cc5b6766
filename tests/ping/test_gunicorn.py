"""The door as the world meets it: bytes into a socket of the real gunicorn."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fixtures.instance import Instance, wait_until
from tokiflow.ping.body import LIMIT

TWO_MEGABYTES = bytes(range(256)) * 8192


@pytest.fixture
def monitor(instance: Instance) -> Iterator[dict[str, Any]]:
    """A monitor of the instance, made and found through the API."""
    key = instance.run_cli(["api-key", "create", "--name", "the door"]).stdout.strip()
    api = httpx.Client(base_url=f"{instance.url}/api/v1", headers={"Authorization": f"Bearer {key}"}, trust_env=False)
    with api:
        sent = {"name": "Behind the door", "schedule": {"kind": "every", "seconds": 3600}}
        made = api.post("/monitors", json=sent).json()
        yield {
            "path": urlsplit(made["ping_url"]).path,
            "pings": lambda: api.get(f"/monitors/{made['id']}/pings").json()["items"][::-1],
        }


def say(instance: Instance, *pieces: bytes, hang_up: bool = False) -> bytes:
    """Send `pieces` as they are; all that comes back until the other side is done."""
    with socket.create_connection(("127.0.0.1", instance.port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if hang_up:
            return b""
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
        return answer


def head(monitor: dict[str, Any], more: str = "", *, method: str = "POST", rest: str = "") -> bytes:
    return f"{method} {monitor['path']}{rest} HTTP/1.1\r\nHost: tokiflow\r\nConnection: close\r\n{more}\r\n".encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_any_body_is_output(instance: Instance, monitor: dict[str, Any]) -> None:
    chunked = b"".join(
        b"%x\r\n%s\r\n" % (len(piece), piece)
        for piece in (TWO_MEGABYTES[at : at + 50_000] for at in range(0, len(TWO_MEGABYTES), 50_000))
    )
    length = f"Content-Length: {len(TWO_MEGABYTES)}\r\n"
    answers = [
        say(instance, head(monitor, length), TWO_MEGABYTES),
        say(instance, head(monitor, "Transfer-Encoding: chunked\r\n"), chunked + b"0\r\n\r\n"),
        say(instance, head(monitor, "Content-Length: 5\r\nExpect: 100-continue\r\n"), b"a\x00\xff\xfeb"),
    ]
    for answer in answers:
        assert b"HTTP/1.1 200 OK" in answer
        assert answer.endswith(b"\r\n\r\nOK")
        assert f"ping-body-limit: {LIMIT}".encode() in answer.lower()
    assert [ping["body_bytes"] for ping in monitor["pings"]()] == [len(TWO_MEGABYTES), len(TWO_MEGABYTES), 5]


def test_a_sender_that_hangs_up_in_the_middle_has_still_pinged(instance: Instance, monitor: dict[str, Any]) -> None:
    say(instance, head(monitor, "Content-Length: 1000\r\n"), b"as far as it got", hang_up=True)
    wait_until(lambda: len(monitor["pings"]()) == 1, 20, "the ping")
    assert monitor["pings"]()[0]["body_bytes"] == len(b"as far as it got")


def test_a_refusal_is_heard_however_much_is_being_sent(instance: Instance, monitor: dict[str, Any]) -> None:
    more_than_sockets_hold = 16 * TWO_MEGABYTES
    length = f"Content-Length: {len(more_than_sockets_hold)}\r\n"
    refused = say(instance, head(monitor, length, rest="/done"), more_than_sockets_hold)
    assert refused.startswith(b"HTTP/1.1 400")
    assert b"invalid url format" in refused
    unknown = say(instance, head({"path": "/ping/nobody"}, length), more_than_sockets_hold)
    assert unknown.startswith(b"HTTP/1.1 404")
    assert unknown.endswith(b"\r\n\r\nnot found")
    assert status(say(instance, head(monitor, length, method="PUT"), more_than_sockets_hold)) == 405
    assert monitor["pings"]() == []


def test_methods_and_aliases(instance: Instance, monitor: dict[str, Any]) -> None:
    assert say(instance, head(monitor, method="HEAD")).endswith(b"\r\n\r\n")
    assert say(instance, head(monitor, method="OPTIONS")).startswith(b"HTTP/1.1 204")
    assert status(say(instance, head({"path": f"/api{monitor['path']}/3/"}, method="GET"))) == 200
    assert status(say(instance, head(monitor, rest="?msg=%00%ff%ed%a0%80", method="GET"))) == 200
    assert [(ping["method"], ping["signal"]) for ping in monitor["pings"]()] == [
        ("HEAD", "success"),
        ("GET", "fail"),
        ("GET", "success"),
    ]


@pytest.mark.parametrize(
    "absurd",
    [
        b"",
        b"\x00\xff\xfe\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /ping/x HTTP/9.9\r\n\r\n",
        b"GET /ping/x\x00y HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /ping/" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /ping/x HTTP/1.1\r\nHost: t\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /ping/x HTTP/1.1\r\nHost: t\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"\r\n",
        b"GET /ping/x HTTP/1.1\r\nHost: t\r\nNo colon at all\r\n\r\n",
        b"POST /ping/x HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
        b"POST /ping/x HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /ping/x HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz\r\n",
        b"POST /ping/x HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnonsense",
    ],
    ids=range(13),
)
def test_what_is_no_request_is_refused_or_hung_up_on(instance: Instance, absurd: bytes) -> None:
    with socket.create_connection(("127.0.0.1", instance.port), timeout=20) as connection:
        answer = b""
        # Whoever hangs up on us may do so before we have said everything.
        with contextlib.suppress(OSError):
            connection.sendall(absurd)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65_536):
                answer += chunk
    assert not answer or 400 <= status(answer) < 500, answer[:500]
    assert httpx.get(f"{instance.url}/ping/nobody", trust_env=False).status_code == 404, "it still answers others"


def test_what_is_no_ping_is_taken_in_chunks_too_and_measured(instance: Instance) -> None:
    key = instance.run_cli(["api-key", "create", "--name", "in chunks"]).stdout.strip()
    begin = (
        "POST /api/v1/monitors HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    body = b'{"name": "In chunks", "schedule": {"kind": "every", "seconds": 3600}}'
    whole = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:9], body[9:])) + b"0\r\n\r\n"
    assert status(say(instance, begin + whole)) == 201
    too_much = b"%x\r\n%s\r\n0\r\n\r\n" % (len(TWO_MEGABYTES), TWO_MEGABYTES)
    assert status(say(instance, begin + too_much)) == 413
