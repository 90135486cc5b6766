"""/tokiflow …: what people type, and what it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core.slack_commands import Command, parse

HOUR = 3600


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", Command("help")),
        ("   ", Command("help")),
        ("help", Command("help")),
        ("status", Command("status")),
        (" STATUS please", Command("status")),
        ("monitors", Command("monitors")),
        ("ack inc_01k9zq3v7w", Command("ack", "inc_01k9zq3v7w")),
        ("acknowledge  “Nightly   backup”", Command("ack", "Nightly backup")),
        ("mute nightly-backup 1h", Command("mute", "nightly-backup", HOUR)),
        ("mute Nightly backup 2h 30m", Command("mute", "Nightly backup", 2 * HOUR + 1800)),
        ("mute Nightly backup for 30 min", Command("mute", "Nightly backup", 1800)),
        ('mute "Nightly backup" 1 day', Command("mute", "Nightly backup", 24 * HOUR)),
        ("mute Backup 2 1h", Command("mute", "Backup 2", HOUR)),
        ("mute R&amp;D &lt;sync&gt; 45m", Command("mute", "R&D <sync>", 2700)),
        ("mute a &amp;lt; b 45m", Command("mute", "a &lt; b", 2700)),
        ("mute 2h 1h", Command("mute", "2h", HOUR)),
    ],
)
def test_what_is_understood(text, command):
    assert parse(text) == command


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("frobnicate now", "“frobnicate” is not something I know."),
        ("ack", "which incident"),
        ("mute", "a monitor and a time"),
        ("mute backup", "a monitor and a time"),
        ("mute 1h", "a monitor and a time"),
        ("mute backup soon", "a monitor and a time"),
        ("mute backup 30", "write 30m for minutes"),
        ("mute backup 5s", "from a minute to 30 days"),
        ("mute backup 31 days", "from a minute to 30 days"),
        ("mute backup 0h", "from a minute to 30 days"),
        ("mute backup 999999999999 weeks", "from a minute to 30 days"),
    ],
)
def test_what_is_not_understood_is_answered_with_help(text, says):
    found = parse(text)
    assert found.verb == "help"
    assert says in found.mistake


@given(st.text(max_size=300))
def test_there_is_an_answer_to_everything(text):
    for verb in ("", "ack ", "mute ", "status "):
        found = parse(verb + text)
        assert found.verb in {"status", "monitors", "ack", "mute", "help"}
        assert (found.what + found.mistake).isprintable()
