"""What an event changed, as people read it: one line for each value, before and after."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tokiflow import errors
from tokiflow.core import durations, ids
from tokiflow.queries import things
from tokiflow.web import filters, happenings

LONG = 160
"""Longer values are folded."""
DEEPEST = 6

_LABELS = {
    "own_channels": "channels of its own",
    "url": "URL",
    "ical_url": "calendar",
    "expires_at": "good until",
    "starts_at": "begins",
    "ends_at": "ends",
    "to": "addresses",
    "remind_seconds": "reminds every",
    "waits": "waits",
    "last": "ends the list",
}
"""What values are called that have no good name of their own."""

Names = Mapping[tuple[str, UUID], str]

_ID = re.compile(r"(?:mon|chn|inc|rul|mnt|slk|key|usr)_[0-9a-z]{26}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?([+-]\d\d:\d\d|Z)")
_SECRET = re.compile(r"(^|_)(token|secret|password|passphrase|digest|private_key)s?$")
_SAID_OF_SECRETS = (None, True, False, "", "set", "replaced", "removed")
HIDDEN = "hidden"
ALSO = " · "


@dataclass(frozen=True, slots=True)
class Change:
    """One value. `before` is None where the event tells only how it is; "" stands for nothing."""

    label: str
    before: str | None
    after: str | None


def changes(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> list[Change]:
    """The values of an event, in the order it keeps them. `names` are of the things whose ids stand in it."""
    was, is_now = dict(_flat(before)), dict(_flat(after))
    compared, found = bool(before), []
    for path in dict.fromkeys((*was, *is_now)):
        old = _text(path[-1], was.get(path), names) if compared else None
        new = _text(path[-1], is_now.get(path), names) if after else None
        if compared and after and old == new and was.get(path) == is_now.get(path):
            continue
        found.append(Change(_label(path), old, new))
    return found


def named_in(*values: Mapping[str, Any]) -> Iterator[tuple[str, UUID]]:
    """Prefix and id of all things that are named in these values."""
    for found in _ID.findall(json.dumps(values)):
        prefix = found[:3]
        if prefix in things.KINDS:
            try:
                yield prefix, ids.parse(prefix, found)
            except errors.NotFound:
                continue


def _flat(value: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, one in value.items():
        here = (*path, str(name))
        if isinstance(one, Mapping) and one and len(here) < DEEPEST:
            yield from _flat(one, here)
        else:
            yield here, one


def _label(path: tuple[str, ...]) -> str:
    words = ALSO.join(_LABELS.get(name) or happenings.words_of(name) for name in path)
    return words[:1].upper() + words[1:]


def _text(name: str, value: Any, names: Names) -> str:
    if _SECRET.search(name.lower()) and (isinstance(value, list | dict) or value not in _SAID_OF_SECRETS):
        return HIDDEN
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(name, value)
    if isinstance(value, list):
        inside = "; then " if name == "steps" else ", "
        return inside.join(_text(name, one, names) or "nothing" for one in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return _words(str(value), names)


def _number(name: str, value: float) -> str:
    if name.endswith("seconds") or name == "waits":
        return durations.long(value)
    return filters.number(value)


def _words(value: str, names: Names) -> str:
    if _MOMENT.fullmatch(value):
        try:
            return filters.exact(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            return value
    if _ID.fullmatch(value):
        return next((names[one] for one in named_in({"id": value}) if one in names), value)
    return value
