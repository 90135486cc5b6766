"""Dependencies: nothing depends on itself, and the cause is found through any number of steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import dependencies

SHOP = {"shop": ["api"], "api": ["database", "cache"], "report": ["database"], "database": ["disk"]}


@pytest.mark.parametrize(
    ("start", "wanted", "way"),
    [
        ("disk", ["mirror"], []),
        ("cache", ["disk"], []),
        ("disk", ["disk"], ["disk", "disk"]),
        ("disk", ["database"], ["disk", "database", "disk"]),
        ("disk", ["shop"], ["disk", "shop", "api", "database", "disk"]),
        ("disk", ["shop", "report"], ["disk", "report", "database", "disk"]),
        ("database", ["cache", "shop"], ["database", "shop", "api", "database"]),
    ],
)
def test_a_way_round_is_named(start: str, wanted: list[str], way: list[str]) -> None:
    assert dependencies.way_round(SHOP, start, wanted) == way


@pytest.mark.parametrize(
    ("down", "blocked"),
    [
        ([], {}),
        (["shop"], {}),
        (["database"], {"shop": "database", "api": "database", "report": "database"}),
        (["disk"], {"shop": "disk", "api": "disk", "report": "disk", "database": "disk"}),
        (["disk", "database", "api"], {"shop": "disk", "api": "disk", "report": "disk", "database": "disk"}),
        (["cache", "api"], {"shop": "cache", "api": "cache"}),
    ],
)
def test_the_root_of_the_trouble_is_found_through_what_is_well(down: list[str], blocked: dict[str, str]) -> None:
    everyone = ["shop", "api", "report", "database", "disk", "cache"]
    assert dependencies.blockers(SHOP, everyone, down.__contains__) == blocked


def test_a_chain_of_ten_thousand_is_walked_once() -> None:
    chain = {n: [n + 1] for n in range(10_000)}
    looked: list[int] = []

    def down(n: int) -> bool:
        looked.append(n)
        return n == 10_000

    assert dependencies.blockers(chain, range(1_000), down) == dict.fromkeys(range(1_000), 10_000)
    assert len(looked) == 1


def test_even_a_circle_in_old_data_ends() -> None:
    assert dependencies.blockers({1: [2], 2: [1, 3]}, [1, 2], lambda n: n == 3) == {1: 3, 2: 3}


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40))
def test_a_graph_grown_by_what_is_allowed_never_has_a_way_round(wishes: list[tuple[int, int]]) -> None:
    edges: dict[int, list[int]] = {}
    for monitor, upstream in wishes:
        if not dependencies.way_round(edges, monitor, [*edges.get(monitor, ()), upstream]):
            edges.setdefault(monitor, []).append(upstream)
    for monitor in range(13):
        assert monitor not in above(edges, monitor)
        down = {upstream for upstream in above(edges, monitor) if upstream % 3 == 0}
        found = dependencies.blockers(edges, [monitor], down.__contains__).get(monitor)
        assert (found in down and not above(edges, found) & down) if down else found is None


def above(edges: dict[int, list[int]], monitor: int) -> set[int]:
    found: set[int] = set()
    waiting = list(edges.get(monitor, ()))
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += edges.get(here, ())
    return found
