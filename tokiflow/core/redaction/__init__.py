"""Secrets out of what jobs print, before anything of it is stored.

A secret gives way to a mark that says what it was, `[redacted: password]`; the name it went by stays, so that the line
still makes sense, and all else stays byte for byte. Redacting twice changes nothing more.

`forms` knows secrets by how they look, `names` by what they are called, `cards` card numbers, `custom` the patterns of
an organization. They all look at the same text and say where (`spans`); `ends` is for an output without its middle.

A pattern that takes too long is stopped, and then the whole text is withheld: in its place stands a sentence that says
which pattern it was. Part of a text could hold what the pattern had not reached yet.
"""

from __future__ import annotations

from tokiflow.core.redaction.custom import NONE, Patterns, TookTooLong, compile_patterns
from tokiflow.core.redaction.ends import MARGIN, keep_ends, keep_whole, redact_kept
from tokiflow.core.redaction.finding import custom_pieces, known_pieces

__all__ = [
    "MARGIN", "NONE", "Patterns", "compile_patterns", "keep_ends", "keep_whole", "redact", "redact_kept", "redact_text",
]  # fmt: skip


def redact(data: bytes, custom: Patterns = NONE) -> bytes:
    """`data` without secrets: those that everybody knows, and then those that `custom` matches."""
    redacted = b"".join(piece.text for piece in known_pieces(data))
    if not custom:
        return redacted
    try:
        return b"".join(piece.text for piece in custom_pieces(redacted, custom))
    except TookTooLong as stopped:
        return stopped.sentence


def redact_text(text: str, custom: Patterns = NONE) -> str:
    """`text` without secrets, as `redact`."""
    return redact(text.encode("utf-8", "surrogatepass"), custom).decode("utf-8", "surrogatepass")
