"""How one output differs from another, for people: what changes on every run (times, ids) is no difference.

Lines are compared in a form of theirs in which such noise is gone, and shown as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

MOST_LINES = 5_000
MOST_CHARACTERS = 200_000
"""Of longer outputs only so much of the end is compared. It bounds the work, whatever the outputs hold."""
CONTEXT = 3
LOOKED_AT = 1_000
"""Characters of a line in which noise is looked for; what comes after them is compared as it is."""


class Kind(StrEnum):
    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"
    FOLDED = "folded"


@dataclass(frozen=True)
class Row:
    """One line of the difference. `old` and `new` are its numbers (from 0) in either output, None where it is not in.

    A `FOLDED` row stands for `count` lines that are the same, from these numbers on.
    """

    kind: Kind
    old: int | None
    new: int | None
    count: int = 1


@dataclass(frozen=True)
class Difference:
    """`rows` in order, without them if nothing differs. `tails`: only the last lines of both were compared."""

    rows: Sequence[Row]
    added: int
    removed: int
    tails: bool


def compare(old: Sequence[str], new: Sequence[str]) -> Difference:
    """What is new in the lines `new` and what is missing, against `old`."""
    from_old, from_new = _end(old), _end(new)
    before, after = _numbered([normal(line) for line in old[from_old:]], [normal(line) for line in new[from_new:]])
    rows = [
        Row(kind, None if i is None else i + from_old, None if j is None else j + from_new)
        for kind, i, j in _steps(before, after)
    ]
    if from_old or from_new:
        rows = _without_ragged_edge(rows)
    added, removed = (sum(row.kind is kind for row in rows) for kind in (Kind.ADDED, Kind.REMOVED))
    return Difference(_folded(rows) if added or removed else [], added, removed, bool(from_old or from_new))


def _end(lines: Sequence[str]) -> int:
    """The number of the first line that is compared: the last one is, however long."""
    first, room = max(len(lines) - 1, 0), MOST_CHARACTERS
    while first and len(lines) - first < MOST_LINES and (room := room - len(lines[first - 1])) > 0:
        first -= 1
    return first


def _without_ragged_edge(rows: list[Row]) -> list[Row]:
    """Two ends seldom begin at the same place: what stands before the first line that both have proves nothing."""
    first = next((k for k, row in enumerate(rows) if row.kind is Kind.SAME), 0)
    return rows[first:]


_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_CLOCK = r"\d\d?:\d\d(?::\d\d)?(?:[.,]\d{1,9})?"
_ZONE = r"(?: ?(?:z|[+-]\d\d:?\d\d)\b)?"
_LENGTH = (
    r"(?:\d{1,9}(?:[.,]\d{1,9})? ?(?:ns|[uµ]s|ms|milliseconds?|s|secs?|seconds?|mins?|minutes?|hrs?|hours?)"
    r"|\d{1,9} ?[mh])"  # "3 m 12 s"; but 2.5 m is how long a cable is
)
_FROM_A_DIGIT = (
    rf"\d{{4}}[-/]\d\d[-/]\d\d(?:[t ]{_CLOCK}{_ZONE})?",
    rf"\d\d[/ ]{_MONTH}[/ ]\d{{4}}(?:[: ]{_CLOCK}{_ZONE})?",
    r"\d\d?[/.]\d\d?[/.]\d{4}\b",
    rf"{_CLOCK}\b",
    r"0x[0-9a-f]{1,32}\b",
    rf"{_LENGTH}(?: ?{_LENGTH}){{0,3}}\b",
    r"1[5-9]\d{8}(?:\d{3}){0,2}(?:\.\d{1,9})?\b",
)
_FROM_A_LETTER = (
    rf"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{{0,6}},? )?{_MONTH} {{1,2}}\d\d?(?:,? \d{{4}}\b| {_CLOCK})",
    r"p?pid[ :=#]{0,3}\d{1,10}\b",
    r"tmp[._]?[a-z0-9_]{6,12}\b",
)
_FROM_EITHER = (
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    r"(?=[a-f]{0,63}\d)(?=\d{0,63}[a-f])[0-9a-f]{7,64}\b",
)
_NOISE = re.compile(
    rf"\b(?:(?=\d)(?:{'|'.join(_FROM_A_DIGIT)})|(?=[jfmasondtwp])(?:{'|'.join(_FROM_A_LETTER)})"
    rf"|(?=[0-9a-f]{{7}})(?:{'|'.join(_FROM_EITHER)}))|(?<=\w)\[\d{{1,10}}\]",
    re.IGNORECASE,
)
"""Dates, clocks, UUIDs, addresses and hashes, lengths of time, seconds since 1970, process ids, temporary names.
Every repetition has an end, so that no line takes longer than its length allows."""
_BLANKS = re.compile(r"[ \t]+")


def normal(line: str) -> str:
    """The line with what changes on every run replaced by a dot, and blanks that only align it made one."""
    return _BLANKS.sub(" ", _NOISE.sub("·", line[:LOOKED_AT])).strip() + line[LOOKED_AT:]


def _numbered(old: Sequence[str], new: Sequence[str]) -> tuple[list[int], list[int]]:
    """Equal lines get equal numbers: those are cheap to compare."""
    numbers: dict[str, int] = {}
    return tuple([numbers.setdefault(line, len(numbers)) for line in lines] for lines in (old, new))  # type: ignore[return-value]


def _steps(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[Kind, int | None, int | None]]:
    """From the first line to the last: what stays, goes and comes; what goes before what comes in its place."""
    i = j = 0
    for at_old, at_new in [*_common(old, new), (len(old), len(new))]:
        yield from ((Kind.REMOVED, k, None) for k in range(i, at_old))
        yield from ((Kind.ADDED, None, k) for k in range(j, at_new))
        if at_old < len(old):
            yield Kind.SAME, at_old, at_new
        i, j = at_old + 1, at_new + 1


def _common(old: Sequence[int], new: Sequence[int]) -> list[tuple[int, int]]:
    """The longest run of lines that both have in this order, as pairs of places."""
    shortest = min(len(old), len(new))
    head = next((k for k in range(shortest) if old[k] != new[k]), shortest)
    rest = shortest - head
    tail = next((k for k in range(rest) if old[-1 - k] != new[-1 - k]), rest)
    middle = _longest_common(old[head : len(old) - tail], new[head : len(new) - tail])
    return [
        *((k, k) for k in range(head)),
        *((i + head, j + head) for i, j in middle),
        *((len(old) - k, len(new) - k) for k in range(tail, 0, -1)),
    ]


def _longest_common(old: Sequence[int], new: Sequence[int]) -> list[tuple[int, int]]:
    """The same by the bit-parallel algorithm of Hyyrö (2004), "Bit-parallel LCS-length computation revisited".

    A row of the usual table is one integer with a bit for each line of `old`, so that the work is `len(new)`
    additions of numbers of `len(old)` bits, and never depends on what the lines say.
    """
    places: dict[int, int] = {}
    for i, line in enumerate(old):
        places[line] = places.get(line, 0) | 1 << i
    everything = (1 << len(old)) - 1
    row, rows = everything, list[int]()
    for line in new:
        both = row & places.get(line, 0)
        row = ((row + both) | (row - both)) & everything
        rows.append(row)
    return _pairs(rows, len(old))


def _pairs(rows: Sequence[int], i: int) -> list[tuple[int, int]]:
    """Walk back through the table: a bit that is 0 says that the line is matched there or further up."""
    found, j = list[tuple[int, int]](), len(rows)
    while i and j:
        if rows[j - 1] >> (i - 1) & 1:
            i -= 1
        elif j > 1 and not rows[j - 2] >> (i - 1) & 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            found.append((i, j))
    return found[::-1]


def _folded(rows: Sequence[Row]) -> list[Row]:
    """`rows` with at most CONTEXT lines that are the same around each change, and the rest of them as one row."""
    changed = [k for k, row in enumerate(rows) if row.kind is not Kind.SAME]
    near = {k for at in changed for k in range(at - CONTEXT, at + CONTEXT + 1)}
    found, k = list[Row](), 0
    while k < len(rows):
        end = k
        while end < len(rows) and end not in near:
            end += 1
        # One line takes as much room as the words that would say it was left out.
        if end - k > 1:
            found.append(Row(Kind.FOLDED, rows[k].old, rows[k].new, end - k))
        else:
            found.extend(rows[k:end])
        if end < len(rows):
            found.append(rows[end])
        k = end + 1
    return found
