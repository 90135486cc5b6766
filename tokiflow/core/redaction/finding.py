"""A text in pieces: what stays, and a mark for each secret."""

from __future__ import annotations

from tokiflow.core.redaction import cards, custom, forms, names, spans
from tokiflow.core.redaction.spans import Piece


def known_pieces(data: bytes) -> list[Piece]:
    """`data` with a mark for every secret whose form or name everybody knows."""
    text = spans.masked(data)
    found = [*forms.key_blocks(text), *forms.tokens(text), *names.values(text), *cards.numbers(text)]
    return spans.pieces(data, spans.united(found, text))


def custom_pieces(data: bytes, patterns: custom.Patterns) -> list[Piece]:
    """`data` with a mark for all that `patterns` match. Raises TookTooLong."""
    return spans.pieces(data, spans.united(custom.find(data, patterns), spans.masked(data)))
