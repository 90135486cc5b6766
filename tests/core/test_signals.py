from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import signals
from tokiflow.core.signals import Progress, Signal


@pytest.mark.parametrize(
    ("state", "exit_code", "signal"),
    [
        (None, None, Signal.SUCCESS),
        (None, 0, Signal.SUCCESS),
        (None, 3, Signal.FAIL),
        ("success", 3, Signal.FAIL),
        ("success", 0, Signal.SUCCESS),
        ("fail", 0, Signal.FAIL),
        ("start", 1, Signal.START),
        ("log", None, Signal.LOG),
    ],
)
def test_an_exit_code_turns_success_into_fail_and_nothing_else(
    state: str | None, exit_code: int | None, signal: Signal
) -> None:
    assert signals.decide(state, exit_code) is signal


@pytest.mark.parametrize("text", ["0", "1", "255", "007"])
def test_exit_codes_are_0_to_255(text: str) -> None:
    assert signals.parse_exit_code(text) == int(text)


@pytest.mark.parametrize("text", ["", "-1", "256", "1.0", "١", "0x1", "9999999999", "nan", " 1"])
def test_other_exit_codes_are_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="0 to 255"):
        signals.parse_exit_code(text)


@pytest.mark.parametrize(("text", "milliseconds"), [("0", 0), ("1500", 1500), ("1500.6", 1501), ("1e3", 1000)])
def test_durations_are_milliseconds(text: str, milliseconds: int) -> None:
    assert signals.parse_duration_ms(text) == milliseconds


@pytest.mark.parametrize("text", ["", "-1", "abc", "nan", "inf", "1_000", "1e99", "9" * 50])
def test_nonsense_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="durationMs"):
        signals.parse_duration_ms(text)


def test_progress_is_a_share_of_the_whole() -> None:
    assert signals.parse_progress("50", None, None, None) == Progress(percent=50.0)
    steps = signals.parse_progress(None, "3", "8", "indexes")
    assert steps is not None
    assert steps.fraction == 3 / 8
    assert signals.parse_progress(None, None, "8", None) is None


@pytest.mark.parametrize(
    ("percent", "step", "total"), [("101", None, None), ("-1", None, None), (None, "x", "8"), (None, "1", "-8")]
)
def test_progress_beyond_the_whole_is_refused(percent: str | None, step: str | None, total: str | None) -> None:
    with pytest.raises(ValueError, match="bad "):
        signals.parse_progress(percent, step, total, None)


def test_metrics_are_name_and_number() -> None:
    assert signals.parse_metrics(["count:8000", "a:b:1.5"]) == {"count": 8000.0, "a:b": 1.5}


@pytest.mark.parametrize("text", ["count", "count:", ":1", "count:nan", "count:one", "n" * 101 + ":1"])
def test_other_metrics_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="bad metric"):
        signals.parse_metrics([text])


@given(st.text())
def test_no_text_makes_a_number_reader_stumble(text: str) -> None:
    for read in (signals.parse_exit_code, signals.parse_duration_ms, lambda one: signals.parse_metrics([one])):
        with contextlib.suppress(ValueError):
            read(text)
