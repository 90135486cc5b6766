"""Messages are clean from the moment they are made, and say things as a person would."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.channels.conftest import OPENED, message
from tokiflow.channels import text, words
from tokiflow.channels.message import Receipt


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("Backup\r\nBcc: eve@example.com", "Backup Bcc: eve@example.com"),
        ("Back\x00up\x07", "Backup"),
        ("\u202egpj.exe\u202c", "gpj.exe"),
        ("\u2066safe\u2069", "safe"),
        ("broken \udcff bytes", "broken \ufffd bytes"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("  גיבוי  לילי  ", "גיבוי לילי"),
        ("👩‍🚀 backup", "👩‍🚀 backup"),
        ("x" * 500, "x" * 119 + "…"),
    ],
)
def test_a_name_is_one_clean_line(given, seen):
    assert message(monitor_name=given).monitor_name == seen


def test_output_keeps_its_columns_and_its_last_lines():
    lines = tuple(f"{number}\tcolumn\r" for number in range(50))
    kept = message(last_lines=lines).last_lines
    assert len(kept) == 20
    assert kept[-1] == "49  column"
    assert text.output("  indented", 300) == "  indented"


def test_a_zone_that_is_gone_costs_no_alert():
    assert message(timezone="Mars/Olympus").timezone == "UTC"
    assert message(timezone="../../etc/passwd").timezone == "UTC"
    assert message(timezone="").timezone == "UTC"


def test_a_receipt_is_bounded():
    assert len(Receipt(200, "x" * 10_000).response) == 2_000


@pytest.mark.parametrize(
    ("kind", "trouble", "headline"),
    [
        ("opened", "missed", "Down: Nightly database backup missed its 02:05 ping"),
        ("opened", "failed", "Down: Nightly database backup failed with exit code 1"),
        ("opened", "overrun", "Down: Nightly database backup is running too long"),
        ("reopened", "failed", "Down again: Nightly database backup failed with exit code 1"),
        ("flapping", "failed", "Flapping: Nightly database backup keeps failing and recovering"),
        ("resolved", "missed", "Up: Nightly database backup is back after 9 h 12 min"),
        ("test", "missed", "Test: alerts of Harbour Freight arrive here"),
    ],
)
def test_the_headline_says_it_all(kind, trouble, headline):
    assert words.headline(message(kind, trouble)) == headline


def test_what_is_unusual_says_so_in_numbers_and_was_never_down():
    numbers = "took 3 s; usually 12 m"
    assert words.headline(message("opened", "anomaly")) == f"Warning: Nightly database backup {numbers}"
    assert words.headline(message("opened", "degraded")) == "Warning: Nightly database backup has become slower"
    over = message("resolved", "anomaly")
    assert words.headline(over) == "As usual: Nightly database backup is as usual again after 9 h 12 min"
    assert "Was unusual" in dict(words.facts(over))


def test_the_headline_knows_kinds_that_are_yet_to_come():
    late = message(severity="warning", incident_kind="eclipse", summary="")
    assert words.headline(late) == "Warning: Nightly database backup needs a look"


def test_times_are_told_in_the_readers_zone_and_say_so():
    assert ("Since", "Sat 21 Nov, 02:05 (Europe/Berlin)") in words.facts(message())
    assert ("Since", "Fri 20 Nov, 20:05 (America/New_York)") in words.facts(message(timezone="America/New_York"))
    old = message(sent_at=OPENED + timedelta(days=400))
    assert ("Since", "Sat 21 Nov 2026, 02:05 (Europe/Berlin)") in words.facts(old)


def test_a_recovery_says_how_long_it_was_down():
    assert words.facts(message("resolved"))[0] == (
        "Was down",
        "9 h 12 min, Sat 21 Nov, 02:05 to 11:17 (Europe/Berlin)",
    )
    long = message("resolved", resolved_at=OPENED + timedelta(days=2, hours=3, minutes=40))
    assert words.facts(long)[0][1] == "2 days 3 h, Sat 21 Nov, 02:05 to Mon 23 Nov, 05:45 (Europe/Berlin)"


def test_the_strip_shows_height_and_outcome():
    runs = (("success", 0.0), ("success", 1.0), ("failed", 0.5), ("missed", 0.0), ("overran", 7.0), ("success", -1.0))
    assert words.strip(message(runs=runs)) == "▁▇✕┆✕▁"
    assert words.strip_words(message(runs=runs)) == (
        "The last 6 runs, newest on the right: 3 good, 1 failed, 1 overran, 1 missed"
    )


@pytest.mark.parametrize(
    ("written", "escaped"),
    [
        ("db_backup", "db_backup"),
        ("__init__", r"\_\_init\_\_"),
        ("**bold** `code`", r"\*\*bold\*\* \`code\`"),
        ("[a](https://b.example)", r"\[a\](https\://b.example)"),
        ("@everyone <@1> |x| ~x~", r"\@everyone \<\@1\> \|x\| \~x\~"),
        ("# head", r"\# head"),
        ("1. one", r"1\. one"),
        ("- dash", r"\- dash"),
        ("-5 degrees, 3.5 s", "-5 degrees, 3.5 s"),
        ("C:\\temp", r"C:\\temp"),
    ],
)
def test_markdown_shows_what_was_written(written, escaped):
    assert text.markdown(written) == escaped


def test_what_does_not_fit_is_cut_and_says_so():
    assert text.fitting("backup", lambda cut: len(cut) <= 6) == "backup"
    assert text.fitting("backups", lambda cut: len(cut) <= 6) == "backu…"
    assert text.fitting("backups", lambda cut: False) == ""
    assert text.tail(("one", "two", "three"), lambda kept: len(kept) <= 9) == "two\nthree"
    assert text.tail(("one",), lambda kept: False) == ""
    assert text.units("a👩") == 3
    assert text.size("ä") == 2
    assert text.fenced("a ``` b\n````").count("```") == 2
    assert text.without("key: abc123, abc", ["abc", "abc123", ""]) == "key: …, …"
