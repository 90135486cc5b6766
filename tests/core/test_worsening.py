"""What gets worse is told, what stays or gets better is not, and neither is chance."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core.worsening import LEAST_FALL, Stretch, What, judge


def stretch(expected: int = 100, succeeded: int | None = None, p50: float = 60.0, p95: float = 90.0) -> Stretch:
    good = expected if succeeded is None else succeeded
    return Stretch(expected, good, good, p50, max(p50, p95))


@pytest.mark.parametrize(
    ("before", "lately", "told"),
    [
        (stretch(), stretch(), []),
        (stretch(), stretch(succeeded=80), [What.SUCCESS]),
        (stretch(succeeded=80), stretch(), []),
        (stretch(), stretch(p50=120, p95=150), [What.USUAL]),
        (stretch(), stretch(p95=180), [What.SLOWEST]),
        (stretch(p50=120, p95=150), stretch(), []),
        (stretch(10), stretch(10, p95=400), []),  # the slowest of ten is one run
        (stretch(10), stretch(10, 9), []),  # one bad run is an incident
        (stretch(10), stretch(10, 8), [What.SUCCESS]),
        (stretch(4), stretch(4, 0), []),  # too few to know
        (stretch(p50=0.2, p95=0.3), stretch(p50=0.6, p95=0.9), []),  # nobody minds half a second
        (stretch(), stretch(succeeded=50, p50=600), [What.USUAL, What.SUCCESS]),
        (stretch(), stretch(succeeded=20, p50=90), [What.SUCCESS, What.USUAL]),
        (Stretch(0, 0), stretch(succeeded=0), []),
        (stretch(), Stretch(0, 0), []),
    ],
)
def test_what_is_told(before: Stretch, lately: Stretch, told: list[What]) -> None:
    assert [one.what for one in judge(before, lately)] == told


STRETCHES = st.builds(
    lambda runs, bad, p50, p95: Stretch(runs, max(0, runs - bad), max(0, runs - bad), p50 / 100, (p50 + p95) / 100),
    st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 10**6), st.integers(0, 10**6),
)  # fmt: skip


@given(STRETCHES)
def test_what_stays_as_it_is_is_never_worse(one: Stretch) -> None:
    assert judge(one, one) == []


@given(STRETCHES, STRETCHES)
def test_no_two_stretches_are_worse_than_each_other_in_the_same_way(one: Stretch, other: Stretch) -> None:
    assert not {found.what for found in judge(one, other)} & {found.what for found in judge(other, one)}


@given(STRETCHES, STRETCHES)
def test_all_that_is_told_did_fall_or_grow_by_what_is_said(before: Stretch, lately: Stretch) -> None:
    for one in judge(before, lately):
        if one.what is What.SUCCESS:
            assert one.before - one.lately >= LEAST_FALL
        else:
            assert one.lately > one.before
        assert one.weight > 0


@given(STRETCHES, STRETCHES, st.integers(1, 100))
def test_more_failures_are_never_told_less(before: Stretch, lately: Stretch, more: int) -> None:
    def weight(now: Stretch) -> float:
        return next((one.weight for one in judge(before, now) if one.what is What.SUCCESS), 0.0)

    assert weight(replace(lately, succeeded=max(0, lately.succeeded - more))) >= weight(lately)


@given(STRETCHES, STRETCHES, st.integers(1, 10))
def test_slower_runs_are_never_told_less(before: Stretch, lately: Stretch, factor: int) -> None:
    def told(now: Stretch) -> list[What]:
        return [one.what for one in judge(before, now) if one.what is not What.SUCCESS]

    slower = replace(lately, p50=(lately.p50 or 0) * factor, p95=(lately.p95 or 0) * factor)
    assert len(told(slower)) >= len(told(lately))
