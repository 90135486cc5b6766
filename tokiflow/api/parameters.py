"""What may stand behind the question mark of an address: described for OpenAPI, read and checked for the views."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID

from flask import request

from tokiflow import errors
from tokiflow.api import moments
from tokiflow.core import ids

T = TypeVar("T")


@dataclass(frozen=True)
class Parameter(Generic[T]):
    """One query parameter. Left out, or empty where that is allowed, it is `default`.

    `read` raises ValueError saying what to write.
    """

    name: str
    description: str
    schema: dict[str, Any]
    read: Callable[[str], T]
    default: T
    may_be_empty: bool = True

    def value(self) -> T:
        """What this request says. Raises Invalid."""
        texts = request.args.getlist(self.name)
        if not texts or (self.may_be_empty and texts == [""]):
            return self.default
        try:
            return self.read(_single(texts))
        except ValueError as error:
            raise errors.Invalid({self.name: [str(error)]}) from None


def check(known: Iterable[Parameter[Any]]) -> None:
    """Raise Invalid naming everything behind the question mark that is wrong or unknown.

    A filter with a slip in its name must not answer as if nothing had been asked.
    """
    parameters = {parameter.name: parameter for parameter in known}
    names = ", ".join(parameters) or "none at all"
    mistakes = {
        _shown(name): [f"is no parameter here; there is {names}"] for name in request.args if name not in parameters
    }
    for parameter in parameters.values():
        try:
            parameter.value()
        except errors.Invalid as error:
            mistakes |= error.fields
    if mistakes:
        raise errors.Invalid(mistakes)


def text(name: str, description: str) -> Parameter[str]:
    """Free text."""
    schema = {"type": "string", "maxLength": 200}
    return Parameter(name, description, schema, partial(_text, longest=200), "")


def word(name: str, description: str, words: Iterable[str]) -> Parameter[str]:
    """One of `words`."""
    allowed = list(words)

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"is not known; write one of {', '.join(allowed)}")
        return text

    return Parameter(name, description, {"type": "string", "enum": ["", *allowed]}, read, "")


def whole(name: str, description: str, low: int, high: int, default: int) -> Parameter[int]:
    """A whole number from `low` to `high`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"is not a whole number from {low} to {high}")
        return int(text)

    schema = {"type": "integer", "minimum": low, "maximum": high, "default": default}
    return Parameter(name, description, schema, read, default, may_be_empty=False)


def moment(name: str, description: str) -> Parameter[datetime | None]:
    """A time as in RFC 3339."""

    def read(text: str) -> datetime:
        # An unescaped plus arrives as a space; nothing else can be meant by one there.
        return moments.read(re.sub(r" (?=\d\d:\d\d$)", "+", text))

    schema = {"anyOf": [{"type": "string", "format": "date-time"}, {"const": ""}]}
    return Parameter(name, description, schema, read, None)


def identifier(name: str, description: str, prefix: str) -> Parameter[UUID | None]:
    """The id of a thing."""

    def read(text: str) -> UUID:
        try:
            return ids.parse(prefix, text)
        except errors.NotFound:
            raise ValueError(f"is not such an id; write one like {prefix}_01jd…") from None

    schema = {"anyOf": [{"type": "string", "pattern": id_pattern(prefix)}, {"const": ""}]}
    return Parameter(name, description, schema, read, None)


NOBODY = "nobody"


def somebody(name: str, description: str) -> Parameter[UUID | str]:
    """The id of a person, or `nobody`."""
    person = identifier(name, description, "usr")

    def read(text: str) -> UUID | str:
        if text == NOBODY:
            return text
        found = person.read(text)
        assert found is not None
        return found

    schema = {"anyOf": [*person.schema["anyOf"], {"const": NOBODY}]}
    return Parameter(name, description, schema, read, "")


def id_pattern(prefix: str) -> str:
    """What a public id looks like."""
    return f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"


LIMIT = whole("limit", "How many to answer with at most.", 1, 500, 100)
CURSOR: Parameter[str | None] = Parameter(
    "cursor",
    "Where to go on. Take the whole address from `next` of the page before instead of writing this.",
    {"type": "string", "maxLength": 2_000},
    lambda text: _text(text, 2_000),
    None,
)
PAGING = (LIMIT, CURSOR)


def _single(texts: list[str]) -> str:
    if len(texts) > 1:
        raise ValueError("is there more than once; write it once")
    return texts[0]


def _text(text: str, longest: int) -> str:
    if "\x00" in text:
        raise ValueError("has a NUL character in it; leave it out")
    if len(text) > longest:
        raise ValueError(f"is longer than {longest:,} characters; shorten it")
    return text


def _shown(name: str) -> str:
    return name[:100].replace("\x00", "\ufffd")
