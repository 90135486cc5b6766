"""What a job printed, read for people: bytes in, lines out, with what is wrong with them said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tokiflow.core import ansi

UNREADABLE = 0.3
"""From this share of characters that are none, the output is no text."""


@dataclass(frozen=True)
class Printed:
    """`lines` as a terminal would show them. `left_out` bytes are missing before line number `gap` (from 0), or
    `gap` is None. `broken`: some bytes were no UTF-8 and are shown as �. `binary`: most were, and `lines` is empty.
    """

    lines: Sequence[ansi.Line] = ()
    gap: int | None = None
    left_out: int = 0
    broken: bool = False
    binary: bool = False


def read(body: bytes, size: int, cut: int | None) -> Printed:
    """The output of which `size` bytes came and `body` was kept, with the rest missing at offset `cut`."""
    pieces = [body] if cut is None else [_without_half_a_character(body[:cut]), body[cut:].lstrip(_CONTINUATIONS)]
    texts = [piece.decode("utf-8", "replace") for piece in pieces]
    if _unreadable("".join(texts)):
        return Printed(left_out=size - len(body), binary=True)
    broken = any(piece != text.encode() for piece, text in zip(pieces, texts, strict=True))
    parts = [_lines(text) for text in texts]
    gap = len(parts[0]) if cut is not None else None
    return Printed(
        [line for part in parts for line in part], gap, max(size - len(body), 1) if cut is not None else 0, broken
    )


_CONTINUATIONS = bytes(range(0x80, 0xC0))
_HALF = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")


def _without_half_a_character(head: bytes) -> bytes:
    """Where bytes were left out a character may have been cut in two. That is our doing and no fault of the job."""
    half = _HALF.search(head, max(len(head) - 3, 0))
    return head[: half.start()] if half else head


_NO_CHARACTER = re.compile("[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f-\x9f\ufffd]")


def _unreadable(text: str) -> bool:
    return len(_NO_CHARACTER.findall(text)) > UNREADABLE * len(text)


def _lines(text: str) -> Sequence[ansi.Line]:
    """A line break ends a line; it doesn't begin one more."""
    return ansi.lines(text.removesuffix("\n")) if text else []


_WRONG = re.compile(
    r"traceback \(most recent|\w(?:Error|Exception)\b"
    r"|\b(?:error|exception|fatal|panic|failed|failure|critical|denied|refused|killed|abort(?:ed)?|no space left"
    r"|not found|timed? ?out)\b",
    re.IGNORECASE,
)
_NOT_WRONG = re.compile(
    r"\b(?:0|no|without|zero) (?:error|exception|failure)|\b(?:error|failed|failure)s?\W{1,3}0\b", re.IGNORECASE
)
LOOKED_AT = 2_000
"""Characters of a line. What is wrong is said at its beginning."""


def first_error(lines: Sequence[ansi.Line]) -> int | None:
    """The number (from 0) of the first line that looks as if something went wrong."""
    for number, line in enumerate(lines):
        text = ansi.plain(line)[:LOOKED_AT]
        if _WRONG.search(text) and not _NOT_WRONG.search(text):
            return number
    return None
