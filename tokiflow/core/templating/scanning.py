"""A text cut into what stands outside of tags and the words within them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tokiflow.core.templating.errors import at

# `{{{ name }}` is a brace and a tag: in JSON they stand side by side.
_OPEN = re.compile(r"\{\{(?![{%])|\{%")
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<end>-?(?:\}\}|%\}))
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<number>-?[0-9]+(?:\.[0-9]+)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)
    |(?P<mark>==|!=|<=|>=|[|:(),<>])""",
    re.VERBOSE,
)
_ALONE_BEFORE = re.compile(r"(?:^|(?<=\n))[ \t]*\Z")
_ALONE_AFTER = re.compile(r"[ \t]*(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a tag. `kind`: string · number · name · mark."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Text outside of tags, or a tag: `{{` or `{%` as `opens`, with its tokens."""

    text: str
    position: int
    opens: str = ""
    tokens: tuple[Token, ...] = ()


def pieces(source: str) -> Iterator[Piece]:
    """`source` from the beginning to the end. Raises TemplateError where a tag can't be read.

    A `{% … %}` that stands alone on its line takes the line with it, so that loops leave no empty ones.
    """
    position, trim = 0, False
    while found := _OPEN.search(source, position):
        start = found.start()
        before = source[position:start]
        inside = found.end() + (source[found.end() : found.end() + 1] == "-")
        tokens, end, trims_after = _tag(source, start, inside, found[0])
        lead, follow = len(before), 0
        if found[0] == "{%":
            lead, follow = _alone(source, position, before, end)
        yield Piece(_cut(before[:lead], trim, inside > found.end()), position)
        yield Piece("", start, found[0], tokens)
        position, trim = end + follow, trims_after
    yield Piece(_cut(source[position:], trim, False), position)


def _cut(text: str, left: bool, right: bool) -> str:
    """`{%-` and `-%}` take the white space beside them."""
    text = text.lstrip() if left else text
    return text.rstrip() if right else text


def _alone(source: str, position: int, before: str, end: int) -> tuple[int, int]:
    """How much of the text before a tag stays, and how much of what follows is left out."""
    lead, after = _ALONE_BEFORE.search(before), _ALONE_AFTER.match(source, end)
    if not lead or not after or (lead.start() == 0 and position and source[position - 1] != "\n"):
        return len(before), 0
    return lead.start(), after.end() - end


def _tag(source: str, start: int, inside: int, opens: str) -> tuple[tuple[Token, ...], int, bool]:
    """The tokens of the tag at `start`, where it ends, and whether it takes the white space behind it."""
    closes = "}}" if opens == "{{" else "%}"
    tokens: list[Token] = []
    position = inside
    while position < len(source):
        found = _TOKEN.match(source, position)
        if not found:
            raise at(source, position, _unreadable(source[position], opens, closes))
        kind = str(found.lastgroup)
        if kind == "end":
            if not found[0].endswith(closes):
                raise at(source, position, f"a tag that begins with {opens} ends with {closes}")
            return tuple(tokens), found.end(), found[0].startswith("-")
        if kind != "space":
            tokens.append(Token(kind, found[0], position))
        position = found.end()
    literal = '; to write two braces, write {{ "{{" }}' if opens == "{{" else ""
    raise at(source, start, f"this {opens} has no {closes}{literal}")


def _unreadable(sign: str, opens: str, closes: str) -> str:
    if sign in "\"'":
        return f"this {sign} has no second one on its line"
    if sign == "=":
        return "to compare, write =="
    shown = sign if sign.isprintable() else f"U+{ord(sign):04X}"
    calculated = "; there is no arithmetic" if sign in "+-*/%" else ""
    return f"{shown} can’t stand between {opens} and {closes}{calculated}"
