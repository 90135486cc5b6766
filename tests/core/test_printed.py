"""Bytes in, lines out, with what is wrong with them said."""

from __future__ import annotations

import gzip
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import ansi, printed


def texts(body: bytes, size: int | None = None, cut: int | None = None) -> list[str]:
    return [ansi.plain(line) for line in printed.read(body, len(body) if size is None else size, cut).lines]


def test_a_line_break_ends_a_line_and_begins_no_other() -> None:
    assert texts(b"one\ntwo\n") == ["one", "two"]
    assert texts(b"one\n\n") == ["one", ""]
    assert texts(b"") == []


def test_where_bytes_are_missing() -> None:
    found = printed.read(b"head\nhetail\nend", 1_000, 7)
    assert [ansi.plain(line) for line in found.lines] == ["head", "he", "tail", "end"]
    assert (found.gap, found.left_out) == (2, 985)


def test_a_character_that_we_cut_in_two_is_no_fault_of_the_job() -> None:
    whole = "größte €".encode()
    for cut in range(len(whole) + 1):
        found = printed.read(whole[:cut] + b"\xa4\xa4 end", 100, cut)
        assert not found.broken, cut
        assert "\ufffd" not in "".join(ansi.plain(line) for line in found.lines)


def test_broken_text_is_said_to_be_broken() -> None:
    assert printed.read(b"caf\xe9 au lait", 12, None).broken
    assert texts(b"caf\xe9 au lait") == ["caf\ufffd au lait"]
    assert not printed.read("what is \ufffd?".encode(), 12, None).broken


@pytest.mark.parametrize(
    "body",
    [random.Random(1).randbytes(5_000), gzip.compress(b"x" * 9_000, mtime=0), "text".encode("utf-16"), b"\x00" * 99],
)
def test_what_is_no_text_is_not_shown(body: bytes) -> None:
    assert printed.read(body, len(body), None) == printed.Printed(binary=True)


def test_coloured_and_foreign_text_is_text() -> None:
    for text in ("\x1b[31m\x1b[1mx\x1b[0m" * 50, "نسخ احتياطي ليلي", "\t\r\n" * 9):
        assert not printed.read(text.encode(), 1, None).binary


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_can_be_read(body: bytes, cut: int) -> None:
    printed.read(body, len(body) + 10, min(cut, len(body)))


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        ("ok\npg_dump: \x1b[31merror:\x1b[0m disk full\nKilled", 1),
        ("0 errors\nno failures, errors: 0\nValueError: x", 2),
        ("Traceback (most recent call last):", 0),
        ("all well\nterrors of the sea", None),
    ],
)
def test_the_first_sign_of_trouble(lines: str, number: int | None) -> None:
    assert printed.first_error(ansi.lines(lines)) == number
