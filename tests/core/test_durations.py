"""Lengths of time and sizes, as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import durations

NOW = datetime(2027, 3, 20, 12, tzinfo=UTC)
HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (float("nan"), "0 s"),
        (float("inf"), "0 s"),
        (0.0004, "1 ms"),
        (0.05, "50 ms"),
        (0.4, "0.4 s"),
        (2.98, "2.9 s"),
        (3, "3 s"),
        (12.7, "12 s"),
        (59.99, "59 s"),
        (60, "1 m"),
        (192, "3 m 12 s"),
        (189, "3 m 09 s"),
        (HOUR, "1 h"),
        (9 * HOUR + 12 * 60 + 59, "9 h 12 min"),
        (DAY, "1 day"),
        (2 * DAY + 4 * HOUR + 59, "2 days 4 h"),
    ],
)
def test_a_length_in_a_table(seconds, said):
    assert durations.words(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 seconds"),
        (-1, "0 seconds"),
        (float("nan"), "0 seconds"),
        (1, "1 second"),
        (90, "1 minute 30 seconds"),
        (HOUR, "1 hour"),
        (2 * DAY + 4 * HOUR, "2 days 4 hours"),
        (365 * DAY, "365 days"),
    ],
)
def test_a_length_in_full_words(seconds, said):
    assert durations.long(seconds) == said


@pytest.mark.parametrize(
    ("seconds_ago", "said"),
    [
        (0, "just now"),
        (9, "just now"),
        (30, "30 s ago"),
        (4 * 60 + 59, "4 min ago"),
        (HOUR, "1 hour ago"),
        (9 * HOUR + 1800, "9 hours ago"),
        (DAY, "1 day ago"),
        (2 * DAY, "2 days ago"),
        (1500 * DAY, "1,500 days ago"),
        (-1, "in 1 s"),
        (-59.5, "in 1 min"),
        (-61, "in 2 min"),
        (-(59 * 60 + 30), "in 1 h"),
        (-(5 * HOUR + 12 * 60), "in 5 h 12 min"),
        (-(2 * DAY + 4 * HOUR), "in 2 days 4 h"),
    ],
)
def test_a_moment_seen_from_now(seconds_ago, said):
    assert durations.ago(NOW - timedelta(seconds=seconds_ago), NOW) == said


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        (" 90 S ", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1 h 30 min", 5400),
        ("1 hour, 30 minutes", 5400),
        ("1 hour and 30 minutes", 5400),
        ("2 days", 2 * DAY),
        ("1 week", 7 * DAY),
        ("0", 0),
    ],
)
def test_a_length_is_read_however_it_is_written(text, seconds):
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "soon", "-5", "1.5h", "5 parsecs", "h", "5 5", "1h30", "٣m", "9" * 200, "1\0s"]
)
def test_what_is_no_length_is_refused_with_examples(text):
    with pytest.raises(ValueError, match="such as 90"):
        durations.parse(text)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (-1, "0 B"),
        (0, "0 B"),
        (841, "841 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (2150, "2.1 KB"),
        (10_239, "10 KB"),
        (34_816, "34 KB"),
        (1_048_575, "1.0 MB"),
        (1_258_291, "1.2 MB"),
        (5 * 1024**4, "5.0 TB"),
    ],
)
def test_a_size(count, said):
    assert durations.size(count) == said


@given(st.integers(0, 400 * DAY))
def test_what_is_written_in_full_is_read_back(seconds):
    assert durations.parse(durations.long(seconds)) == seconds


@given(st.text())
def test_any_text_is_a_length_or_a_sentence(text):
    try:
        answer: object = durations.parse(text)
    except ValueError as refused:
        answer = str(refused)
    assert (isinstance(answer, int) and answer >= 0) or str(answer).startswith("Write a length")


@given(st.floats())
def test_any_number_has_words(seconds):
    assert durations.words(seconds)
    assert durations.long(seconds)
