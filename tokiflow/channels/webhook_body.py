"""The body of a webhook: our JSON, or what a template of the customer's makes of it.

A template is read and tried on every kind of message before it is saved. Should it fail later for all that, our JSON is
sent in its place: an alert in the wrong form is better than none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from tokiflow.channels import examples
from tokiflow.channels.message import Message
from tokiflow.channels.webhook_payload import SHAPE, payload, values
from tokiflow.core import templating
from tokiflow.core.templating import Mode, TemplateError
from tokiflow.core.templating.modes import text, written
from tokiflow.core.templating.nodes import Template

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"
_TAG = re.compile(r"\s*\{%.*?%\}", re.DOTALL)
_JSON_START = re.compile(r"\[|\{(?!\{(?!%))")
_OLD_NAME = re.compile(r"\{\{\s*([A-Za-z_.]+)\s*\}\}")


@dataclass(frozen=True)
class Body:
    """What is sent. `trouble`: why it is our JSON and not what the template says; mostly empty."""

    content: bytes
    content_type: str
    trouble: str = ""


def of(message: Message, template: str | None, content_type: str = "") -> Body:
    """The body for `message`. `content_type` is what the customer's own headers say, if they do."""
    if template is None:
        return Body(_ours(message), content_type or JSON_TYPE)
    kind = content_type or (JSON_TYPE if looks_like_json(template) else TEXT_TYPE)
    try:
        return Body(_made(template, mode_of(kind), message).encode(), kind)
    except ValueError as error:
        return Body(_ours(message, template_error=str(error)), JSON_TYPE, str(error))


def check(template: str, content_type: str = "") -> None:
    """Raises ValueError, with the place and what to write instead, unless `template` works for every message."""
    mode = mode_of(content_type or (JSON_TYPE if looks_like_json(template) else TEXT_TYPE))
    read = _read(template, mode)
    for when, message in (*examples.MESSAGES.items(), *(("", one) for one in examples.HARDEST)):
        made = templating.render(read, values(message))
        if mode is Mode.JSON:
            _check_json(made, when, LOOKS if looks_like_json(template) else SAYS)


def check_length(template: str) -> None:
    """Raises ValueError for what is too long to be read."""
    if len(template) > templating.LENGTH_LIMIT:
        raise ValueError(f"must be text of at most {templating.LENGTH_LIMIT:,} characters")


def mode_of(content_type: str) -> Mode:
    """How values are written in a body of this type."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith(("/json", "+json")):
        return Mode.JSON
    if kind == "application/x-www-form-urlencoded":
        return Mode.FORM
    return Mode.XML if kind.endswith(("/xml", "+xml", "/html")) else Mode.TEXT


def looks_like_json(template: str) -> bool:
    """Whether it begins as JSON does: `{` or `[`, and not with a name in braces, which begins plain text."""
    start = template.lstrip()
    while found := _TAG.match(start):
        start = start[found.end() :].lstrip()
    return bool(_JSON_START.match(start))


def _ours(message: Message, **more: Any) -> bytes:
    return orjson.dumps(payload(message) | more)


def _made(template: str, mode: Mode, message: Message) -> str:
    try:
        read = _read(template, mode)
    except TemplateError:
        # Saved before there was a language: names in braces are filled in, and everything else stands as it is.
        made = _filled(template, mode, values(message))
    else:
        made = templating.render(read, values(message))
    if mode is Mode.JSON:
        _check_json(made)
    return made


@lru_cache(maxsize=256)
def _read(template: str, mode: Mode) -> Template:
    return templating.read(template, SHAPE, mode)


def _filled(template: str, mode: Mode, known: Mapping[str, Any]) -> str:
    def value(found: re.Match[str]) -> str:
        at: Any = known
        for name in found[1].split("."):
            at = at.get(name) if isinstance(at, Mapping) else None
        return written(text(at), mode, quoted=True)

    return _OLD_NAME.sub(value, template)


LOOKS = "This looks like JSON and is not"
SAYS = "Your Content-Type says JSON, and this is none"


def _check_json(made: str, when: str = "", said: str = LOOKS) -> None:
    """Raises ValueError, which begins with `said`, unless `made` is JSON."""
    try:
        json.loads(made, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("This makes JSON that is nested too deeply; write it flatter") from None
    except json.JSONDecodeError as error:
        near = made[max(error.pos - 20, 0) : error.pos + 20].strip()
        occasion = f" when {when[:1].lower()}{when[1:]}" if when else ""
        raise ValueError(
            f"{said}{occasion}: {error.msg[:1].lower()}{error.msg[1:]} near “{near}”; "
            'write names as "{{ summary }}", and a comma between items with {% if not loop.last %},{% endif %}'
        ) from None
    except ValueError:
        raise ValueError("This makes JSON with a number of too many digits; write a shorter one") from None


def _no_number(word: str) -> float:
    raise json.JSONDecodeError(f"{word} is no number", word, 0)
