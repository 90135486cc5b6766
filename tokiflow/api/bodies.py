"""Reading what was sent: one JSON object, strictly, with every bad field named."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from flask import request

from tokiflow import errors
from tokiflow.api import moments
from tokiflow.api.problems import UnsupportedMediaType

DEEPEST = 20


def read(*, required: bool = True) -> dict[str, Any]:
    """The object that was sent; empty if nothing was and nothing had to be.

    Raises UnsupportedMediaType, Malformed for what is no JSON object, Invalid for text that can't be kept.
    """
    raw = request.get_data(cache=True)
    if not raw.strip() and not required:
        return {}
    if not _is_json(request.mimetype):
        raise UnsupportedMediaType("Send JSON, with the header Content-Type: application/json.")
    value = _parsed(raw)
    if not isinstance(value, dict):
        raise errors.Malformed("The body is JSON but not an object; send one like {…}.")
    mistakes = {path: [why] for path, why in _unfit(value, "", 1)}
    if mistakes:
        raise errors.Invalid(mistakes)
    return value


def only(values: dict[str, Any], writable: Collection[str], known: Collection[str], noun: str) -> dict[str, Any]:
    """`values` without the `known` fields that are only ever read, so that what was read can be sent back.

    Raises Invalid naming every field that is neither `writable` nor `known`.
    """
    unknown = [name for name in values if name not in writable and name not in known]
    if unknown:
        hint = f"is no field of {noun}; there is {', '.join(sorted(writable))}"
        raise errors.Invalid({name[:100]: [hint] for name in unknown})
    return {name: value for name, value in values.items() if name in writable}


def until(values: dict[str, Any], *, required: bool) -> datetime | None:
    """The time under `until`; None if it is null, or left out where that is allowed. Raises Invalid."""
    if required and "until" not in values:
        raise errors.Invalid({"until": ["is missing; write a time like 2026-11-20T02:00:00Z, or null to end it now"]})
    if values.get("until") is None:
        return None
    try:
        return moments.read(values["until"])
    except ValueError as error:
        raise errors.Invalid({"until": [str(error)]}) from None


def _is_json(mimetype: str) -> bool:
    return mimetype == "application/json" or (mimetype.startswith("application/") and mimetype.endswith("+json"))


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(
            raw.decode("utf-8-sig"), object_pairs_hook=_once_each, parse_constant=_no_number, parse_float=_number
        )
    except UnicodeDecodeError:
        raise errors.Malformed("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise errors.Malformed(f"The body is not JSON: {error.msg} at {where}.") from None
    except RecursionError:
        raise errors.Malformed("The JSON is nested too deeply.") from None
    except ValueError:
        # Python refuses numbers of more than some thousand digits.
        raise errors.Malformed("The body has a number in it that is far too long.") from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise errors.Malformed(f"The name {twice[:100]!r} is in the same object twice; which one is meant?")
    return found


def _no_number(text: str) -> float:
    raise errors.Malformed(f"{text} is not a number in JSON.")


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise errors.Malformed("The body has a number in it that is far too large.")
    return value


def _unfit(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """Where there is text that no table can hold, with what to do about it."""
    if depth > DEEPEST:
        raise errors.Malformed("The JSON is nested too deeply.")
    if isinstance(value, dict):
        for name, inner in value.items():
            if _mistake(name):
                raise errors.Malformed(f"A name in the JSON {_mistake(name)}.")
            yield from _unfit(inner, f"{path}.{name[:100]}" if path else name[:100], depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _unfit(inner, f"{path}[{number}]", depth + 1)
    elif isinstance(value, str) and _mistake(value):
        yield path, _mistake(value)


def _mistake(text: str) -> str:
    if "\x00" in text:
        return "has a NUL character in it; leave it out"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "has half a character in it (a lone surrogate); write the whole one"
    return ""
