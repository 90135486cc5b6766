"""Text messages by Twilio: few words, counted as networks count, each phone told once, errors by their code."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Response

from tests.channels.conftest import TROUBLES, message
from tests.channels.storms import HOSTILE, hostile, summary
from tokiflow import channels
from tokiflow.adapters import http
from tokiflow.channels import gsm, sms
from tokiflow.channels.sms import Sms
from tokiflow.errors import DeliveryError, Invalid

ACCOUNT = "AC" + "0a" * 16
API_KEY = "SK" + "1b" * 16
SERVICE = "MG" + "2c" * 16
SECRET = "5ecre7" * 5 + "xy"
ALICE, BOB = "+4915112345678", "+15550100200"
PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
NEWS = ("opened", "reopened", "flapping", "escalated", "reminder", "resolved", "test")


@pytest.fixture
def config(httpserver):
    given = {"account": ACCOUNT, "secret": SECRET, "sender": "+1 555 0100 999", "to": f"{ALICE}\n{BOB}"}
    return Sms().validate(given | {"server": httpserver.url_for("")})


def queued(sid):
    return {"sid": sid, "status": "queued", "error_code": None}


def error(code, said="No.", status=400):
    return {"code": code, "message": said, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}


@pytest.fixture
def twilio(httpserver):
    """Takes the messages to Alice, then to Bob."""
    for sid in ("SMa1", "SMb2"):
        httpserver.expect_oneshot_request(PATH, method="POST").respond_with_json(queued(sid), status=201)
    return httpserver


def sent(httpserver):
    return [dict(request.form) for request, _ in httpserver.log]


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("kind", NEWS)
def test_each_phone_is_told_in_one_message_with_the_link(kind, trouble, config, outside, twilio):
    told = message(kind, trouble)
    receipt = Sms().send(config, told, outside)
    assert [one["To"] for one in sent(twilio)] == [ALICE, BOB]
    for one in sent(twilio):
        assert one["From"] == "+15550100999"
        assert one["Body"].endswith(f" {told.incident_url}")
        assert gsm.segments(one["Body"]) == 1
        assert len(one["Body"]) <= 160
    assert receipt.response == f"{ALICE}: queued SMa1; {BOB}: queued SMb2"
    assert receipt.status_code == 201
    assert receipt.memory == {"sent": [ALICE, BOB]}


def test_it_says_what_happened():
    assert sms.body(message("opened", "failed")) == (
        f"Down: Nightly database backup failed with exit code 1 {message().incident_url}"
    )
    assert sms.body(message("resolved")).startswith("Up: Nightly database backup is back after 9 h 12 min https://")


def test_only_trouble_and_its_end_are_worth_a_text_message():
    assert Sms.follows == frozenset()
    assert Sms.for_people, "a storm is one message"


@pytest.mark.parametrize(
    ("changes", "user"), [({}, ACCOUNT), ({"api_key": API_KEY}, API_KEY)], ids=["auth token", "api key"]
)
def test_it_signs_in_as_the_account_or_by_a_key(changes, user, config, outside, twilio):
    Sms().send(config | changes, message(), outside)
    signed = base64.b64encode(f"{user}:{SECRET}".encode()).decode()
    request, _ = twilio.log[0]
    assert request.headers["Authorization"] == f"Basic {signed}"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_messaging_service_chooses_the_sender(config, outside, twilio):
    Sms().send(config | {"sender": SERVICE}, message(), outside)
    assert sent(twilio)[0]["MessagingServiceSid"] == SERVICE
    assert "From" not in sent(twilio)[0]


# How much one message holds, and how it is made to fit.


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ä" * 160, 1),
        ("שלום", 1),
        ("ש" * 70, 1),
        ("ש" * 71, 2),
        ("ש" * 134, 2),
        ("ש" * 135, 3),
        ("🚀" * 35, 1),
        ("🚀" * 36, 2),
        ("a" * 69 + "ç", 1),
        ("a" * 70 + "ç", 2),
    ],
)
def test_messages_are_counted_as_networks_count_them(said, count):
    assert gsm.segments(said) == count


def test_the_small_alphabet_has_128_places():
    # One place switches to the ten letters of the extension.
    assert len(gsm.BASIC) == 127
    assert len(gsm.EXTENDED) == 10


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("“Łódź” – Zażółć…", '"Lodz" - Zazolc...'),
        ("Größe über Ærø à è ñ", "Größe über Ærø à è ñ"),
        ("garçon façade", "garcon facade"),
        ("Deploy 🚀 done ✅", "Deploy done"),
        ("👩‍🚀 Mission\ufe0f", "Mission"),
        ("1\u00a0h\u202f2", "1 h 2"),
        ("ﬁle ½", "file 1/2"),
        ("גיבוי לילי “x”", "גיבוי לילי “x”"),
        ("夜间备份", "夜间备份"),
        ("{a}[b]~|^\\€", "{a}[b]~|^\\€"),
    ],
)
def test_what_is_harmless_is_written_in_the_small_alphabet(written, plain):
    assert gsm.plain(written) == plain


@given(st.text(max_size=300))
def test_writing_plainly_never_makes_more_messages_and_is_done_once(written):
    plain = gsm.plain(written)
    assert gsm.plain(plain) == plain
    assert gsm.fits_alphabet(plain) or plain == written


@given(name=st.text(min_size=1, max_size=150), host=st.integers(min_value=1, max_value=300))
def test_no_name_and_no_address_makes_more_than_two_messages(name, host):
    told = message("opened", "failed", monitor_name=name, incident_url=f"https://{'h' * host}.example/inc_1")
    body = sms.body(told)
    assert gsm.segments(body) <= 2
    assert body.startswith("Down: ")


def test_a_long_name_loses_its_end_and_not_what_happened():
    body = sms.body(message("opened", "failed", monitor_name="Backup of the very long name " * 4))
    assert "... failed with exit code 1 https://" in body
    assert 150 <= len(body) <= 160


def test_a_name_in_another_script_may_take_a_second_message():
    body = sms.body(message("opened", "failed", monitor_name="גיבוי לילי"))
    assert body == f"Down: גיבוי לילי failed with exit code 1 {message().incident_url}"
    assert gsm.segments(body) == 2


def test_a_name_that_is_a_picture_is_named_by_the_link():
    body = sms.body(message("opened", "failed", monitor_name="🚀"))
    assert body == f"Down: a monitor failed with exit code 1 {message().incident_url}"


def test_an_address_that_would_leave_no_room_is_left_out():
    body = sms.body(message("opened", "failed", incident_url=f"https://{'h' * 300}.example/"))
    assert body == "Down: Nightly database backup failed with exit code 1"


def test_a_storm_is_one_message():
    assert sms.body(summary(54)) == (
        "Down: 54 monitors of Harbour Freight, 3 are back https://tokiflow.example/app/incidents"
    )


@pytest.mark.parametrize("kind", ["opened", "summary"])
@pytest.mark.parametrize("evil", HOSTILE)
def test_the_largest_and_oddest_message_is_still_short(evil, kind):
    assert gsm.segments(sms.body(hostile(evil, kind))) <= 2


# What Twilio says.


def test_a_try_that_failed_halfway_is_gone_on_with(config, outside, httpserver):
    httpserver.expect_oneshot_request(PATH).respond_with_json(queued("SMa1"), status=201)
    httpserver.expect_oneshot_request(PATH).respond_with_data("upstream", status=503)
    httpserver.expect_oneshot_request(PATH).respond_with_json(queued("SMb2"), status=201)
    with pytest.raises(DeliveryError) as caught:
        Sms().send(config, message(), outside)
    assert caught.value.memory == {"sent": [ALICE]}
    assert caught.value.message == f"{BOB} got no message yet: Twilio answered 503: upstream"
    assert not caught.value.permanent
    receipt = Sms().send(config, message(memory=caught.value.memory), outside)
    assert [one["To"] for one in sent(httpserver)] == [ALICE, BOB, BOB]
    assert receipt.memory == {"sent": [ALICE, BOB]}


def test_when_all_have_it_already_nobody_is_asked(config, outside, httpserver):
    receipt = Sms().send(config, message(memory={"sent": [ALICE, BOB]}), outside)
    assert receipt.response == "sent in an earlier try"
    assert not httpserver.log


@pytest.mark.parametrize("code", [21211, 21610, 21614, 21408])
def test_a_phone_that_can_never_be_told_is_named_and_the_others_are_told(code, config, outside, httpserver):
    httpserver.expect_oneshot_request(PATH).respond_with_json(error(code), status=400)
    httpserver.expect_oneshot_request(PATH).respond_with_json(queued("SMb2"), status=201)
    receipt = Sms().send(config, message(), outside)
    assert f"not sent to {ALICE}: it " in receipt.response
    assert f"({code})" in receipt.response
    assert receipt.memory["sent"] == [BOB]


def test_a_phone_that_was_refused_is_not_asked_again(config, outside, httpserver):
    httpserver.expect_oneshot_request(PATH).respond_with_json(error(21610), status=400)
    httpserver.expect_oneshot_request(PATH).respond_with_data("", status=500)
    httpserver.expect_oneshot_request(PATH).respond_with_json(queued("SMb2"), status=201)
    with pytest.raises(DeliveryError) as caught:
        Sms().send(config, message(), outside)
    assert set(caught.value.memory) == {"refused"}
    receipt = Sms().send(config, message(memory=caught.value.memory), outside)
    assert [one["To"] for one in sent(httpserver)] == [ALICE, BOB, BOB]
    assert "has unsubscribed by answering STOP (21610)" in receipt.response


def test_when_no_phone_is_left_the_channel_is_at_its_end(config, outside, httpserver):
    for code in (21211, 21610):
        httpserver.expect_oneshot_request(PATH).respond_with_json(error(code), status=400)
    with pytest.raises(DeliveryError) as caught:
        Sms().send(config, message(), outside)
    assert caught.value.permanent
    assert caught.value.message == (
        f"nobody is left to write to: {ALICE} is not a valid number (21211); "
        f"{BOB} has unsubscribed by answering STOP (21610)"
    )


@pytest.mark.parametrize(
    ("status", "said", "header", "permanent", "wait"),
    [
        (401, error(20003, "Authenticate", 401), {}, True, None),
        (404, error(20404, "The requested resource was not found", 404), {}, True, None),
        (400, error(21606, "The From phone number is not valid"), {}, True, None),
        (401, None, {}, False, None),
        (400, error(63038, "Account exceeded the daily limit"), {}, False, None),
        (429, error(20429, "Too Many Requests", 429), {"Retry-After": "17"}, False, 17),
        (429, None, {}, False, None),
        (500, error(20500, "Internal Server Error", 500), {}, False, None),
        (302, None, {"Location": "http://10.0.0.1/"}, False, None),
    ],
)
def test_answers_mean_what_twilio_means(status, said, header, permanent, wait, config, outside, httpserver):
    body = json.dumps(said) if said else "<html>"
    httpserver.expect_request(PATH).respond_with_response(Response(body, status, header))
    with pytest.raises(DeliveryError, match=f"Twilio answered {status}") as caught:
        Sms().send(config, message(), outside)
    assert (caught.value.permanent, caught.value.retry_after) == (permanent, wait)
    assert caught.value.status_code == status
    assert len(httpserver.log) == (1 if permanent else 2), "who may not send at all asks once"
    if said:
        assert f"({said['code']}): {said['message']}" in caught.value.message


def test_what_twilio_repeats_is_told_without_the_secret(config, outside, httpserver):
    httpserver.expect_request(PATH).respond_with_data(f"no such user: {SECRET}", status=401)
    with pytest.raises(DeliveryError) as caught:
        Sms().send(config, message(), outside)
    shown = [caught.value.message, caught.value.response, Sms().describe(config), Sms().facts(config)]
    assert SECRET not in str([shown, Sms().public(config)])
    assert channels.with_kept_secrets(Sms(), config, Sms().public(config)) == config


def test_a_server_that_says_nothing_is_tried_again_and_does_not_outlast_the_try(config, outside, mute):
    with http.within(0.2), pytest.raises(DeliveryError, match="no answer in time") as caught:
        Sms().send(config | {"server": mute}, message(), outside)
    assert (caught.value.permanent, caught.value.unreachable) == (False, True)


def test_who_has_no_turn_in_a_slow_try_has_one_in_the_next(config, outside, twilio, monkeypatch):
    monkeypatch.setattr(sms, "BEGIN_WITHIN", -1.0)
    with pytest.raises(DeliveryError, match="no time left") as caught:
        Sms().send(config, message(), outside)
    assert not caught.value.permanent
    assert not twilio.log


# The form.


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("+49 (151) 1234-5678", [ALICE]),
        (["0049 151 12345678", BOB, ALICE], [ALICE, BOB]),
        (f"{ALICE}, {BOB};\n", [ALICE, BOB]),
    ],
)
def test_numbers_are_stored_as_the_world_writes_them(written, stored, config):
    assert Sms().validate(config | {"to": written})["to"] == stored


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        ({"account": None}, "account", "is missing; write the Account SID"),
        ({"account": API_KEY}, "account", "write the Account SID"),
        ({"api_key": ACCOUNT}, "api_key", "write the SID of an API key"),
        ({"api_key": 7}, "api_key", "write the SID of an API key"),
        ({"secret": None}, "secret", "is missing"),
        ({"secret": "x"}, "secret", "is something else"),
        ({"sender": None}, "sender", "is missing"),
        ({"sender": "Tokiflow"}, "sender", "is no sender"),
        ({"to": None}, "to", "is missing"),
        ({"to": ["", " "]}, "to", "is missing"),
        ({"to": []}, "to", "is missing"),
        ({"to": 7}, "to", "must be a list"),
        ({"to": [7]}, "to", "must be a list"),
        ({"to": "0151 12345678"}, "to", "“0151 12345678” is no number; write it with + and the code"),
        ({"to": [f"+4915112345{n}00" for n in range(6)]}, "to", "has 6 numbers; write at most 5"),
        ({"server": "ftp://x"}, "server", "is not a web address"),
    ],
)
def test_the_form_says_what_to_write(change, field, why, config):
    with pytest.raises(Invalid) as caught:
        Sms().validate(config | change)
    assert why in caught.value.fields[f"config.{field}"][0]


def test_where_it_goes_is_told_in_a_few_words(config):
    assert Sms().describe(config) == f"{ALICE} and {BOB}"
    assert Sms().describe(config | {"to": [ALICE]}) == ALICE
    assert Sms().describe(config | {"to": [ALICE, BOB, "+15550100201"]}) == f"{ALICE} and 2 more"
    assert Sms().host(config | {"server": ""}) == "api.twilio.com"


def test_a_stored_config_stays_as_it_is(config):
    assert Sms().validate(config) == config
    assert Sms().validate({name: value or None for name, value in config.items()}) == config


def test_messages_of_one_try_are_the_same_for_every_phone(config, outside, twilio):
    Sms().send(config, replace(message(), monitor_name="Nächtliche “Sicherung”"), outside)
    assert len({one["Body"] for one in sent(twilio)}) == 1
    assert 'Nächtliche "Sicherung"' in sent(twilio)[0]["Body"]
