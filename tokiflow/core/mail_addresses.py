"""E-mail addresses: what is one, and which ones stand in a text that somebody pasted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 320
SHOWN = 80
"""So much of something that is no address is repeated to whoever wrote it."""
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
# localhost, too: on a machine of one's own that is where cron's mail has always gone.
_DOMAIN = re.compile(r"localhost|([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
_LINE_BREAK = re.compile(r"\r\n|[\r\n\v\f\x85\u2028\u2029]")
# What is quoted, what is in angle brackets, or one other character; a quote or bracket that never ends is only itself.
_PIECES = re.compile(r'"[^"]*"|<[^<>]*>|.', re.DOTALL)
_QUOTED = re.compile(r'"[^"]*"')
_BRACKETS = re.compile(r"<([^<>]*)>\s*\Z")


@dataclass(frozen=True, slots=True)
class Pasted:
    """What stood in a text: the addresses in lower case, each once, in the order of the text; and each thing that is
    none, with the number of its line."""

    addresses: tuple[str, ...]
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    line: int
    text: str

    def __str__(self) -> str:
        return f"Line {self.line}: “{self.text}” is not an e-mail address"


def read(given: str) -> str | None:
    """`Alice@Bücher.example` → `Alice@xn--bcher-kva.example`; None if it can't be an address (RFC 5321 §4.1.2)."""
    if len(given) > 2 * LONGEST:
        return None
    local, at, domain = given.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    fits = len(local) <= 64 and len(domain) <= 253
    return f"{local}@{domain}" if at and fits and _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain) else None


def pasted(text: str) -> Pasted:
    """The addresses in `text`: one a line, or with commas, semicolons or blanks between them; bare, as `<address>`, or
    with a name before them as mail programs write it (`"Lopez, Mia" <mia@example.com>`, RFC 5322 §3.4)."""
    found: dict[str, None] = {}
    mistakes: list[Mistake] = []
    for number, line in enumerate(_LINE_BREAK.split(text), 1):
        for piece in _split(line):
            for one in _candidates(piece):
                address = read(one)
                if address:
                    found[address.lower()] = None
                else:
                    mistakes.append(Mistake(number, one[:SHOWN]))
    return Pasted(tuple(found), tuple(mistakes))


def _split(line: str) -> Iterator[str]:
    """The pieces of a line, at commas and semicolons that are neither quoted nor in angle brackets."""
    piece: list[str] = []
    for part in _PIECES.findall(line):
        if part in (",", ";"):
            yield "".join(piece)
            piece = []
        else:
            piece.append(part)
    yield "".join(piece)


def _candidates(piece: str) -> list[str]:
    """What is to be an address in a piece: what is in brackets, or each word with an @. Without any, all of it."""
    whole = " ".join(piece.split())
    bracketed = _BRACKETS.search(piece)
    if bracketed:
        return [_bare(bracketed[1]) or whole]
    words = [word for word in _QUOTED.sub(" ", piece).split() if "@" in word]
    return [_bare(word) for word in words] or ([whole] if whole else [])


def _bare(word: str) -> str:
    word = word.strip()
    return word[7:] if word[:7].lower() == "mailto:" else word
