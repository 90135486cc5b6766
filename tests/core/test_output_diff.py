"""What is new in an output and what is missing, leaving out what changes on every run."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import output_diff
from tokiflow.core.output_diff import MOST_CHARACTERS, MOST_LINES, Difference, Kind


def drawn(old: list[str], new: list[str]) -> str:
    """As `diff -u` would write it."""
    signs = {Kind.SAME: " ", Kind.ADDED: "+", Kind.REMOVED: "-"}
    said = []
    for row in output_diff.compare(old, new).rows:
        text = (
            f"({row.count})" if row.kind is Kind.FOLDED else new[row.new] if row.new is not None else old[row.old or 0]
        )
        said.append(signs.get(row.kind, "@") + text)
    return "\n".join(said)


def test_what_goes_stands_before_what_comes_in_its_place() -> None:
    assert drawn(["a", "b", "c"], ["a", "x", "c", "d"]) == " a\n-b\n+x\n c\n+d"


def test_stretches_that_are_the_same_are_folded() -> None:
    same = [f"line no. {number}" for number in "abcdefghij"]
    assert drawn([*same, "old"], [*same, "new"]) == "@(7)\n line no. h\n line no. i\n line no. j\n-old\n+new"
    # Folding a single line would save nothing.
    assert drawn([*same[:4], "old"], [*same[:4], "new"]).startswith(" line no. a")


def test_equal_outputs_have_no_rows() -> None:
    assert output_diff.compare(["a 12:00:01"], ["a 13:00:01"]) == Difference([], 0, 0, tails=False)
    assert output_diff.compare([], []) == Difference([], 0, 0, tails=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-11-20T13:07:42.123Z start", "2026-11-21T02:00:00.001+01:00 start"),
        ("2026-11-20 13:07:42,123 start", "2027-01-02 00:00:00,9 start"),
        ("Nov 20 13:07:42 db1 cron[431]: go", "Dec  1 01:00:00 db1 cron[99999]: go"),
        ("20/Nov/2026:13:07:42 +0000 GET /", "21/Dec/2026:00:00:00 +0100 GET /"),
        ("[13:07] go", "[9:01] go"),
        ("took 3 m 12 s", "took 48.5 s"),
        ("in 1h 3m 4s", "in 12ms"),
        ("finished in 2 minutes", "finished in 31 seconds"),
        ("at 1763643600", "at 1763650000"),
        ("job 0b2f4c1e-7a55-4d11-9a0e-3f2b1c4d5e6f", "job 11111111-2222-3333-4444-555555555555"),
        ("commit 3f9a0c1", "commit deadbe7f00"),
        ("at 0x7ffe01", "at 0x1"),
        ("pid 4312", "pid=77"),
        ("/tmp/tmpab12cd34", "/tmp/tmpzz99yy88"),
        ("copied   9 s", "copied 12 s"),
        ("trailing ", "trailing"),
    ],
)
def test_what_changes_on_every_run_is_no_difference(one: str, other: str) -> None:
    assert output_diff.normal(one) == output_diff.normal(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("kept the last 14", "kept the last 13"),
        ("9.7 GB", "9.6 GB"),
        ("exit 1", "exit 2"),
        ("water level 2.83 m", "water level 1.08 m"),
        ("may 3 things happen", "may 4 things happen"),
        ("deface", "facade"),
        ("x" * 2_000 + "a", "x" * 2_000 + "b"),
    ],
)
def test_other_numbers_and_words_are(one: str, other: str) -> None:
    assert output_diff.normal(one) != output_diff.normal(other)


def test_of_long_outputs_the_ends_are_compared() -> None:
    old = [f"row no. {number}" for number in range(3 * MOST_LINES)]
    found = output_diff.compare(old, [*old, "Killed"])
    assert (found.added, found.removed, found.tails) == (1, 0, True)
    assert found.rows[-1].new == len(old)
    wide = ["a" * (MOST_CHARACTERS + 1), "b"]
    assert output_diff.compare(wide, ["c" * (MOST_CHARACTERS + 1), "b", "d"]).added == 1


LINES = st.lists(st.sampled_from("abcde"), max_size=40)


@given(LINES, LINES)
def test_following_the_rows_turns_one_output_into_the_other(old: list[str], new: list[str]) -> None:
    found = output_diff.compare(old, new)
    before, after = list[str](), list[str]()
    for row in found.rows:
        if row.old is not None:
            assert row.old == len(before)
            before += old[row.old : row.old + row.count]
        if row.new is not None:
            assert row.new == len(after)
            after += new[row.new : row.new + row.count]
    if found.rows:
        assert (before, after) == (old, new)
    else:
        assert old == new
    assert len(new) - len(old) == found.added - found.removed


@given(LINES, LINES)
def test_no_other_way_keeps_more_lines(old: list[str], new: list[str]) -> None:
    table = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, one in enumerate(old):
        for j, other in enumerate(new):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
    assert len(old) - output_diff.compare(old, new).removed == table[-1][-1]


@pytest.mark.parametrize("piece", ["1 ", "1:", "1-", "1.", "a1", "mon ", "jan  ", "1h ", "[1", "0x", " "])
def test_the_work_has_a_limit(piece: str) -> None:
    old = [(piece * 500)[:1_000] + f" {number}x" for number in range(1_000)]
    began = time.process_time()
    output_diff.compare(old, old[::-1])
    assert time.process_time() - began < 3
