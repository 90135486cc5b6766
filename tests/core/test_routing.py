"""Who is told: a table of what rules say, and a property against a reference that is slow and obvious."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import routing
from tokiflow.core.hours import Hours
from tokiflow.core.routing import DEFAULT, OWN, Condition, Rule, Subject

A, B, C, D = CHANNELS = [UUID(int=n) for n in range(1, 5)]
GONE = UUID(int=5)
"""A channel that was deleted, and that a rule may still name."""
FRIDAY_NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CRASH = Subject("critical", "failed", frozenset({"db", "Prod"}), "production")
SLOW = Subject("warning", "degraded")


def tells(*channels: UUID, name: str = "Rule", **values: object) -> Rule:
    return Rule(UUID(int=99), name, steps=(frozenset(channels),), **values)  # type: ignore[arg-type]


def told(rules: list[Rule], subject: Subject = CRASH, at: datetime = FRIDAY_NOON) -> set[UUID]:
    return set(routing.route(rules, subject, at, CHANNELS).by)


# --- a condition ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (Condition(), ""),
        (Condition(severities=frozenset({"critical"})), ""),
        (Condition(severities=frozenset({"warning"})), "not a warning"),
        (Condition(kinds=frozenset({"failed", "missed"})), ""),
        (Condition(kinds=frozenset({"overrun", "missed"})), "not an overrun or missed"),
        (Condition(tags=frozenset({"web", "DB"})), ""),
        (Condition(tags=frozenset({"web", "mail"})), "not tagged mail or web"),
        (Condition(without=frozenset({"test"})), ""),
        (Condition(without=frozenset({"prod", "test"})), "tagged prod"),
        (Condition(environments=frozenset({"Production"})), ""),
        (Condition(environments=frozenset({"staging"})), "not in staging"),
        (Condition(hours=Hours(start=time(9), end=time(17), timezone="Europe/Berlin")), ""),
        (
            Condition(hours=Hours(start=time(14), end=time(17), timezone="Europe/Berlin")),
            "outside 14:00–17:00 in Berlin",
        ),
        (Condition(hours=Hours(days=frozenset({5, 6}))), "outside weekends in UTC"),
        (Condition(tags=frozenset({"db"}), environments=frozenset({"staging"})), "not in staging"),
    ],
)
def test_a_condition_says_why_it_does_not_hold(condition: Condition, why: str) -> None:
    assert routing.why_not(condition, CRASH, FRIDAY_NOON) == why


# --- rules ------------------------------------------------------------------------------------------------------


def test_without_rules_every_channel_hears() -> None:
    found = routing.route([], CRASH, FRIDAY_NOON, CHANNELS)
    assert set(found.by) == set(CHANNELS)
    assert set(found.by.values()) == {"by the default rule"}


def test_every_rule_that_matches_adds_its_channels() -> None:
    assert told([tells(A), tells(B, condition=Condition(tags=frozenset({"db"}))), tells(C, enabled=False)]) == {A, B}


def test_a_rule_that_says_stop_is_the_last_to_be_asked() -> None:
    rules = [tells(A, name="First", last=True), tells(B, name="Second")]
    assert told(rules) == {A}
    verdicts = routing.judge(rules, CRASH, FRIDAY_NOON)
    assert verdicts[1].why == "“First” comes first and says to stop there"


def test_a_rule_that_does_not_match_stops_nothing() -> None:
    assert told([tells(A, last=True, condition=Condition(kinds=frozenset({"missed"}))), tells(B)]) == {B}


def test_the_default_rule_speaks_only_where_no_other_does() -> None:
    fallback = tells(D, fallback=True)
    warnings = tells(A, condition=Condition(severities=frozenset({"warning"})))
    assert told([fallback, warnings]) == {D}
    assert told([fallback, warnings], SLOW) == {A}
    assert told([warnings]) == set(CHANNELS), "nobody wrote a default rule, so it is everybody"


def test_a_rule_may_want_silence() -> None:
    assert told([tells(last=True)]) == set()


def test_a_monitor_that_names_its_channels_asks_no_rule() -> None:
    found = routing.route([tells(A)], replace(CRASH, own=frozenset({B})), FRIDAY_NOON, CHANNELS)
    assert (dict(found.by), found.verdicts) == ({B: OWN}, ())


def test_a_channel_that_several_rules_choose_knows_them_all() -> None:
    found = routing.route([tells(A, name="One"), tells(A, B, name="Two")], CRASH, FRIDAY_NOON, CHANNELS)
    assert dict(found.by) == {A: "by the rules “One” and “Two”", B: "by the rule “Two”"}


def test_a_step_that_is_gone_has_no_channels() -> None:
    rule = Rule(None, "Steps", steps=(frozenset({A}), frozenset({B})), waits=(900,))
    assert [rule.step(n, CHANNELS) for n in range(3)] == [{A}, {B}, frozenset()]
    assert DEFAULT.step(0, CHANNELS) == set(CHANNELS)


# --- against a reference ----------------------------------------------------------------------------------------

TAGS, PLACES = ["db", "web", "Prod"], ["production", "staging"]


def some(words: list[str]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(words))


edges = st.just((None, None)) | st.tuples(
    st.integers(0, 23).map(time), st.integers(0, 23).map(lambda hour: time(hour, 30))
)
condition_hours = st.builds(
    lambda days, edges, zone: Hours(days, edges[0], edges[1], zone),
    st.frozensets(st.integers(0, 6)),
    edges,
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
)
conditions = st.builds(
    Condition,
    some(list(routing.SEVERITIES)),
    some(list(routing.KINDS)),
    some(TAGS),
    some(TAGS),
    some(PLACES),
    st.just(Hours()) | condition_hours,
)
some_channels = st.frozensets(st.sampled_from([*CHANNELS, GONE]))
a_rule = st.builds(
    Rule,
    st.uuids(),
    st.sampled_from(["One", "Two", "Three"]),
    st.just(Condition()) | conditions,
    st.tuples(some_channels),
    enabled=st.booleans(),
    last=st.booleans(),
    everybody=st.sampled_from([False, False, False, True]),
)
rule_lists = st.lists(a_rule, max_size=6).flatmap(
    lambda rules: st.just(rules) | a_rule.map(lambda one: [replace(one, fallback=True), *rules])
)
subjects = st.builds(
    Subject,
    st.sampled_from(routing.SEVERITIES),
    st.sampled_from(routing.KINDS),
    some(["DB", "web", "prod", "mail"]),
    st.sampled_from(["", "Production", "staging"]),
    st.none() | some_channels,
)
# Two weeks in which clocks go back, in Berlin and a week later in New York.
moments = st.integers(0, 14 * 24 * 60).map(
    lambda minutes: datetime(2026, 10, 20, tzinfo=UTC) + timedelta(minutes=minutes)
)


def slowly_within(chosen: Hours, at: datetime) -> bool:
    """Write down every minute of a week for which the hours hold, and look `at` up."""
    wall = at.astimezone(ZoneInfo(chosen.timezone))
    minutes = set()
    for day in chosen.days or range(7):
        start = 0 if chosen.start is None else chosen.start.hour * 60 + chosen.start.minute
        end = 24 * 60 if chosen.end is None else chosen.end.hour * 60 + chosen.end.minute
        length = end - start if end > start else end - start + 24 * 60
        minutes |= {(day * 24 * 60 + start + n) % (7 * 24 * 60) for n in range(length)}
    return wall.weekday() * 24 * 60 + wall.hour * 60 + wall.minute in minutes


def slowly_holds(condition: Condition, subject: Subject, at: datetime) -> bool:
    has = [tag.lower() for tag in subject.tags]
    if condition.severities and all(one != subject.severity for one in condition.severities):
        return False
    if condition.kinds and all(one != subject.kind for one in condition.kinds):
        return False
    if condition.tags and all(one.lower() not in has for one in condition.tags):
        return False
    if any(one.lower() in has for one in condition.without):
        return False
    if condition.environments and all(one.lower() != subject.environment.lower() for one in condition.environments):
        return False
    return slowly_within(condition.hours, at)


def slowly_told(rules: list[Rule], subject: Subject, at: datetime) -> set[UUID]:
    """Channel by channel: is there a rule that speaks, comes before any stop, and names it?"""
    if subject.own is not None:
        return {channel for channel in CHANNELS if channel in subject.own}
    plain = [rule for rule in rules if not rule.fallback]
    speaks = [rule.enabled and slowly_holds(rule.condition, subject, at) for rule in plain]
    heard = [speaks[n] and not any(speaks[m] and plain[m].last for m in range(n)) for n in range(len(plain))]
    if not any(heard):
        spoken = [rule for rule in rules if rule.fallback] or [DEFAULT]
    else:
        spoken = [rule for rule, is_heard in zip(plain, heard, strict=True) if is_heard]
    return {channel for channel in CHANNELS for rule in spoken if rule.everybody or channel in rule.steps[0]}


@given(rule_lists, subjects, moments)
def test_rules_tell_whom_a_patient_reader_would_tell(rules: list[Rule], subject: Subject, at: datetime) -> None:
    found = routing.route(rules, subject, at, CHANNELS)
    assert set(found.by) == slowly_told(rules, subject, at)
    if subject.own is None:
        assert all(bool(verdict.why) is not verdict.matched for verdict in found.verdicts)
        assert all(
            any(rule.name in found.by[channel] or rule == DEFAULT for rule in found.matched) for channel in found.by
        )


@given(conditions)
def test_a_condition_is_kept_and_read_again(condition: Condition) -> None:
    again = routing.from_json(routing.to_json(condition))
    assert routing.to_json(again) == routing.to_json(condition)
    assert replace(again, hours=Hours()) == replace(condition, hours=Hours())
