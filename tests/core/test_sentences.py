from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tokiflow.core import findings, sentences
from tokiflow.core.measure import Measure
from tokiflow.core.status import Kind

NOW = datetime(2026, 11, 20, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "timezone", "words"),
    [
        (NOW, "Europe/Berlin", "02:05 in Berlin"),
        (NOW, "", "01:05 UTC"),
        (NOW, "No/Where", "01:05 UTC"),
        (NOW + timedelta(seconds=7), "UTC", "01:05:07 UTC"),
        (NOW - timedelta(days=2), "America/New_York", "17 Nov 20:05 in New York"),
    ],
)
def test_a_time_names_its_zone_and_its_day_if_it_is_another(moment: datetime, timezone: str, words: str) -> None:
    assert sentences.clock(moment, NOW, timezone) == words


def test_a_miss_says_until_when_it_was_waited_for() -> None:
    assert sentences.missed(NOW, NOW, "Europe/Berlin") == "should have pinged by 02:05 in Berlin and was silent"


@pytest.mark.parametrize(
    ("code", "quote", "in_a_row", "words"),
    [
        (3, "all fine\nSMTP: relay access denied\n\n", 1, "exit code 3: “SMTP: relay access denied”"),
        (3, "", 3, "exit code 3, 3 runs in a row"),
        (None, "", 1, "the job said it failed"),
        (1, "\x1b[31mred\x1b[0m\x00", 1, "exit code 1: “[31mred[0m”"),
    ],
)
def test_a_failure_is_told_in_the_jobs_own_last_words(code: int | None, quote: str, in_a_row: int, words: str) -> None:
    assert sentences.failed(code, quote, in_a_row) == words


def test_last_words_stay_short() -> None:
    assert len(sentences.failed(1, "x" * 10_000, 1)) < 200


def test_an_overrun_tells_what_was_allowed() -> None:
    assert sentences.overran(60, None) == "has been running for longer than the 1 m allowed"
    assert sentences.overran(60, 92_000) == "took 1 m 32 s, at most 1 m is allowed"


@pytest.mark.parametrize(
    ("value", "words"),
    [(8000, "8,000"), (-22.5, "−22.5"), (-0.0, "0"), (0.013712, "0.01371"), (-1e300, "−1e+300"), (2**53, "9.007e+15")],
)
def test_a_number_of_the_jobs_own_is_short_and_has_a_real_minus(value: float, words: str) -> None:
    assert sentences.amount(value, Measure.METRIC) == words


def test_there_is_advice_for_every_kind_of_trouble() -> None:
    assert all(sentences.advice(kind).endswith(".") for kind in Kind)


@pytest.mark.parametrize(
    ("seconds", "trend"),
    [
        ((13, 14, 15, 16, 17, 18), "and the trend is up"),
        ((850, 860, 870, 880, 890, 900), "and the trend is up"),
        ((14, 14.2, 14.1, 14.3, 14, 14.2), "and the trend is level"),
        ((20, 20, 20, 20, 20, 20), "and the trend is level"),
        ((30, 28, 26, 20, 16, 15), "but the trend is down again"),
    ],
)
def test_slowness_says_where_it_goes(seconds: tuple[float, ...], trend: str) -> None:
    words = sentences.unusual(findings.Slower(seconds, 10.0, 1.0, 12.0), Measure.RUN_TIME)
    assert words.startswith(f"the last 6 runs were slower than 95 % of those before, {trend}: ")
