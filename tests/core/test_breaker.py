"""One dead endpoint must not slow the others, nor silence what is only shared with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import breaker
from tokiflow.core.breaker import Host

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
QUICK = timedelta(seconds=0.1)
ALICE, CHARLIE, DORA = "Harbour Freight", "Charlie & Sons", "Dora"


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def silent(host: Host, *whose: str, at: datetime = NOW) -> Host:
    for one in whose:
        host = breaker.silent(host, one, at, 0.0)
    return host


def test_a_host_is_left_alone_after_five_tries_without_any_answer() -> None:
    host = silent(Host(), *4 * [ALICE])
    assert not host.alone
    assert not breaker.left_alone(host, ALICE, 0, NOW)
    host = silent(host, ALICE)
    assert host.alone_until == NOW + seconds(10)
    assert breaker.left_alone(host, ALICE, 0, NOW)


def test_an_answer_in_between_begins_the_count_anew() -> None:
    host = breaker.answered(silent(Host(), *4 * [ALICE]), QUICK)
    assert not silent(host, *4 * [ALICE]).alone


def test_one_try_at_a_time_shows_whether_it_is_back() -> None:
    host, later = silent(Host(), *5 * [ALICE]), NOW + breaker.PROBE_EVERY
    assert not breaker.left_alone(host, ALICE, 0, later)
    assert breaker.left_alone(host, ALICE, 1, later), "one is under way"
    assert breaker.answered(host, QUICK) == Host()


@pytest.mark.parametrize(("failures", "pause"), [(1, 20), (2, 40), (3, 80), (4, 160), (5, 300), (50, 300)])
def test_pauses_grow_to_five_minutes(failures: int, pause: float) -> None:
    host, at = silent(Host(), *5 * [ALICE]), NOW
    for _ in range(failures):
        assert host.alone_until is not None
        at = host.alone_until
        host = silent(host, ALICE, at=at)
    assert host.alone_until == at + seconds(pause)


def test_tries_that_were_under_way_together_are_one_reason_to_pause() -> None:
    assert silent(Host(), *16 * [ALICE]).alone_until == NOW + seconds(10)


def test_what_one_organization_waits_for_in_vain_does_not_silence_another() -> None:
    host = silent(Host(), *9 * [ALICE])
    assert breaker.left_alone(host, ALICE, 0, NOW)
    assert not breaker.left_alone(host, CHARLIE, 0, NOW)
    host = silent(host, CHARLIE)
    assert breaker.left_alone(host, CHARLIE, 0, NOW)
    assert breaker.left_alone(host, DORA, 0, NOW), "two have waited in vain: it is the host"


def test_quick_answers_widen_the_way_and_slow_ones_narrow_it() -> None:
    host = Host()
    assert breaker.room(host, breaker.FIRST_WIDTH - 1)
    assert not breaker.room(host, breaker.FIRST_WIDTH)
    for _ in range(200):
        host = breaker.answered(host, QUICK)
    assert host.width == breaker.MOST_WIDTH
    assert breaker.answered(host, seconds(9)).width == breaker.FIRST_WIDTH
    assert silent(host, ALICE).width == breaker.MOST_WIDTH // 2


events = st.lists(
    st.tuples(st.sampled_from(["answered", "slow", "silent"]), st.sampled_from([ALICE, CHARLIE]), st.floats(0, 400)),
    max_size=60,
)


@given(events, st.floats(0, 1))
def test_whatever_happens_a_host_is_tried_again_soon_and_one_answer_is_enough(
    events: list[tuple[str, str, float]], jitter: float
) -> None:
    host, at = Host(), NOW
    for what, whose, wait in events:
        at += seconds(wait)
        if what == "silent":
            host = breaker.silent(host, whose, at, jitter)
        else:
            host = breaker.answered(host, QUICK if what == "answered" else seconds(5))
        assert 1 <= host.width <= breaker.MOST_WIDTH
        assert breaker.room(host, 0)
        assert host.alone <= (host.silent >= breaker.SILENT_IN_A_ROW)
        if host.alone_until:
            assert host.alone_until - at <= breaker.LONGEST_PAUSE * 1.1
        assert not breaker.left_alone(host, whose, 0, at + breaker.PROBE_EVERY)
        assert not breaker.answered(host, QUICK).alone
