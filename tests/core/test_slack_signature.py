"""Slack's signatures: what it signed is taken, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tokiflow.core.slack_signature import genuine, sign

# The example of Slack's own documentation.
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
    b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
    b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&"
    b"trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
TIMESTAMP = "1531420618"
SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
NOW = datetime.fromtimestamp(1531420618, UTC)


def test_the_example_of_slacks_documentation():
    assert sign(SECRET, TIMESTAMP, BODY) == SIGNATURE
    assert genuine(SECRET, TIMESTAMP, SIGNATURE, BODY, NOW)


@pytest.mark.parametrize(("seconds", "taken"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_five_minutes_either_way(seconds, taken):
    assert genuine(SECRET, TIMESTAMP, SIGNATURE, BODY, NOW + timedelta(seconds=seconds)) is taken


@pytest.mark.parametrize(
    ("timestamp", "signature", "body"),
    [
        (TIMESTAMP, SIGNATURE, BODY + b"&x=1"),
        (TIMESTAMP, SIGNATURE[:-1] + "4", BODY),
        (TIMESTAMP, SIGNATURE.removeprefix("v0="), BODY),
        (TIMESTAMP, "v1" + SIGNATURE[2:], BODY),
        (TIMESTAMP, "", BODY),
        (TIMESTAMP, "v0=☃", BODY),
        ("1531420619", SIGNATURE, BODY),
        ("", SIGNATURE, BODY),
        ("now", SIGNATURE, BODY),
        ("-1531420618", SIGNATURE, BODY),
        ("1531420618.0", SIGNATURE, BODY),
        ("١٥٣١٤٢٠٦١٨", SIGNATURE, BODY),
        ("9" * 400, SIGNATURE, BODY),
    ],
)
def test_anything_else_is_not_of_slack(timestamp, signature, body):
    assert not genuine(SECRET, timestamp, signature, body, NOW)


def test_without_a_secret_nothing_is_genuine():
    assert not genuine("", TIMESTAMP, sign("", TIMESTAMP, BODY), BODY, NOW)
