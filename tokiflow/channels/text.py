"""Text that came from strangers, made fit for a subject line, a card or a header.

Names, messages and output are written by jobs and by people. Nothing in them may end a line early, turn the
reading direction round, or fill a screen.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

ELLIPSIS = "…"
# Marks that reorder the text around them: a name must not make "safe.txt" out of "exe.safe".
_BIDI = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_BREAKS = "\r\n\t\v\f\x85\u2028\u2029"
# A low line within a word is only itself: db_backup needs no escape, and reads better without where none is understood.
_MARKS = re.compile(r"[\\*~`|\[\]<>@]|://|(?<![^\W_])_|_(?![^\W_])")
_AT_THE_START = re.compile(r"^(\d*)([-+#.)])(?=[\s#]|$)")
# What mail programs take for an address of something: a scheme, and a dot, @, colon or slash within a word.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{0,20}:)?//+", re.IGNORECASE)
_LINKING = re.compile(r"([.@:/])(?=\S)")
_HIDDEN = re.compile("[\u200b-\u200d\u2060\ufeff\u00ad<>]")
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def line(value: str, limit: int) -> str:
    """`value` on one line: white space collapsed, controls dropped, at most `limit` characters."""
    return truncate(" ".join(_visible(value).split()), limit)


def unlinked(value: str, limit: int) -> str:
    """Like `line`, and no mail program makes a link of it: for what one stranger can make us write to another."""
    plain = _SCHEME.sub("", _HIDDEN.sub("", line(value, 10 * limit)))
    return _LINKING.sub("\\1\u2060", truncate(" ".join(plain.split()), limit))


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


def fitting(value: str, fits: Callable[[str], bool]) -> str:
    """As much of the beginning of `value` as `fits`, which must hold for all that is shorter; with an ellipsis."""
    if fits(value):
        return value
    low, high = 0, len(value)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(_cut(value, middle)) else (low, middle)
    return _cut(value, low) if low else ""


def tail(lines: Sequence[str], fits: Callable[[str], bool]) -> str:
    """As many of the last `lines` as fit together, oldest first; empty if not even the last does."""
    return next((kept for start in range(len(lines)) if fits(kept := "\n".join(lines[start:]))), "")


def units(value: str) -> int:
    """The length of `value` in UTF-16 units, in which some services count: an emoji takes two."""
    return len(value.encode("utf-16-le")) // 2


def size(value: str) -> int:
    """The length of `value` in bytes of UTF-8."""
    return len(value.encode())


def markdown(value: str) -> str:
    """`value` so that Markdown shows it as it is: no emphasis, no links, no mentions, no lists, no headings."""
    return _AT_THE_START.sub(r"\1\\\2", _MARKS.sub(r"\\\g<0>", value))


def fenced(lines: str) -> str:
    """`lines` in a block of code that no back-ticks of theirs can end."""
    return "```\n" + lines.replace("```", "`\u200b`\u200b`") + "\n```" if lines else ""


def without(value: str, secrets: Iterable[str]) -> str:
    """`value` without any of `secrets`."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        value = value.replace(secret, ELLIPSIS)
    return value


def _cut(value: str, length: int) -> str:
    return value[:length].rstrip() + ELLIPSIS
