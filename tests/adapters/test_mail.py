"""Handing mail over to a real SMTP server, to something that answers like Resend, and to the outbox."""

from __future__ import annotations

import json
import ssl
import threading
import time
from datetime import timedelta
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import AuthResult

from tests.adapters.conftest import listening, self_signed
from tests.fixtures.post import Post, free_port, serving
from tokiflow import settings
from tokiflow.adapters import http, mail
from tokiflow.adapters.mail import smtp_connections
from tokiflow.errors import DeliveryError, NotFound


def a_mail(*to: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Down: Übersicht missed its 02:05 ping"
    message["From"] = "Tokiflow <alerts@tokiflow.example>"
    message["To"] = ", ".join(to or ("alice@harbour.example",))
    message["Message-ID"] = "<0123456789abcdef@tokiflow.example>"
    message["X-Tokiflow-Delivery"] = "dlv_1"
    message.set_content("It missed its ping.")
    message.add_alternative("<p>It missed its ping.</p>", subtype="html")
    return message


@pytest.fixture
def post():
    return Post()


@pytest.fixture
def smtp(post):
    with serving(post) as port:
        yield mail.smtp_from(f"smtp://127.0.0.1:{port}")


def test_smtp_hands_the_mail_over_and_says_what_was_answered(smtp, post):
    assert smtp.send(a_mail("alice@harbour.example", "bob@harbour.example")) == "250 kept as 42"

    [envelope] = post.mails
    assert envelope.mail_from == "alerts@tokiflow.example"
    assert envelope.rcpt_tos == ["alice@harbour.example", "bob@harbour.example"]
    assert b"X-Tokiflow-Delivery: dlv_1" in envelope.content


def test_one_refused_recipient_does_not_cost_the_others_their_mail(smtp, post):
    post.refused = {"bob@harbour.example": "550 no such user"}

    said = smtp.send(a_mail("alice@harbour.example", "bob@harbour.example"))

    assert said == "250 kept as 42; bob@harbour.example was refused: 550 no such user"
    assert post.mails[0].rcpt_tos == ["alice@harbour.example"]


@pytest.mark.parametrize(
    ("answers", "permanent"),
    [
        (["550 no such user", "553 never heard of"], True),
        (["550 no such user", "450 try later"], False),
        (["451 grey list", "451 grey list"], False),
    ],
)
def test_when_all_are_refused_it_is_permanent_only_if_each_is_refused_for_good(smtp, post, answers, permanent):
    addresses = ["alice@harbour.example", "bob@harbour.example"]
    post.refused = dict(zip(addresses, answers, strict=True))

    with pytest.raises(DeliveryError, match=r"alice@harbour\.example was refused") as caught:
        smtp.send(a_mail(*addresses))

    assert caught.value.permanent is permanent
    assert caught.value.refused == {
        address: answer for address, answer in zip(addresses, answers, strict=True) if answer.startswith("55")
    }
    assert caught.value.status_code == int(answers[0][:3])
    assert not post.mails


@pytest.mark.parametrize("answer", ["452 disk full", "554 looks like spam"])
def test_a_mail_refused_as_a_whole_is_tried_again(smtp, post, answer):
    post.answer = answer
    with pytest.raises(DeliveryError, match=answer) as caught:
        smtp.send(a_mail())
    assert not caught.value.permanent


def test_a_server_that_looks_for_the_mailbox_only_at_the_end_says_so_by_its_code(smtp, post):
    post.answer = "550 5.1.1 mailbox does not exist"
    with pytest.raises(DeliveryError) as caught:
        smtp.send(a_mail())
    assert caught.value.refused == {"alice@harbour.example": "550 5.1.1 mailbox does not exist"}
    assert caught.value.permanent


def test_a_server_that_drips_its_answers_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr(smtp_connections, "TIME_LIMIT", 0.5)

    def drip(connection):
        connection.sendall(b"220 welcome\r\n")
        for _ in range(20):
            connection.recv(1_000)
            time.sleep(0.2)
            connection.sendall(b"250 OK\r\n")

    began = time.monotonic()
    with listening(drip) as port, pytest.raises(DeliveryError, match="timed out") as caught:
        mail.smtp_from(f"smtp://127.0.0.1:{port}").send(a_mail())
    assert time.monotonic() - began < 2
    assert caught.value.unreachable


def test_a_server_that_is_away_is_tried_again():
    with pytest.raises(DeliveryError, match="refused") as caught:
        mail.smtp_from(f"smtp://127.0.0.1:{free_port()}").send(a_mail())
    assert not caught.value.permanent


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(smtp_connections, "TIME_LIMIT", 0.2)
    silent = listening(lambda connection: time.sleep(2))
    with silent as port, pytest.raises(DeliveryError, match="timed out") as caught:
        mail.smtp_from(f"smtp://127.0.0.1:{port}").send(a_mail())
    assert not caught.value.permanent


def test_wrong_credentials_are_ours_to_mend_and_not_the_channels_fault(post):
    def check(server, session, envelope, mechanism, data):
        known = data.login == b"ali ce" and data.password == b"p@ss:word"
        return AuthResult(success=known, handled=known)

    with serving(post, authenticator=check, auth_require_tls=False) as port:
        mail.smtp_from(f"smtp://ali%20ce:p%40ss%3Aword@127.0.0.1:{port}").send(a_mail())
        with pytest.raises(DeliveryError, match="535") as caught:
            mail.smtp_from(f"smtp://alice:wrong-secret@127.0.0.1:{port}").send(a_mail())
    assert len(post.mails) == 1
    assert not caught.value.permanent
    assert "wrong-secret" not in str(caught.value)


def test_starttls_that_the_server_does_not_speak_sends_nothing_in_the_clear(post):
    with serving(post) as port, pytest.raises(DeliveryError, match="STARTTLS"):
        mail.smtp_from(f"smtp://alice:secret@127.0.0.1:{port}?starttls=1").send(a_mail())
    assert not post.mails


@pytest.mark.parametrize(
    ("url", "host", "port", "encryption"),
    [
        ("smtp://mail.example", "mail.example", 25, "none"),
        ("smtp://mail.example?starttls=1", "mail.example", 587, "starttls"),
        ("smtp://mail.example:2525?starttls=0", "mail.example", 2525, "none"),
        ("smtps://alice:secret@mail.example", "mail.example", 465, "tls"),
    ],
)
def test_an_smtp_url_says_how_to_connect(url, host, port, encryption):
    server = mail.smtp_from(url)
    assert (server.host, server.port, server.encryption) == (host, port, encryption)
    assert "secret" not in repr(server)


def test_smtp_refuses_to_send_inside_a_transaction():
    with pytest.raises(RuntimeError, match="transaction"):
        mail.smtp_from("smtp://127.0.0.1:9", forbidden=lambda: True).send(a_mail())


def test_a_line_in_a_mail_that_is_only_a_dot_does_not_end_it(smtp, post):
    message = EmailMessage()
    message["From"], message["To"] = "alerts@tokiflow.example", "alice@harbour.example"
    message.set_content("before\n.\nafter")
    smtp.send(message)
    assert b"after" in post.mails[0].content


# One connection for many mails


def test_mails_that_follow_each_other_share_a_connection(smtp, post):
    for _ in range(3):
        smtp.send(a_mail())
    assert (len(post.mails), post.connections) == (3, 1)


def test_a_refusal_costs_no_connection(smtp, post):
    post.refused = {"bob@harbour.example": "550 no such user"}
    with pytest.raises(DeliveryError, match="no such user"):
        smtp.send(a_mail("bob@harbour.example"))
    assert smtp.send(a_mail()) == "250 kept as 42"
    assert post.mails[0].rcpt_tos == ["alice@harbour.example"], "nothing of the refused mail is left"
    assert post.connections == 1


def test_two_mails_at_once_take_two_connections(smtp, post):
    both = threading.Barrier(2)

    def send():
        both.wait()
        smtp.send(a_mail())

    for _ in range(3):
        threads = [threading.Thread(target=send) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(post.mails) == 6
    assert 1 <= post.connections <= 2


def test_a_connection_that_was_closed_while_it_rested_costs_no_try(post):
    with serving(post) as port:
        smtp = mail.smtp_from(f"smtp://127.0.0.1:{port}")
        smtp.send(a_mail())
    with serving(post, port=port):
        assert smtp.send(a_mail()) == "250 kept as 42"
    assert (len(post.mails), post.connections) == (2, 2)


def test_a_server_that_takes_one_mail_a_connection_is_obliged(smtp, post):
    rsets = []

    async def handle_RSET(server, session, envelope):
        rsets.append(session)
        return "421 too many mails for one connection"

    post.handle_RSET = handle_RSET
    for _ in range(3):
        smtp.send(a_mail())
    assert (len(post.mails), post.connections, len(rsets)) == (3, 3, 2)


def test_whoever_has_rested_long_enough_says_goodbye(smtp, post, monkeypatch):
    monkeypatch.setattr(smtp_connections, "REST_FOR", 0.05)
    said_goodbye = threading.Event()

    async def handle_QUIT(server, session, envelope):
        said_goodbye.set()
        return "221 bye"

    post.handle_QUIT = handle_QUIT
    smtp.send(a_mail())
    assert said_goodbye.wait(5)
    assert smtp.send(a_mail()) == "250 kept as 42"
    assert post.connections == 2


def test_after_a_storm_only_some_connections_rest(monkeypatch):
    monkeypatch.setattr(smtp_connections, "MOST_AT_REST", 2)
    left: list[int] = []

    class Guest(smtp_connections.Connection):
        def __init__(self, number):
            self.number, self.until = number, 0.0

        def quit(self):
            left.append(self.number)
            return 221, b"bye"

        def rset(self):
            return 250, b"OK"

        def close(self):
            pass

    guests = [Guest(number) for number in range(4)]
    resting = smtp_connections.Resting()
    for guest in guests:
        resting.put(guest)
    assert left == [0, 1], "those who have rested longest"
    until = time.monotonic() + 9
    assert [resting.take(until) for _ in range(3)] == [guests[3], guests[2], None]


# TLS


@pytest.fixture
def certificate(tmp_path):
    """The mail server's, for the name localhost."""
    return self_signed("localhost", tmp_path)


def identity(certificate):
    """What a server shows of itself."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


def trusting(certificate):
    return ssl.create_default_context(cafile=certificate[0])


class encrypted(serving):
    """An SMTP server that wants TLS: after STARTTLS, or from the first byte."""

    def __init__(self, how, post, certificate):
        options = {"tls_context": identity(certificate), "require_starttls": True}
        super().__init__(post, **(options if how == "starttls" else {"ssl_context": identity(certificate)}))


URLS = {"starttls": "smtp://localhost:{}?starttls=1", "smtps": "smtps://localhost:{}"}


@pytest.mark.parametrize("how", ["smtps", "starttls"])
def test_mail_goes_over_tls_to_a_server_whose_certificate_is_good(how, post, certificate):
    with encrypted(how, post, certificate) as port:
        smtp = mail.smtp_from(URLS[how].format(port), tls=trusting(certificate))
        assert [smtp.send(a_mail()) for _ in range(2)] == ["250 kept as 42"] * 2
    assert post.connections == 1


@pytest.mark.parametrize("how", ["smtps", "starttls"])
def test_a_certificate_for_another_name_gets_no_mail_and_no_password(how, post, tmp_path):
    wrong = self_signed("mail.elsewhere.example", tmp_path)
    with encrypted(how, post, wrong) as port:
        url = URLS[how].format(port).replace("://", "://alice:secret@")
        with pytest.raises(DeliveryError) as caught:
            mail.smtp_from(url, tls=trusting(wrong)).send(a_mail())
    assert caught.value.message == (
        "the mail server localhost can't be trusted: its certificate is not for localhost; "
        "put the name that the certificate has into SMTP_URL"
    )
    assert not caught.value.permanent
    assert not post.mails


@pytest.mark.parametrize("how", ["smtps", "starttls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(how, post, certificate):
    with (
        encrypted(how, post, certificate) as port,
        pytest.raises(DeliveryError, match="signed by nobody whom this machine trusts"),
    ):
        mail.smtp_from(URLS[how].format(port)).send(a_mail())
    assert not post.mails


@pytest.mark.parametrize("how", ["smtps", "starttls"])
def test_a_certificate_that_is_over_is_refused(how, post, tmp_path):
    old = self_signed("localhost", tmp_path, timedelta(days=3))
    with encrypted(how, post, old) as port, pytest.raises(DeliveryError, match="its certificate has expired"):
        mail.smtp_from(URLS[how].format(port), tls=trusting(old)).send(a_mail())
    assert not post.mails


def test_smtps_to_a_port_that_wants_starttls_says_so(post):
    with serving(post) as port, pytest.raises(DeliveryError, match="starttls=1"):
        mail.smtp_from(f"smtps://localhost:{port}").send(a_mail())


# Resend


@pytest.fixture
def resend(client, httpserver):
    return mail.Resend("re_secret", client, api=httpserver.url_for("").rstrip("/"))


def test_resend_gets_the_mail_as_json_with_an_idempotency_key(resend, httpserver):
    httpserver.expect_request("/emails", method="POST").respond_with_json({"id": "49a3999c"})

    assert resend.send(a_mail()) == "taken by Resend as 49a3999c"

    request, _ = httpserver.log[0]
    assert request.headers["Authorization"] == "Bearer re_secret"
    assert request.headers["Idempotency-Key"] == "0123456789abcdef@tokiflow.example"
    sent = json.loads(request.data)
    assert sent["from"] == "Tokiflow <alerts@tokiflow.example>"
    assert sent["to"] == ["alice@harbour.example"]
    assert sent["subject"] == "Down: Übersicht missed its 02:05 ping"
    assert (sent["text"].strip(), sent["html"].strip()) == ("It missed its ping.", "<p>It missed its ping.</p>")
    assert sent["headers"] == {"X-Tokiflow-Delivery": "dlv_1"}


@pytest.mark.parametrize(
    ("status", "name", "message", "permanent"),
    [
        (401, "restricted_api_key", "This API key is restricted", False),
        (403, "validation_error", "The tokiflow.example domain is not verified", False),
        (422, "validation_error", "Invalid `to` field. The address needs to follow the format", True),
        (422, "validation_error", "Invalid `from` field", False),
        (429, "rate_limit_exceeded", "Too many requests", False),
        (500, "application_error", "An unexpected error occurred", False),
    ],
)
def test_resend_refusals_are_permanent_only_for_the_recipients(resend, httpserver, status, name, message, permanent):
    httpserver.expect_request("/emails").respond_with_json(
        {"name": name, "message": message}, status=status, headers={"Retry-After": "3"}
    )
    with pytest.raises(DeliveryError, match=str(status)) as caught:
        resend.send(a_mail())
    assert (caught.value.permanent, caught.value.retry_after) == (permanent, 3)
    assert "re_secret" not in str(caught.value)


def test_resend_knowing_the_key_with_another_text_means_that_an_earlier_try_arrived(resend, httpserver):
    httpserver.expect_request("/emails").respond_with_json({"name": "invalid_idempotent_request"}, status=409)
    assert resend.send(a_mail()) == "taken by Resend in an earlier try"


def test_resend_is_waited_for_when_it_asks_for_a_moment(resend, httpserver):
    moment = {"status": 429, "headers": {"Retry-After": "0"}}
    for _ in range(2):
        httpserver.expect_oneshot_request("/emails").respond_with_json({"message": "2 a second"}, **moment)
    httpserver.expect_oneshot_request("/emails").respond_with_json({"id": "49a3999c"})
    assert resend.send(a_mail()) == "taken by Resend as 49a3999c"
    keys = {request.headers["Idempotency-Key"] for request, _ in httpserver.log}
    assert (len(httpserver.log), len(keys)) == (3, 1)


def test_resend_names_the_address_it_will_never_take(resend, httpserver):
    httpserver.expect_request("/emails").respond_with_json({"message": "Invalid `to` field."}, status=422)
    with pytest.raises(DeliveryError) as caught:
        resend.send(a_mail())
    assert caught.value.refused == {"alice@harbour.example": "Invalid `to` field."}


def test_nonsense_from_resend_is_tried_again(resend, httpserver):
    httpserver.expect_request("/emails").respond_with_data("<html>", status=502)
    with pytest.raises(DeliveryError, match="502") as caught:
        resend.send(a_mail())
    assert not caught.value.permanent


# The outbox


@pytest.fixture
def outbox(tmp_path):
    return mail.outbox_from(tmp_path)


def test_the_outbox_keeps_mails_for_another_process_to_show(outbox, tmp_path):
    said = outbox.send(a_mail("alice@harbour.example", "bob@harbour.example"))

    [kept] = mail.outbox_from(tmp_path).list()
    assert said == f"kept in the outbox as {kept.id}"
    assert mail.outbox_from(tmp_path).read(kept.id) == kept
    assert kept.to == ["alice@harbour.example", "bob@harbour.example"]
    assert kept.subject == "Down: Übersicht missed its 02:05 ping"
    assert kept.html.strip() == "<p>It missed its ping.</p>"
    assert kept.headers["X-Tokiflow-Delivery"] == "dlv_1"
    assert (tmp_path / "outbox").stat().st_mode & 0o077 == 0


def test_the_newest_mail_comes_first_and_the_oldest_are_forgotten(outbox, monkeypatch):
    monkeypatch.setattr(mail.outbox, "KEEPS", 3)
    for number in range(5):
        message = a_mail()
        message.replace_header("Subject", f"Mail {number}")
        outbox.send(message)
    assert [kept.subject for kept in outbox.list()] == ["Mail 4", "Mail 3", "Mail 2"]
    assert [kept.subject for kept in outbox.list(limit=1)] == ["Mail 4"]
    outbox.clear()
    assert outbox.list() == []


def test_an_outbox_without_a_folder_is_empty(outbox):
    assert outbox.list() == []


@pytest.mark.parametrize("mail_id", ["", "../../etc/passwd", "20261121T020500000000Z-nothing", "x" * 500, "a\x00b"])
def test_only_mails_can_be_read(outbox, mail_id):
    with pytest.raises(NotFound):
        outbox.read(mail_id)


def test_an_unfinished_or_broken_file_is_passed_over(outbox, tmp_path):
    outbox.send(a_mail())
    (tmp_path / "outbox" / "20991121T020500000000Z-broken.json").write_text('{"id":')
    (tmp_path / "outbox" / ".20991121T020500000000Z-unfinished.tmp").write_text("{")
    assert len(outbox.list()) == 1


# Which of them


def mailer_with(**values):
    given = {
        "SECRET_KEY": "kZ8wq1Vt-3mXo7Rb5NcLs9PdEfGh2JyU4aTiWvQ6",
        "DATABASE_URL": "postgresql://localhost/tokiflow",
        "REDIS_URL": "redis://localhost",
    }
    return mail.mailer_from(settings.load({**given, **values}), http.Client())


def test_the_mailer_follows_the_settings(tmp_path):
    smtp_url = {"SMTP_URL": "smtp://mail.example"}
    resend_key = {"RESEND_API_KEY": "re_1"}
    development = {"TOKIFLOW_ENV": "development", "TOKIFLOW_DATA": str(tmp_path)}

    assert isinstance(mailer_with(**smtp_url, **resend_key), mail.Smtp)
    assert isinstance(mailer_with(**resend_key), mail.Resend)
    assert isinstance(mailer_with(**development), mail.Outbox)
    assert isinstance(mailer_with(**development, **smtp_url), mail.Smtp)


def test_production_without_a_mail_server_says_so_instead_of_swallowing_mail(tmp_path):
    mailer = mailer_with(TOKIFLOW_DATA=str(tmp_path))
    with pytest.raises(DeliveryError, match="SMTP_URL") as caught:
        mailer.send(a_mail())
    assert not caught.value.permanent
