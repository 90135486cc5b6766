"""Few messages go alone and at once; the many become one; nothing is dropped, and nothing critical waits for long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow import errors
from tokiflow.core import grouping
from tokiflow.core.grouping import Gathered, Limits, News, Sorted

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
USUAL = Limits(after=5, window=timedelta(seconds=60))


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def came(*seconds: float) -> list[News]:
    return [News(n, at(moment)) for n, moment in enumerate(seconds)]


def sort_out(news: list[News], limits: Limits = USUAL, messages: Any = (), joining: Any = (), now: float = 0) -> Sorted:
    return grouping.sort_out(news, {one.key for one in news}, joining, messages, limits, at(now))


@pytest.mark.parametrize(
    ("seconds", "alone"),
    [
        ([], []),
        ([0], [0]),
        ([0] * 5, [0, 1, 2, 3, 4]),
        ([0] * 6, [0, 1, 2, 3, 4]),
        ([0] * 1_000, [0, 1, 2, 3, 4]),
        ([0, 10, 20, 30, 40, 50, 61], [0, 1, 2, 3, 4]),
        ([0, 13, 26, 39, 52, 65, 78], [0, 1, 2, 3, 4, 5, 6]),
        ([0] * 8 + [59, 60, 61], [0, 1, 2, 3, 4, 9, 10]),
    ],
    ids=[
        "nothing", "one", "as many as may", "one more", "a storm", "a drip too fast", "a drip that is slow enough",
        "a storm that is over",
    ],
)  # fmt: skip
def test_the_first_of_a_window_go_alone(seconds: list[float], alone: list[int]) -> None:
    found = sort_out(came(*seconds))
    assert list(found.alone) == alone
    assert list(found.together) == [n for n in range(len(seconds)) if n not in alone]
    assert found.reason == ("storm" if found.together else "rate")


def test_without_limits_each_goes_alone() -> None:
    assert len(sort_out(came(*[0] * 1_000), Limits()).alone) == 1_000


def test_what_was_told_already_counts_and_is_not_sorted_again() -> None:
    found = grouping.sort_out(came(*[0] * 7), {4, 5, 6}, (), (), USUAL, NOW)
    assert found == Sorted((4,), (5, 6), "storm")


def test_a_recovery_of_what_a_summary_told_of_joins_it() -> None:
    assert sort_out(came(0, 1), joining={1}) == Sorted((0,), (1,), "storm")


@pytest.mark.parametrize(
    ("ago", "alone"), [([], 3), ([1], 2), ([1, 2, 3], 0), ([1, 2, 3, 4], 0), ([3599, 3600, 3601], 2)]
)
def test_beyond_the_rate_they_are_gathered(ago: list[float], alone: int) -> None:
    found = sort_out(came(*[0] * 5), Limits(per_hour=3), [at(-one) for one in ago])
    assert (len(found.alone), len(found.together), found.reason) == (alone, 5 - alone, "rate")


@pytest.mark.parametrize(
    ("gathered", "due"),
    [
        (Gathered(NOW), 10),
        (Gathered(NOW, NOW), 10),
        (Gathered(NOW, sent=1, last_sent_at=at(-5)), 55),
        (Gathered(NOW, sent=1, last_sent_at=at(-3600)), 10),
        (Gathered(NOW, sent=2, last_sent_at=at(-1)), 119),
        (Gathered(NOW, sent=3, last_sent_at=at(-1)), 299),
        (Gathered(NOW, NOW, sent=99, last_sent_at=at(-1)), 299),
    ],
    ids=["the first", "the first, critical", "soon after", "long after", "the third", "the fourth", "any later"],
)
def test_pauses_between_the_messages_of_a_storm_grow(gathered: Gathered, due: float) -> None:
    assert grouping.leaves_at(gathered, (), USUAL, NOW) == at(due)


def test_what_is_beyond_the_rate_leaves_when_the_hour_has_room_and_critical_trouble_sooner() -> None:
    limits, messages = Limits(per_hour=2), [at(-600), at(-3000), at(-1800)]
    assert grouping.leaves_at(Gathered(NOW), messages, limits, NOW) == at(1800)
    assert grouping.leaves_at(Gathered(NOW, at(20)), messages, limits, NOW) == at(20) + grouping.CRITICAL_WAIT
    assert grouping.leaves_at(Gathered(NOW), [at(-3600), at(-1)], limits, NOW) == at(10)


def test_a_storm_of_long_ago_is_another() -> None:
    assert not grouping.another(at(-900), NOW)
    assert grouping.another(at(-901), NOW)


# --- always -----------------------------------------------------------------------------------------------------

MOMENTS = st.lists(st.integers(0, 7200), max_size=60).map(sorted)
LIMITS = st.builds(
    Limits,
    st.none() | st.integers(1, 8),
    st.integers(10, 600).map(lambda seconds: timedelta(seconds=seconds)),
    st.none() | st.integers(1, 8),
)
SENT = st.lists(st.integers(-7200, 0).map(at), max_size=20)


@given(MOMENTS, LIMITS, SENT, st.sets(st.integers(0, 60)))
def test_nothing_is_dropped_and_nothing_is_told_twice(
    moments: list[int], limits: Limits, messages: list[datetime], joining: set[int]
) -> None:
    found = sort_out(came(*moments), limits, messages, joining)
    assert sorted((*found.alone, *found.together)) == list(range(len(moments)))  # type: ignore[type-var]
    assert list(found.alone) == sorted(found.alone)  # type: ignore[type-var]


@given(MOMENTS, st.integers(1, 8), st.integers(10, 600))
def test_it_waits_only_if_that_many_came_in_the_window_before(moments: list[int], after: int, window: int) -> None:
    """Against a slow and obvious reference."""
    found = sort_out(came(*moments), Limits(after, timedelta(seconds=window)))
    for n, moment in enumerate(moments):
        before = [one for one in moments[:n] if moment - one < window]
        assert (n in found.together) is (len(before) >= after), (n, before)


@given(MOMENTS, LIMITS, st.data())
def test_whoever_looks_decides_the_same(moments: list[int], limits: Limits, data: st.DataObject) -> None:
    """Several workers take what waits in pieces; the storm is the same."""
    limits = Limits(limits.after, limits.window)
    news = came(*moments)
    at_once = sort_out(news, limits)
    mine = data.draw(st.sets(st.sampled_from(range(len(news))))) if news else set()
    pieces = [grouping.sort_out(news, part, (), (), limits, NOW) for part in (mine, set(range(len(news))) - mine)]
    assert {key for piece in pieces for key in piece.alone} == set(at_once.alone)


@given(
    st.integers(0, 600), st.none() | st.integers(0, 600), st.integers(0, 9), st.none() | st.integers(-600, 600),
    SENT, LIMITS,
)  # fmt: skip
def test_critical_trouble_never_waits_for_long(
    since: int, critical: int | None, sent: int, last: int | None, messages: list[datetime], limits: Limits
) -> None:
    gathered = Gathered(
        at(since), None if critical is None else at(since + critical), sent, None if last is None else at(last)
    )
    due = grouping.leaves_at(gathered, messages, limits, at(since))
    assert due >= gathered.since + grouping.GATHER
    if gathered.critical_since is not None:
        assert due <= gathered.critical_since + grouping.CRITICAL_WAIT
    assert due <= max(at(since), at(last or 0), at(0)) + grouping.HOUR + grouping.CRITICAL_WAIT


# --- what people write ------------------------------------------------------------------------------------------


def test_what_is_not_named_stays() -> None:
    before = Limits(3, timedelta(seconds=30), 12)
    assert grouping.checked({}, before) == before
    assert grouping.checked({"group_after": None, "rate_per_hour": None}, before) == Limits(None, before.window, None)
    assert grouping.checked({"group_window_seconds": 3600}, before) == Limits(3, timedelta(hours=1), 12)


@pytest.mark.parametrize("bad", [0, -1, 1_000_000, "5", 2.5, True, [], float("nan")], ids=repr)
@pytest.mark.parametrize("name", ["group_after", "group_window_seconds", "rate_per_hour"])
def test_what_is_no_limit_is_refused_with_a_hint(name: str, bad: Any) -> None:
    with pytest.raises(errors.Invalid) as refused:
        grouping.checked({name: bad}, Limits())
    assert set(refused.value.fields) == {name}
    assert "write one" in refused.value.fields[name][0]


def test_people_want_one_message_for_a_storm_and_machines_each() -> None:
    assert grouping.usual(True) == Limits(5, timedelta(seconds=60), None)
    assert grouping.usual(False).after is None
