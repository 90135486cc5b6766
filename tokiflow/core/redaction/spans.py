"""Where the secrets of a text are, and what stands there instead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

KINDS = (
    "API key", "authorization", "AWS key", "Azure key", "card number", "cookie", "credential", "Discord webhook",
    "GitHub token", "GitLab token", "Google key", "JWT", "key", "npm token", "password", "ping token", "private key",
    "PyPI token", "secret", "SendGrid key", "Slack token", "Slack webhook", "Stripe key", "Telegram token", "token",
    "Twilio key",
)  # fmt: skip
"""What a mark may say was there; a pattern of an organization is called by its number, `pattern 1`."""

# Only marks we could have written ourselves: "[redacted: hunter2]" protects nothing.
MARK = re.compile(rf"\[redacted: (?:{'|'.join(KINDS)}|pattern [0-9]{{1,3}})\]".encode())

_COLOUR = re.compile(rb"\x1b\[[0-?]{0,32}[ -/]{0,4}[@-~]")
COLOURED = b"\x1b"
MARKED = b"\x1c"


class Span(NamedTuple):
    """A secret: the offsets where it begins and ends, and one of KINDS (or `pattern 1`)."""

    start: int
    end: int
    kind: str


class Piece(NamedTuple):
    """A stretch of a redacted text, from `start` to `end` in the text as it came. A mark is never taken apart."""

    start: int
    end: int
    text: bytes
    is_mark: bool


def mark(kind: str) -> bytes:
    return f"[redacted: {kind}]".encode()


def masked(data: bytes) -> bytes:
    """`data` with every ANSI colour and every mark blotted out, byte for byte, so that offsets stay as they are.

    Patterns need not know what a colour looks like, nor take the words of a mark for those of a job.
    """
    if b"\x1b[" in data:
        data = _COLOUR.sub(lambda found: COLOURED * len(found[0]), data)
    if b"[redacted: " in data:
        data = MARK.sub(lambda found: MARKED * len(found[0]), data)
    return data


def united(spans: Iterable[Span], blotted: bytes) -> list[Span]:
    """In order, without overlaps: spans that share a byte become one, named after the first.

    `blotted` is the masked text; spans that hold nothing but marks and colours are dropped.
    """
    result: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        last = result[-1] if result else None
        if last and (span.start < last.end or (span.start == last.end and span.kind == last.kind)):
            result[-1] = last._replace(end=max(last.end, span.end))
        elif blotted[span.start : span.end].strip(COLOURED + MARKED):
            result.append(span)
    return result


def pieces(data: bytes, spans: Iterable[Span]) -> list[Piece]:
    """`data` with a mark for each of `spans` (in order, without overlaps). A mark that came with it is one too."""
    result: list[Piece] = []
    done = 0
    for span in spans:
        result += _plain(data, done, span.start)
        result.append(Piece(span.start, span.end, mark(span.kind), True))
        done = span.end
    return result + _plain(data, done, len(data))


def _plain(data: bytes, start: int, end: int) -> list[Piece]:
    result: list[Piece] = []
    for found in MARK.finditer(data, start, end):
        result.append(Piece(start, found.start(), data[start : found.start()], False))
        result.append(Piece(found.start(), found.end(), found[0], True))
        start = found.end()
    return [*result, Piece(start, end, data[start:end], False)]
