"""Lines of output as a page shows them: styled, marked where a search hits, and never more than a page can carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from markupsafe import escape

from tokiflow.core import ansi, printed
from tokiflow.core.printed import Printed
from tokiflow.queries.runs import Output
from tokiflow.web import filters

MOST_LINES = 1_000
MOST_BYTES = 160_000
"""What one page shows at most, as HTML. The rest has pages of its own."""
LONGEST = 2_000
"""Characters shown of one line."""
BEFORE_HIT = 200
CONTEXT = 2
TAIL = 32_768
"""Bytes that surely hold the last lines."""
LINE_COSTS, PIECE_COSTS = 90, 35


@dataclass(frozen=True)
class Piece:
    """Text of one look. `classes` are those of `ansi.Style`; `hit` if it is what was searched for."""

    text: str
    classes: str = ""
    hit: bool = False


@dataclass(frozen=True)
class Shown:
    """A line, or with `words` a remark between two lines.

    `number` counts from 1. `url` is where the number or the remark leads. `less` and `more` characters of the line
    are not shown before and after the pieces. `kind` is `added` or `removed` in a difference.
    """

    number: int | None = None
    pieces: Sequence[Piece] = ()
    words: str = ""
    url: str = ""
    kind: str = ""
    less: int = 0
    more: int = 0


def line(number: int | None, spans: ansi.Line, q: str = "", *, url: str = "", kind: str = "") -> Shown:
    """A line of output as shown. Of a long one the part around the first hit of `q` is."""
    text = ansi.plain(spans)
    first = next(_hits(text, q), 0)
    start = max(first - BEFORE_HIT, 0) if first + len(q) > LONGEST else 0
    end = min(start + LONGEST, len(text))
    hits = list(takewhile(lambda hit: hit < end, _hits(text, q)))
    pieces = list(_pieces(spans, hits, len(q), start, end))
    return Shown(number, pieces, url=url, kind=kind, less=start, more=len(text) - end)


def matches(lines: Sequence[ansi.Line], q: str) -> list[int]:
    """The numbers (from 0) of the lines that hold `q`, in capitals or not."""
    return [number for number, spans in enumerate(lines) if next(_hits(ansi.plain(spans), q), None) is not None]


def around(hits: Sequence[int], total: int, context: int = CONTEXT) -> list[range]:
    """The hits with the lines around them, as stretches that don't touch."""
    found: list[range] = []
    for hit in hits:
        first, end = max(hit - context, 0), min(hit + context + 1, total)
        if found and first <= found[-1].stop:
            found[-1] = range(found[-1].start, end)
        else:
            found.append(range(first, end))
    return found


def parts(lines: Sequence[ansi.Line]) -> list[range]:
    """All lines, divided so that a page can carry each part. The last part is as full as may be: it is seen first."""
    found, end, spent = list[range](), len(lines), 0
    for number in range(len(lines) - 1, -1, -1):
        cost = _cost(lines[number])
        if end - number > MOST_LINES or (spent + cost > MOST_BYTES and end - number > 1):
            found.append(range(number + 1, end))
            end, spent = number + 1, 0
        spent += cost
    return [range(end), *reversed(found)]


def within_reach(shown: Iterable[Shown]) -> Iterator[Shown]:
    """As many of them as a page can carry."""
    room = MOST_BYTES
    for number, one in enumerate(shown):
        room -= cost(one)
        if number and (room < 0 or number >= MOST_LINES):
            return
        yield one


def cost(one: Shown) -> int:
    """About how many bytes of HTML it makes."""
    return LINE_COSTS + sum(_bytes(piece.text) + PIECE_COSTS for piece in one.pieces)


def left_out(read: Printed) -> Shown:
    """The remark where bytes are missing."""
    return Shown(words=f"{filters.count(read.left_out, 'byte')} left out here")


def tail(kept: Output, most: int) -> list[Shown]:
    """The last `most` lines that are not blank at the end, without numbers."""
    end = kept.body[-TAIL:] if kept.cut is None else kept.body[max(kept.cut, len(kept.body) - TAIL) :]
    lines = list(printed.read(end, len(end), None).lines)
    while lines and not ansi.plain(lines[-1]).strip():
        lines.pop()
    return [line(None, spans) for spans in lines[-most:]]


def _cost(spans: ansi.Line) -> int:
    room, cost = LONGEST, LINE_COSTS
    for text, _ in spans:
        cost += _bytes(text[:room]) + PIECE_COSTS
        room -= len(text)
        if room <= 0:
            break
    return cost


def _bytes(text: str) -> int:
    return len(escape(text).encode())


def _hits(text: str, q: str) -> Iterator[int]:
    """Where `q` begins in `text`."""
    if not q:
        return
    # A few letters are longer in lower case (İ); in such a line only the same capitals are found.
    lower = text.lower()
    where, sought = (lower, q.lower()) if len(lower) == len(text) else (text, q)
    at = where.find(sought)
    while at >= 0:
        yield at
        at = where.find(sought, at + len(sought))


def _pieces(spans: ansi.Line, hits: Sequence[int], length: int, start: int, end: int) -> Iterator[Piece]:
    """The spans between `start` and `end`, cut where a hit begins or ends."""
    begins = set(hits)
    edges = iter(sorted({start, end, *hits, *(hit + length for hit in hits)}))
    edge: int | None = next(edges)
    marked, stop = False, 0
    for text, style in spans:
        begin, here, stop = stop, stop, stop + len(text)
        while here < stop:
            while edge is not None and edge <= here:
                edge, marked = next(edges, None), edge in begins
            until = stop if edge is None else min(stop, edge)
            if start <= here < end:
                yield Piece(text[here - begin : until - begin], style.classes, marked)
            here = until
