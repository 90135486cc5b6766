"""What a terminal would show of a job's output: colours and styles kept, every other control sequence gone.

Understood are SGR (ECMA-48 8.3.117: colours, bold, dim, italic, underline, inverse), carriage returns, backspaces,
"erase in line" and "go to column 1", which together are what progress bars are made of. Everything else a terminal
would obey (cursor, titles, hyperlinks) is removed, finished or not. What is left can be shown as text: it holds no
control character and no mark that turns the direction of text around.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from operator import itemgetter


@dataclass(frozen=True, slots=True)
class Style:
    """How a piece of text looks. `ink` and `ground` are numbers of the palette, 0–15, or None for the usual."""

    ink: int | None = None
    ground: int | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    inverse: bool = False

    @property
    def classes(self) -> str:
        """As CSS classes: `a1 g4 bold`. The sixteen grounds are eight tints, each for a colour and its bright twin."""
        words = [
            f"a{self.ink}" if self.ink is not None else "",
            f"g{self.ground % 8}" if self.ground is not None else "",
        ]
        names = ("bold", "dim", "italic", "underline", "inverse")
        return " ".join(filter(None, [*words, *(name for name in names if getattr(self, name))]))


PLAIN = Style()
Span = tuple[str, Style]
Line = Sequence[Span]

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)(?P<given>[0-?]*+)(?P<between>[ -/]*+)(?P<final>[@-~])?"  # CSI: colours, cursor
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*+(?:\x07|\x1b\\|\x9c)?"  # OSC: titles, links
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*+(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*+[0-~]?"  # two characters
    r"|(?P<move>[\r\b])"
)
"""All that is not text to show. Possessive: no input makes it look twice at a character. It never leaves its line."""

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
"""NUL is shown as ␀, a bell as ␇. What has no picture of its own is shown as �."""


def lines(text: str) -> list[Line]:
    """The lines of `text`, each as the spans it is made of. A style goes on until it is changed, over lines, too."""
    pen, found = PLAIN, list[Line]()
    for raw in text.split("\n"):
        raw = raw.rstrip("\r")
        if _SEQUENCE.search(raw) is None:
            found.append([(_visible(raw), pen)] if raw else [])
            continue
        pieces, pen = _pieces(raw, pen)
        moved = any(move for _, _, move in pieces)
        found.append(_drawn(pieces) if moved else [(text, style) for text, style, _ in pieces if text])
    return found


def plain(line: Line) -> str:
    """Its text alone."""
    return "".join(text for text, _ in line)


def _pieces(raw: str, pen: Style) -> tuple[list[tuple[str, Style, str]], Style]:
    """(text, style, move), what is written and then how the place of writing moves; and the style at the end."""
    found, at = list[tuple[str, Style, str]](), 0
    for sequence in _SEQUENCE.finditer(raw):
        text, move = raw[at : sequence.start()], _move(sequence)
        if text or move:
            found.append((_visible(text), pen, move))
        at = sequence.end()
        if sequence["final"] == "m" and not sequence["between"]:
            pen = _changed(pen, sequence["given"])
    if at < len(raw):
        found.append((_visible(raw[at:]), pen, ""))
    return found, pen


def _move(sequence: re.Match[str]) -> str:
    """`\\r` or `\\b`; `K` erases to the end of the line, `2K` all of it; "" for what moves nothing."""
    if sequence["final"] == "K":
        return {"": "K", "0": "K", "2": "2K"}.get(sequence["given"], "")
    if sequence["final"] == "G":
        return "\r" if sequence["given"] in ("", "1") else ""
    return sequence["move"] or ""


def _drawn(pieces: Sequence[tuple[str, Style, str]]) -> Line:
    """A line that was written over itself, as it looks in the end."""
    characters, styles, at = list[str](), list[Style](), 0
    for text, style, move in pieces:
        characters[at : at + len(text)] = text
        styles[at : at + len(text)] = [style] * len(text)
        at += len(text)
        if move == "\b":
            at = max(at - 1, 0)
        elif move:
            # After "erase all" a terminal stays in its column; nobody misses the blanks that would be left there.
            at = at if move == "K" else 0
            if move != "\r":
                del characters[at:], styles[at:]
    cells = zip(characters, styles, strict=True)
    return [("".join(text for text, _ in same), style) for style, same in groupby(cells, key=itemgetter(1))]


def _visible(text: str) -> str:
    return _UNSEEN.sub(lambda found: _PICTURES.get(ord(found[0]), "\ufffd"), text)


# Colours and styles

_ON: dict[int, dict[str, bool]] = {
    1: {"bold": True}, 2: {"dim": True}, 3: {"italic": True}, 4: {"underline": True}, 7: {"inverse": True},
    21: {"underline": True}, 22: {"bold": False, "dim": False}, 23: {"italic": False}, 24: {"underline": False},
    27: {"inverse": False},
}  # fmt: skip
MOST_NUMBERS = 64
"""No honest sequence has more."""


@lru_cache(maxsize=512)
def _changed(pen: Style, given: str) -> Style:
    """`pen` after the SGR sequence with these parameters. What is not understood changes nothing."""
    numbers = iter(given.split(";")[:MOST_NUMBERS])
    for one in numbers:
        code, _, details = one.partition(":")
        number = _number(code)
        if number == 0:
            pen = PLAIN
        elif number in (38, 48):
            colour = _extended(iter(details.split(":")), colons=True) if details else _extended(numbers)
            pen = _coloured(pen, number == 48, colour) if colour is not None else pen
        elif number == 4 and details == "0":
            pen = replace(pen, underline=False)
        elif number in _ON:
            pen = replace(pen, **_ON[number])
        elif number in (39, 49):
            pen = _coloured(pen, number == 49, None)
        elif 30 <= number <= 37 or 40 <= number <= 47:
            pen = _coloured(pen, number >= 40, number % 10)
        elif 90 <= number <= 97 or 100 <= number <= 107:
            pen = _coloured(pen, number >= 100, number % 10 + 8)
    return pen


def _coloured(pen: Style, ground: bool, colour: int | None) -> Style:
    return replace(pen, ground=colour) if ground else replace(pen, ink=colour)


def _extended(rest: Iterator[str], colons: bool = False) -> int | None:
    """The colour behind `38;`: `5;n` of 256, or `2;r;g;b`. With colons a colour space may stand before the red."""
    kind = _number(next(rest, ""))
    if kind == 5:
        return _of_256(min(_number(next(rest, "")), 255))
    if kind != 2:
        return None
    values = list(rest) if colons else [next(rest, "") for _ in range(3)]
    if colons and len(values) > 3:
        values = values[1:]
    red, green, blue = (min(_number(value), 255) for value in (*values, "", "", "")[:3])
    return nearest(red, green, blue)


def _number(text: str) -> int:
    """An empty one is 0; one that is none, or absurdly large, means nothing here."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0 if not text else 9999


def _of_256(number: int) -> int:
    """xterm's 256 colours: sixteen, a cube of 6 × 6 × 6, and greys."""
    if number < 16:
        return number
    if number >= 232:
        grey = 8 + 10 * (number - 232)
        return nearest(grey, grey, grey)
    levels = (0, 95, 135, 175, 215, 255)
    number -= 16
    return nearest(levels[number // 36], levels[number // 6 % 6], levels[number % 6])


_PALETTE = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255),
    (255, 255, 255),
)  # fmt: skip
"""xterm's sixteen, to measure against; what is shown in their place is in tokens.css."""


@lru_cache(maxsize=4096)
def nearest(red: int, green: int, blue: int) -> int:
    """The number of the palette's colour that looks most like this one. Weighted by "redmean"
    (https://www.compuphase.com/cmetric.htm)."""

    def distance(number: int) -> float:
        r, g, b = _PALETTE[number]
        mean = (red + r) / 2
        return (2 + mean / 256) * (red - r) ** 2 + 4 * (green - g) ** 2 + (2 + (255 - mean) / 256) * (blue - b) ** 2

    return min(range(16), key=distance)
