"""For what a text is made: how a value must be written there, so that it stays a value."""

from __future__ import annotations

import html
import json
import math
from enum import Enum
from typing import Any
from urllib.parse import quote_plus


class Mode(Enum):
    """What the whole text shall be."""

    TEXT = "text"
    JSON = "json"
    FORM = "form"
    XML = "xml"


class Json(str):
    """JSON already."""


class Encoded(str):
    """Percent-encoded already."""


def text(value: Any) -> str:
    """`value` as people read it: nothing for none, a list line by line."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "\n".join(text(one) for one in value)
    return as_json(value)


def as_json(value: Any) -> Json:
    """`value` as JSON, whatever it is."""
    if isinstance(value, Json):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return Json("null")
    return Json(json.dumps(value, ensure_ascii=False, allow_nan=False))


def written(value: Any, mode: Mode, quoted: bool) -> str:
    """`value` as it stands in a text of `mode`; `quoted`: between quotes that are there already."""
    if mode is Mode.JSON:
        return json.dumps(text(value), ensure_ascii=False)[1:-1] if quoted else as_json(value)
    if mode is Mode.FORM and not isinstance(value, Encoded):
        return quote_plus(text(value), errors="replace")
    return html.escape(text(value)) if mode is Mode.XML else text(value)
