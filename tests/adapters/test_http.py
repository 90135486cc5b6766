"""The one way out: what it refuses, how long it waits, how much it reads."""

from __future__ import annotations

import socket
import ssl
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import ip_address, ip_network

import pytest
from pytest_httpserver import HTTPServer

from tests.adapters.conftest import LOOPBACK, listening, self_signed
from tokiflow.adapters import http
from tokiflow.adapters.connections import KEPT_OPEN, SIZE_LIMIT
from tokiflow.adapters.http import USER_AGENT, Client, parse_retry_after
from tokiflow.errors import DeliveryError


def resolving(*answers: str):
    """A resolver that knows every name by the same addresses."""
    return lambda host, port: [ip_address(answer) for answer in answers]


def test_sends_and_gives_back_the_answer_with_its_status(client, httpserver):
    httpserver.expect_request("/hook", method="POST", data=b'{"a":1}').respond_with_data("thanks", status=202)

    answer = client.post(httpserver.url_for("/hook"), json={"a": 1})

    assert (answer.status_code, answer.text, answer.truncated) == (202, "thanks", False)
    request, _ = httpserver.log[0]
    assert request.headers["User-Agent"] == USER_AGENT
    assert request.headers["Content-Type"] == "application/json"


def test_keeps_no_cookies(client, httpserver):
    httpserver.expect_request("/").respond_with_data("", headers={"Set-Cookie": "session=1; Path=/"})

    client.get(httpserver.url_for("/"))
    client.get(httpserver.url_for("/"))

    assert all("Cookie" not in request.headers for request, _ in httpserver.log)


def test_ignores_proxies_of_the_environment(httpserver, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    httpserver.expect_request("/").respond_with_data("direct")

    assert Client(LOOPBACK).get(httpserver.url_for("/")).text == "direct"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com/",
        "http://",
        "http://user:secret@example.com/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://exa mple.com/",
        "http://example.com/\r\nHost: inside",
        "http://[::1",
        "http://" + "a" * 2_100,
    ],
)
def test_refuses_what_is_no_web_address_for_good(client, url):
    with pytest.raises(DeliveryError) as caught:
        client.post(url)
    assert caught.value.permanent
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "192.0.0.8", "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1"),
        *("::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1"),
    ],
)
def test_a_name_that_leads_inside_is_refused_for_good(address):
    client = Client(resolver=resolving(address))
    with pytest.raises(DeliveryError, match="private network") as caught:
        client.post("https://inside.example/")
    assert caught.value.permanent


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:7f00:1]"]
)
def test_loopback_in_any_spelling_is_refused_by_default(host, httpserver):
    with pytest.raises(DeliveryError, match="private network"):
        Client().post(f"http://{host}:{httpserver.port}/")
    assert not httpserver.log


def test_networks_the_operator_allows_are_reached(httpserver):
    httpserver.expect_request("/").respond_with_data("inside")
    client = Client((ip_network("127.0.0.0/8"),), resolver=resolving("10.0.0.1", "127.0.0.1"))

    assert client.get(f"http://inside.example:{httpserver.port}/").text == "inside"


def test_a_name_is_resolved_once_so_it_cannot_change_between_check_and_use(httpserver):
    httpserver.expect_request("/").respond_with_data("first")
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    client = Client(LOOPBACK, resolver=lambda host, port: [ip_address(one) for one in answers.pop(0)])

    assert client.get(f"http://rebinding.example:{httpserver.port}/").text == "first"
    assert len(answers) == 1
    request, _ = httpserver.log[0]
    assert request.headers["Host"] == f"rebinding.example:{httpserver.port}"


def test_redirects_are_not_followed_unless_asked_for(client, httpserver):
    httpserver.expect_request("/").respond_with_data("", status=302, headers={"Location": "/next"})
    assert client.post(httpserver.url_for("/")).status_code == 302
    assert len(httpserver.log) == 1


def test_each_redirect_is_judged_like_a_first_request(httpserver):
    httpserver.expect_request("/").respond_with_data(
        "", status=302, headers={"Location": f"http://inside.example:{httpserver.port}/secret"}
    )
    httpserver.expect_request("/secret").respond_with_data("secret")
    known = {"outside.example": "127.0.0.1", "inside.example": "10.0.0.1"}
    client = Client((ip_network("127.0.0.1/32"),), resolver=lambda host, port: [ip_address(known[host])])

    with pytest.raises(DeliveryError, match="private network"):
        client.get(f"http://outside.example:{httpserver.port}/", follow_redirects=True)
    assert [request.path for request, _ in httpserver.log] == ["/"]


def test_a_redirect_to_another_scheme_is_refused(client, httpserver):
    httpserver.expect_request("/").respond_with_data("", status=302, headers={"Location": "ftp://example.com/"})
    with pytest.raises(DeliveryError):
        client.get(httpserver.url_for("/"), follow_redirects=True)


def test_at_most_three_redirects_are_followed(client, httpserver):
    httpserver.expect_request("/").respond_with_data("", status=302, headers={"Location": "/"})
    with pytest.raises(DeliveryError, match="more than 3 times"):
        client.get(httpserver.url_for("/"), follow_redirects=True)
    assert len(httpserver.log) == 4


def test_a_receiver_that_never_answers_is_given_up(client):
    with listening(lambda connection: time.sleep(5)) as port:
        started = time.monotonic()
        with pytest.raises(DeliveryError, match="in time") as caught:
            client.post(f"http://127.0.0.1:{port}/", timeout=0.3)
    assert time.monotonic() - started < 1
    assert not caught.value.permanent


def test_the_time_limit_is_for_everything_together_so_a_trickle_ends_too(client):
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(200):
            connection.sendall(b".")
            time.sleep(0.05)

    with listening(trickle) as port:
        started = time.monotonic()
        with pytest.raises(DeliveryError, match="in time"):
            client.get(f"http://127.0.0.1:{port}/", timeout=0.5)
    assert time.monotonic() - started < 1.5


def test_headers_that_trickle_end_too(client):
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(200):
            connection.sendall(f"X-{number}: 1\r\n".encode())
            time.sleep(0.05)

    with listening(trickle) as port, pytest.raises(DeliveryError, match="in time"):
        client.get(f"http://127.0.0.1:{port}/", timeout=0.5)


def test_a_resolver_that_hangs_is_given_up():
    def resolver(host, port):
        time.sleep(3)
        return []

    client = Client(resolver=resolver)
    started = time.monotonic()
    with pytest.raises(DeliveryError, match="in time"):
        client.get("http://slow.example/", timeout=0.3)
    assert time.monotonic() - started < 1


def test_a_name_nobody_knows_is_tried_again():
    def resolver(host, port):
        raise socket.gaierror("Name or service not known")

    with pytest.raises(DeliveryError, match=r"nowhere\.example could not be found") as caught:
        Client(resolver=resolver).get("http://nowhere.example/")
    assert not caught.value.permanent


def test_a_closed_port_is_tried_again(client):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DeliveryError, match="could not connect") as caught:
        client.get(f"http://127.0.0.1:{port}/")
    assert not caught.value.permanent


def test_the_next_address_is_tried_when_one_does_not_answer(httpserver):
    httpserver.expect_request("/").respond_with_data("second")
    client = Client(LOOPBACK, resolver=resolving("127.9.9.9", "127.0.0.1"))
    assert client.get(f"http://two.example:{httpserver.port}/").text == "second"


@pytest.mark.parametrize("said", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"])
def test_a_broken_answer_is_tried_again(client, said):
    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(said)
        connection.shutdown(socket.SHUT_RDWR)

    with listening(serve) as port, pytest.raises(DeliveryError, match="broke") as caught:
        client.get(f"http://127.0.0.1:{port}/")
    assert not caught.value.permanent


def test_of_a_huge_answer_only_the_beginning_is_read(client):
    sent = 0

    def pour(connection: socket.socket) -> None:
        nonlocal sent
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1_000):
            connection.sendall(b"x" * 1_000_000)
            sent += 1_000_000

    with listening(pour) as port:
        answer = client.get(f"http://127.0.0.1:{port}/")
    assert (len(answer.content), answer.truncated) == (SIZE_LIMIT, True)
    assert sent < 50_000_000


def test_a_packed_answer_is_not_unpacked(client, httpserver):
    httpserver.expect_request("/").respond_with_data(b"\x1f\x8bbomb", headers={"Content-Encoding": "gzip"})
    answer = client.get(httpserver.url_for("/"))
    assert answer.content == b"\x1f\x8bbomb"
    assert httpserver.log[0][0].headers["Accept-Encoding"] == "identity"


def test_an_answer_says_how_long_to_wait(client, httpserver):
    httpserver.expect_request("/").respond_with_data("", status=429, headers={"Retry-After": "120"})
    assert client.get(httpserver.url_for("/")).retry_after == 120


NOW = datetime(2026, 11, 21, 2, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("999999999999", 86_400),
        (format_datetime(NOW.replace(minute=7), usegmt=True), 120),
        (format_datetime(NOW.replace(minute=1), usegmt=True), 0),
        ("Sun, 06 Nov 2094 08:49:37 GMT", 86_400),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("1.5", None),
        ("٣", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_a_day(value, seconds):
    assert parse_retry_after(value, NOW.timestamp()) == seconds


@pytest.mark.parametrize("form", ["%a %b %d %H:%M:%S %Y", "%A, %d-%b-%y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S -0000"])
def test_a_date_in_an_older_form_is_utc_wherever_we_are(form, monkeypatch):
    """RFC 9110 §5.6.7 has us take them all."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert parse_retry_after(f"{NOW.replace(minute=7):{form}}", NOW.timestamp()) == 120
    finally:
        monkeypatch.undo()
        time.tzset()


def test_headers_cannot_be_smuggled_in(client, httpserver):
    httpserver.expect_request("/").respond_with_data("")
    with pytest.raises(DeliveryError):
        client.get(httpserver.url_for("/"), headers={"X-Name": "value\r\nX-Other: 1"})
    assert not httpserver.log


def test_no_network_inside_a_transaction(httpserver):
    client = Client(LOOPBACK, forbidden=lambda: True)
    with pytest.raises(RuntimeError, match="transaction"):
        client.get(httpserver.url_for("/"))


def test_tls_is_checked_against_the_name_and_not_the_address(certified):
    certificates, server = certified
    client = Client(LOOPBACK, resolver=resolving("127.0.0.1"), verify=certificates)

    assert client.get(f"https://named.example:{server.port}/").text == "sealed"
    with pytest.raises(DeliveryError, match="could not connect") as caught:
        client.get(f"https://other.example:{server.port}/")
    assert not caught.value.permanent


def test_a_certificate_nobody_vouches_for_is_refused(certified):
    _, server = certified
    with pytest.raises(DeliveryError, match="could not connect"):
        Client(LOOPBACK, resolver=resolving("127.0.0.1")).get(f"https://named.example:{server.port}/")


@pytest.fixture
def certified(tmp_path):
    """A context that trusts one certificate, for named.example, and a server that shows it."""
    certificate, key = self_signed("named.example", tmp_path)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(certificate, key)
    with HTTPServer(ssl_context=shown) as server:
        server.expect_request("/").respond_with_data("sealed")
        yield ssl.create_default_context(cafile=certificate), server


def test_connections_are_kept_open(client):
    connections = []

    def serve(connection: socket.socket) -> None:
        connections.append(connection)
        while connection.recv(65_536):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with listening(serve) as port:
        answers = [client.get(f"http://127.0.0.1:{port}/").text for _ in range(3)]
    assert answers == ["ok", "ok", "ok"]
    assert len(connections) == 1


def test_a_connection_that_was_closed_while_it_rested_costs_no_try(client):
    connections = []

    def serve(connection: socket.socket) -> None:
        connections.append(connection)
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        if len(connections) == 1:
            connection.recv(65_536)  # the next request comes in, and is never answered
            connection.shutdown(socket.SHUT_RDWR)

    with listening(serve) as port:
        answers = [client.post(f"http://127.0.0.1:{port}/", json=n).text for n in range(2)]
    assert answers == ["ok", "ok"]
    assert len(connections) == 2


def test_only_so_many_connections_are_kept():
    connections = []

    def serve(connection: socket.socket) -> None:
        connections.append(connection)
        while connection.recv(65_536):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    client = Client(LOOPBACK, resolver=resolving("127.0.0.1"))
    with listening(serve) as port:
        for n in (*range(KEPT_OPEN + 1), KEPT_OPEN, 0):
            assert client.get(f"http://name-{n}.example:{port}/").text == "ok"
        client.close()
    assert len(connections) == KEPT_OPEN + 2, "the newest is still open, and the oldest had to go"


def test_a_limit_around_several_requests_holds_for_all_of_them_together(client):
    with listening(lambda connection: time.sleep(5)) as port:
        started = time.monotonic()
        with http.within(0.3), pytest.raises(DeliveryError, match="in time") as caught:
            client.post(f"http://127.0.0.1:{port}/")
    assert time.monotonic() - started < 1
    assert caught.value.unreachable


def test_a_redirect_to_another_door_takes_no_key_along(client, httpserver):
    httpserver.expect_request("/").respond_with_data("", status=303, headers={"Location": "/next"})
    httpserver.expect_request("/next").respond_with_data(
        "", status=302, headers={"Location": f"http://127.0.0.1:{httpserver.port}/elsewhere"}
    )
    httpserver.expect_request("/elsewhere").respond_with_data("there")

    answer = client.post(httpserver.url_for("/"), json=1, headers={"Authorization": "key"}, follow_redirects=True)

    assert answer.text == "there"
    first, second, third = (request for request, _ in httpserver.log)
    assert [one.method for one in (first, second, third)] == ["POST", "GET", "GET"]
    assert [one.headers.get("Authorization") for one in (first, second, third)] == ["key", "key", None]
    assert second.content_length is None


def test_an_address_with_letters_of_the_world_is_asked_as_it_is_written(client, httpserver):
    httpserver.expect_request("/bücher").respond_with_data("found")
    assert client.get(f"{httpserver.url_for('/')}bücher?q=ä%20b").text == "found"
    assert httpserver.log[0][0].query_string == b"q=%C3%A4%20b"


def test_what_went_wrong_says_whether_anything_answered(client, httpserver):
    httpserver.expect_request("/").respond_with_data("", status=302, headers={"Location": "/"})
    with pytest.raises(DeliveryError) as redirected:
        client.get(httpserver.url_for("/"), follow_redirects=True)
    with pytest.raises(DeliveryError) as refused:
        client.get("http://127.0.0.1:9/")
    assert (redirected.value.unreachable, refused.value.unreachable) == (False, True)
