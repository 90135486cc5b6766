"""Text that came from strangers, made fit for a subject line, a card or a header.

Names, messages and output are written by jobs and by people. Nothing in them may end a line early, turn the
reading direction round, or fill a screen.
"""

from __future__ import annotations

import re
import unicodedata

ELLIPSIS = "…"
# Marks that reorder the text around them: a name must not make "safe.txt" out of "exe.safe".
_BIDI = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_BREAKS = "\r\n\t\v\f\x85\u2028\u2029"
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def line(value: str, limit: int) -> str:
    """`value` on one line: white space collapsed, controls dropped, at most `limit` characters."""
    return truncate(" ".join(_visible(value).split()), limit)


def output(value: str, limit: int) -> str:
    """One line of a job's output: like `line`, but indentation and columns are kept."""
    return truncate(_visible(value.expandtabs(4)).rstrip(), limit)


def truncate(value: str, limit: int) -> str:
    """At most `limit` characters, the last of them an ellipsis if something was cut."""
    return value if len(value) <= limit else value[: limit - 1].rstrip() + ELLIPSIS


def _visible(value: str) -> str:
    if value.isascii() and value.isprintable():
        return value  # nearly everything is, and an alert storm makes thousands of texts
    # Lone surrogates stand for bytes that were not UTF-8; they could not be encoded again.
    value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    value = _ESCAPE_SEQUENCE.sub("", value).translate(_BIDI)
    return "".join(" " if letter in _BREAKS else letter for letter in value if not _is_control(letter))


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) == "Cc" and letter not in _BREAKS
