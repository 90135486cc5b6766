"""A chain shows every change to it: whatever is altered, taken out, slipped in or moved."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import chain
from tokiflow.core.chain import Break, End, Link

KEY = b"a key of the chain's own"
START = End(0, "")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.lists(st.tuples(st.dictionaries(st.text(), JSON, max_size=3), st.text()), min_size=1, max_size=8)


def written(events: list[tuple[dict[str, Any], str]], key: bytes = KEY, at: End = START) -> tuple[list[Link], End]:
    links = []
    for words, what in events:
        said = chain.words_hash(key, words)
        fixed = {"what": what}
        at = End(at.n + 1, chain.link_hash(key, at.hash, at.n + 1, fixed, said))
        links.append(Link(at.n, fixed, words, said, at.hash))
    return links, at


def found(links: list[Link], end: End, begin: End = START, redacted: tuple[int, ...] = ()) -> list[Break]:
    return list(chain.breaks(KEY, links, begin, end, redacted))


FIVE = [({"by": f"person {n}"}, "monitor.paused") for n in range(1, 6)]


@given(EVENTS)
def test_what_nobody_touched_holds(events):
    links, end = written(events)
    assert found(links, end) == []
    for n in range(len(links)):
        assert found(links[n + 1 :], end, End(links[n].n, links[n].hash)) == [], "also from its middle on"


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_value_has_one_hash_however_it_was_kept(words):
    kept = json.loads(json.dumps(dict(reversed(words.items()))))
    assert chain.words_hash(KEY, kept) == chain.words_hash(KEY, words)


def test_numbers_are_one_value_with_or_without_a_point():
    assert chain.words_hash(KEY, {"rate": 2.0}) == chain.words_hash(KEY, {"rate": 2})
    assert chain.words_hash(KEY, {"rate": True}) != chain.words_hash(KEY, {"rate": 1})


@given(EVENTS, st.data())
def test_whatever_is_altered_shows(events, data):
    links, end = written(events)
    n = data.draw(st.integers(0, len(links) - 1))
    field = data.draw(st.sampled_from(["words", "fixed", "hash", "words_hash"]))
    other = {"words": {"by": "Mallory", "x": "y"}, "fixed": {"what": "never\0"}}.get(field, "0" * 64)
    links[n] = dataclasses.replace(links[n], **{field: other})
    assert [one for one in found(links, end) if one.kind == "altered" and one.n in (n + 1, n + 2)]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ([0], "One event is gone before event 2"),
        ([1, 2], "2 events are gone before event 4"),
        ([4], "One event is gone from the end: 5 should be the last"),
        ([0, 1, 2, 3, 4], "5 events are gone from the end: 5 should be the last"),
    ],
)
def test_whatever_is_removed_shows(gone, said):
    links, end = written(FIVE)
    breaks = found([one for n, one in enumerate(links) if n not in gone], end)
    assert [(one.kind, one.said) for one in breaks] == [("removed", said)]


def test_whoever_has_no_key_makes_no_link_that_fits():
    links, end = written(FIVE)
    forged, forged_end = written([({"by": "Mallory"}, "member.added")], b"a guess", end)
    assert [one.kind for one in found([*links, *forged], end)] == ["inserted"]
    assert [one.kind for one in found([*links, *forged], forged_end)] == ["altered", "altered"]


def test_events_that_changed_places_show():
    links, end = written(FIVE)
    a, b = links[1], links[2]
    links[1] = dataclasses.replace(b, n=a.n)
    links[2] = dataclasses.replace(a, n=b.n)
    assert {one.n for one in found(links, end)} >= {2, 3}


def test_words_may_go_where_the_chain_says_so():
    links, end = written([*FIVE, ({"after": {"events": [2]}}, chain.REDACTED)])
    links[1] = dataclasses.replace(links[1], words={"by": "(taken out)"})
    assert [one.n for one in found(links, end)] == [2]
    assert found(links, end, redacted=(2,)) == []


def test_what_lets_words_go_can_not_excuse_itself():
    links, end = written([*FIVE, ({"after": {"events": [2]}}, chain.REDACTED)])
    links[5] = dataclasses.replace(links[5], words={"after": {"events": [2, 4, 6]}})
    assert [one.n for one in found(links, end, redacted=(2, 4, 6))] == [6]


def test_a_link_that_lost_its_words_still_holds_its_place():
    links, end = written(FIVE)
    links[1] = dataclasses.replace(links[1], fixed={"what": "monitor.deleted"})
    assert [one.n for one in found(links, end, redacted=(2,))] == [2]
