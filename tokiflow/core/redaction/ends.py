"""Redact an output of which only the head and the tail are kept, so that no half of a secret stays at the cut.

What is cut through the middle is not recognised any more. So whoever collects an output takes MARGIN more than will be
kept on either side of the cut, the secrets are found with it, and only then is it trimmed: a secret that begins in what
is kept is seen to its end. Of a longer one (a private key) the first or the last line is enough.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokiflow.core.redaction.custom import Patterns, TookTooLong
from tokiflow.core.redaction.finding import custom_pieces, known_pieces
from tokiflow.core.redaction.spans import Piece

MARGIN = 4096
"""Bytes beyond the cut that are enough: no token or password known here is longer."""


def keep_whole(data: bytes, head_room: int, tail_room: int) -> tuple[bytes, int | None]:
    """What may be stored of `data`, all of it that came, and the offset in it where something is left out.

    That is the whole, redacted, where it fits; or else its head and its tail, at most as long as there is room.
    """
    return _fitting(known_pieces(data), head_room, tail_room)


def keep_ends(head: bytes, tail: bytes, head_room: int, tail_room: int) -> tuple[bytes, int]:
    """What may be stored of an output that begins with `head` and ends with `tail`, and the offset of the cut in it.

    `head` is `head_room` + MARGIN long and `tail` is `tail_room` + MARGIN, or the cut may leave halves of secrets.
    """
    first = _front(known_pieces(head), head_room, head_room)
    return first + _back(known_pieces(tail), tail_room, len(tail) - tail_room), len(first)


def redact_kept(kept: bytes, cut: int | None, custom: Patterns, limit: int) -> tuple[bytes, int | None]:
    """The same, at most `limit` long, without what `custom` matches; (kept, cut) is from one of the two above.

    The lines that the cut goes through are left out, or at most MARGIN of them: what is in half of a line, nobody
    can tell. Withheld if a pattern takes too long, as in `redact`.
    """
    if not custom:
        return kept, cut
    try:
        if cut is None:
            return _fitting(custom_pieces(kept, custom), limit - limit // 2, limit // 2)
        head, tail = kept[:cut], kept[cut:]
        first = _front(custom_pieces(head, custom), len(head), _last_line(head))
        last = _back(custom_pieces(tail, custom), len(tail), _second_line(tail))
        return first + last, len(first)
    except TookTooLong as stopped:
        return stopped.sentence, None


def _last_line(head: bytes) -> int:
    """The offset where the last line of `head` begins, but not further from its end than MARGIN."""
    earliest = max(0, len(head) - MARGIN)
    return max(head.rfind(b"\n", earliest) + 1, earliest)


def _second_line(tail: bytes) -> int:
    end = tail.find(b"\n", 0, MARGIN)
    return min(len(tail), MARGIN) if end < 0 else end + 1


def _fitting(pieces: Sequence[Piece], head_room: int, tail_room: int) -> tuple[bytes, int | None]:
    whole = b"".join(piece.text for piece in pieces)
    if len(whole) <= head_room + tail_room:
        return whole, None
    size = pieces[-1].end
    first = _front(pieces, head_room, head_room)
    return first + _back(pieces, tail_room, max(head_room, size - tail_room)), len(first)


def _front(pieces: Sequence[Piece], room: int, end: int) -> bytes:
    """At most `room` bytes of what stood before `end`. A mark is there wholly or not at all."""
    result = bytearray()
    for piece in pieces:
        text = piece.text if piece.is_mark else piece.text[: max(0, end - piece.start)]
        left = room - len(result)
        if piece.start >= end or (piece.is_mark and len(text) > left):
            break
        result += text[:left]
    return bytes(result)


def _back(pieces: Sequence[Piece], room: int, start: int) -> bytes:
    """At most `room` bytes of what stood after `start`, the last of them. A mark is there wholly or not at all."""
    result: list[bytes] = []
    left = room
    for piece in reversed(pieces):
        text = piece.text if piece.is_mark else piece.text[max(0, start - piece.start) :]
        if piece.end <= start or (piece.is_mark and len(text) > left):
            break
        result.append(text[max(0, len(text) - left) :])
        left -= len(result[-1])
    return b"".join(reversed(result))
