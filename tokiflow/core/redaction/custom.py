"""Patterns of an organization: regular expressions for what only it knows to be secret.

They are written as for Python's `re`, and run by the package `regex`, which can be told to stop. Somebody's expression
that never ends must neither hold up the pings of others nor let an output through unread.
"""

from __future__ import annotations

import re
import time
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import regex

from tokiflow.core.redaction.spans import MARK, Span
from tokiflow.errors import Invalid

MOST_PATTERNS = 20
LONGEST_PATTERN = 500
MOST_REPEATS = 1000
BUDGET = 0.05
"""Seconds that all patterns together may take for a text of up to 256 KB; in proportion for a longer one."""

_BUDGET_SIZE = 256 * 1024


class TookTooLong(Exception):
    """Pattern `number` (counted from 1) was stopped: nobody knows what it would have hidden."""

    def __init__(self, number: int) -> None:
        self.sentence = f"[output withheld: pattern {number} took too long]".encode()
        super().__init__(self.sentence.decode())


@dataclass(frozen=True)
class Patterns:
    """Checked patterns, ready to be used; `texts` are as somebody wrote them."""

    texts: tuple[str, ...] = ()
    compiled: tuple[regex.Pattern[str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.compiled)


NONE = Patterns()


def compile_patterns(texts: Sequence[str]) -> Patterns:
    """The patterns that `texts` are. Raises Invalid under `patterns`, naming each bad one and what to do about it."""
    return _compile(tuple(texts))


@lru_cache(maxsize=256)
def _compile(texts: tuple[str, ...]) -> Patterns:
    wrong = [f"Pattern {number} {why}" for number, text in enumerate(texts, 1) if (why := _mistake(text))]
    if len(texts) > MOST_PATTERNS:
        wrong = [f"Write at most {MOST_PATTERNS} patterns; join some with |."]
    if wrong:
        raise Invalid({"patterns": wrong})
    return Patterns(texts, tuple(regex.compile(text) for text in texts))


def _mistake(text: str) -> str | None:
    """What is wrong with a pattern, to be read after "Pattern 3", or None."""
    if len(text) > LONGEST_PATTERN:
        return f"is too long: write at most {LONGEST_PATTERN} characters."
    # Before anything is compiled: `regex` lays every repeat out in memory.
    if _repeats(text) > MOST_REPEATS:
        return f"repeats too often: write numbers in braces that multiply to at most {MOST_REPEATS}."
    if re.search(r"\(\?[a-zA-Z]*x", text):
        return "asks for verbose mode (?x): write it without."
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(text)
            compiled = regex.compile(text)
    except (re.error, regex.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}."
    try:
        empty = any(found.end() == found.start() for found in compiled.finditer(" a", timeout=BUDGET))
        if empty or compiled.search("", timeout=BUDGET):
            return "matches the empty string: ask for at least one character, for example with + instead of *."
    except TimeoutError:
        return "takes too long: write it without repeats inside of repeats."
    return None


def _repeats(text: str) -> int:
    """More or as many as a single character of the pattern is repeated, counting the numbers in braces."""
    groups = [_most(found[1]) for found in re.finditer(r"\)\{([^{}]*)\}", text)]
    others = [_most(found[1]) for found in re.finditer(r"(?<!\))\{([^{}]*)\}", text)]
    return prod(groups) * max(others, default=1)


def _most(braces: str) -> int:
    return max((int(digits[:9]) for digits in re.findall(r"[0-9]+", braces)), default=1) or 1


def find(data: bytes, patterns: Patterns) -> Iterator[Span]:
    """What `patterns` match in `data`, as they stand in the list. Raises TookTooLong.

    Bytes that are no UTF-8 count as characters of their own. A match that holds a part of a mark holds all of it.
    """
    text = data.decode("utf-8", "surrogateescape")
    deadline = time.monotonic() + BUDGET * max(1.0, len(data) / _BUDGET_SIZE)
    marks = [mark.span() for mark in MARK.finditer(data)]
    starts, ends = [mark[0] for mark in marks], [mark[1] for mark in marks]
    for number, pattern in enumerate(patterns.compiled, 1):
        for start, end in _in_bytes(text, _matches(pattern, text, number, deadline)):
            first, beyond = bisect_right(ends, start), bisect_left(starts, end)
            if first < beyond:
                start, end = min(start, starts[first]), max(end, ends[beyond - 1])
            yield Span(start, end, f"pattern {number}")


def _matches(pattern: regex.Pattern[str], text: str, number: int, deadline: float) -> Iterator[tuple[int, int]]:
    left = deadline - time.monotonic()
    try:
        if left <= 0:
            raise TimeoutError
        yield from (found.span() for found in pattern.finditer(text, timeout=left) if found.end() > found.start())
    except TimeoutError:
        raise TookTooLong(number) from None


def _in_bytes(text: str, matches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Offsets in characters, in order and without overlaps, as offsets in bytes."""
    if text.isascii():
        yield from matches
        return
    done = at = 0
    for start, end in matches:
        first = at + _size(text[done:start])
        done, at = end, first + _size(text[start:end])
        yield first, at


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
