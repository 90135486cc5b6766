"""Codes of an authenticator app, by the test vectors of RFC 6238 (appendix B, the last six of their eight digits)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tokiflow.core import totp

SECRET = base64.b32encode(b"12345678901234567890").decode()
NOW = datetime(2026, 7, 1, 8, 0, 10, tzinfo=UTC)
HERE = int(NOW.timestamp()) // 30


def code_at(step: int) -> str:
    import pyotp

    return pyotp.TOTP(SECRET).generate_otp(step)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_are_those_of_the_rfc(seconds, code):
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.matching_step(SECRET, code, at, 0) == seconds // 30


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_a_step_off(steps, taken):
    assert (totp.matching_step(SECRET, code_at(HERE + steps), NOW, 0) == HERE + steps) is taken


@pytest.mark.parametrize(("after", "taken"), [(HERE - 1, True), (HERE, False), (HERE + 1, False)])
def test_no_code_is_taken_after_itself_or_a_later_one(after, taken):
    assert (totp.matching_step(SECRET, code_at(HERE), NOW, after) is not None) is taken


@pytest.mark.parametrize("typed", ["{} {}", " {}{} ", "{}-{}", "{}\t{}\n"])
def test_spaces_do_not_matter(typed):
    code = code_at(HERE)
    assert totp.matching_step(SECRET, typed.format(code[:3], code[3:]), NOW, 0) == HERE


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "１２３４５６", "12345\x00", "½½½½½½", "-1e+05"]
)
def test_what_is_no_code_is_no_code(typed):
    assert not totp.looks_like_code(typed)
    assert totp.matching_step(SECRET, typed, NOW, 0) is None


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 0), (4, 0), (5, 30), (6, 60), (7, 120), (9, 480), (10, 900), (11, 900), (10_000, 900)]
)
def test_wrong_codes_slow_down_and_never_stop(count, seconds):
    assert totp.wait(count, NOW, NOW) == timedelta(seconds=seconds)
    assert totp.wait(count, NOW, NOW + timedelta(seconds=seconds)) == timedelta(0)


def test_wrong_codes_are_forgotten_after_a_day():
    assert totp.failures(7, NOW, NOW + timedelta(hours=23)) == 7
    assert totp.failures(7, NOW, NOW + timedelta(days=1)) == 0
    assert totp.wait(0, None, NOW) == timedelta(0)


def test_a_secret_is_long_and_never_the_same():
    made = {totp.new_secret() for _ in range(20)}
    assert len(made) == 20
    assert {len(base64.b32decode(one)) for one in made} == {20}  # 160 bits
    assert totp.grouped("ABCDEFGHIJ") == "ABCD EFGH IJ"


def test_the_qr_code_says_who_and_where():
    found = urlsplit(totp.uri(SECRET, "alice&co@example.com", "Tokiflow"))
    assert (found.scheme, found.netloc) == ("otpauth", "totp")
    assert unquote(found.path) == "/Tokiflow:alice&co@example.com"
    assert parse_qs(found.query) == {"secret": [SECRET], "issuer": ["Tokiflow"]}
