"""Output as a terminal would show it: styled, and without anything that is not text."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import ansi
from tokiflow.core.ansi import PLAIN, Style

E = "\x1b"


def shown(text: str) -> list[str]:
    return [ansi.plain(line) for line in ansi.lines(text)]


@pytest.mark.parametrize(
    ("sequence", "style"),
    [
        ("31", Style(ink=1)),
        ("91", Style(ink=9)),
        ("44", Style(ground=4)),
        ("104", Style(ground=12)),
        ("1;4;31", Style(ink=1, bold=True, underline=True)),
        ("2", Style(dim=True)),
        ("3", Style(italic=True)),
        ("7", Style(inverse=True)),
        ("1;22", PLAIN),
        ("31;39", PLAIN),
        ("41;49", PLAIN),
        ("4;24", PLAIN),
        ("4:3", Style(underline=True)),
        ("4:3;4:0", PLAIN),
        ("31;0", PLAIN),
        ("31;", PLAIN),
        ("38;5;9", Style(ink=9)),
        ("38;5;196", Style(ink=9)),
        ("48;5;21", Style(ground=4)),
        ("38;5;244", Style(ink=8)),
        ("38;2;250;5;5", Style(ink=9)),
        ("38:2::250:5:5", Style(ink=9)),
        ("38:2:250:5:5", Style(ink=9)),
        ("38:5:9", Style(ink=9)),
        ("48;2;0;0;0;1", Style(ground=0, bold=True)),
        ("38;2;99999;0;0", Style(ink=9)),
        ("38;9;1", Style(bold=True)),
        ("38", PLAIN),
        ("999", PLAIN),
        ("²", PLAIN),
    ],
)
def test_colours_and_styles(sequence: str, style: Style) -> None:
    assert list(ansi.lines(f"{E}[{sequence}mx")[0])[-1][1] == style


def test_a_style_goes_on_until_it_is_changed() -> None:
    red = Style(ink=1)
    assert ansi.lines(f"a{E}[31mb\nc{E}[md") == [[("a", PLAIN), ("b", red)], [("c", red), ("d", PLAIN)]]


def test_classes() -> None:
    assert Style(ink=12, ground=9, bold=True, inverse=True).classes == "a12 g1 bold inverse"
    assert PLAIN.classes == ""


@pytest.mark.parametrize(
    ("printed", "seen"),
    [
        ("10 %\r55 %\r100 %", "100 %"),
        ("100 %\r5", "500 %"),
        ("a long line\rshort\x1b[K", "short"),
        ("a long line\x1b[2Kshort", "short"),
        ("half\x1b[1Gcalf", "calf"),
        ("windows\r", "windows"),
        ("N\bNA\bAME", "NAME"),
        ("\b\bab", "ab"),
        ("a\tb", "a\tb"),
        ("a\x00b\x07c\x7fd\x85e", "a␀b␇c␡d\ufffde"),
        ("\u202eevil\u2066", "\ufffdevil\ufffd"),
        ("two\u2028lines", "two\ufffdlines"),
        (f"{E}]8;;javascript:alert(1)\x07click{E}]8;;\x07 here", "click here"),
        (f"{E}]8;;https://example.com{E}\\click{E}]8;;{E}\\", "click"),
        (f"{E}]0;a title\x07text", "text"),
        (f"{E}]0;never ends", ""),
        (f"{E}[2J{E}[10;20H{E}[?25ltext{E}[1A", "text"),
        (f"text{E}[", "text"),
        (f"text{E}[38;5", "text"),
        (f"text{E}", "text"),
        (f"{E}(Btext{E}=", "text"),
        (f"{E}Pq#0;2;0;0;0{E}\\text", "text"),
        ("\x9b31mtext\x9d0;title\x9c!", "text!"),
        (f"{E}[31\u00e9", "\u00e9"),
    ],
)
def test_what_is_left(printed: str, seen: str) -> None:
    assert shown(printed) == [seen]


def test_lines() -> None:
    assert shown("a\r\nb\n\nc") == ["a", "b", "", "c"]
    assert shown("") == [""]


def test_an_unfinished_title_ends_with_its_line() -> None:
    assert shown(f"{E}]0;title\nnext") == ["", "next"]


HOSTILE = st.text(
    st.one_of(st.characters(), st.sampled_from("\x1b[]()PX^_;:?0123456789mKGHABCJ\r\n\b\x07\x9b\x9c\x9d\\")),
    max_size=200,
)


@given(HOSTILE)
def test_nothing_that_could_do_harm_is_left(text: str) -> None:
    for line in ansi.lines(text):
        for character in ansi.plain(line):
            assert character == "\t" or unicodedata.category(character) not in ("Cc", "Zl", "Zp"), repr(character)
            assert not re.match("[\u202a-\u202e\u2066-\u2069]", character)


@given(HOSTILE)
def test_as_many_lines_come_out_as_went_in(text: str) -> None:
    assert len(ansi.lines(text)) == text.count("\n") + 1


VISIBLE = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), max_size=10)
SEQUENCES = st.sampled_from(
    [f"{E}[31m", f"{E}[0m", f"{E}[38;2;1;2;3m", f"{E}[?25h", f"{E}[2J", f"{E}]0;t\x07", f"{E}]8;;x{E}\\", f"{E}(B"]
)


@given(st.lists(st.tuples(VISIBLE, SEQUENCES)))
def test_no_visible_text_is_lost(pieces: list[tuple[str, str]]) -> None:
    assert shown("".join(text + sequence for text, sequence in pieces)) == ["".join(text for text, _ in pieces)]


@pytest.mark.parametrize(
    "piece",
    [f"{E}[", f"{E}]", E, "\b", "a\b", "x\r", f"x{E}[K", f"{E}[1;", f"{E}[0", f"{E}P", "\x9b", "\x00"],
    ids=repr,
)
def test_hostile_output_takes_no_longer_than_its_length(piece: str) -> None:
    began = time.process_time()
    ansi.lines(piece * (400_000 // len(piece)))
    # About half a second here; looking twice at every character for each other one would take minutes.
    assert time.process_time() - began < 5
