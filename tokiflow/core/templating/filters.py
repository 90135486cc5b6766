"""What may be done to a value: `{{ summary | truncate 80 | upper }}`. None of these can fail or grow without bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from tokiflow.core import durations
from tokiflow.core.templating.modes import Encoded, as_json, text
from tokiflow.core.templating.shapes import NUMBER, TEXT, Shape

ELLIPSIS = "…"
ANY = "any"
DATE_DIRECTIVES = frozenset("aAbBdHIjmMpSyYzZ%")
DATE_DEFAULT = "%Y-%m-%d %H:%M"


@dataclass(frozen=True)
class Filter:
    """One filter. `takes`: leaf · list · any. `gives` tells the shape of the result from that of the value."""

    name: str
    apply: Callable[..., Any]
    takes: str
    gives: Callable[[Shape], Shape]
    arguments: tuple[str, ...] = ()
    needed: int = 0
    usage: str = ""


def _truncate(value: Any, limit: Any) -> str:
    whole, most = text(value), _whole(limit)
    return whole if len(whole) <= most else whole[: max(most - 1, 0)].rstrip() + ELLIPSIS


def _default(value: Any, other: Any) -> Any:
    return other if value is None or value in ("", [], ()) else value


def _join(value: Any, between: Any) -> str:
    return text(between).join(text(one) for one in _list(value))


def _first(value: Any, count: Any = 1) -> list[Any]:
    return _list(value)[: _whole(count)]


def _last(value: Any, count: Any = 1) -> list[Any]:
    return _list(value)[-_whole(count) :]


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list | tuple) else len(text(value))


def _url(value: Any) -> Encoded:
    return Encoded(quote(text(value), safe="", errors="replace"))


def _date(value: Any, form: Any = DATE_DEFAULT, zone: Any = "UTC") -> str:
    moment = _moment(value)
    try:
        return moment.astimezone(_zone(text(zone))).strftime(text(form)) if moment else ""
    except (ValueError, OverflowError):  # the first and the last day there are, elsewhere
        return ""


def _unix(value: Any) -> int | None:
    moment = _moment(value)
    return int(moment.timestamp()) if moment else None


def _duration(value: Any) -> str:
    seconds = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return "" if seconds is None else durations.words(min(max(seconds, 0), 10**9))


# What they are made with.


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _whole(value: Any) -> int:
    number = value if isinstance(value, int | float) else 1
    return int(min(max(number, 1), 10_000))


def _moment(value: Any) -> datetime | None:
    """A time out of a message, in ISO 8601."""
    try:
        moment = datetime.fromisoformat(text(value))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def is_zone(name: str) -> bool:
    """Whether there is a time zone of this name."""
    return name == "UTC" or _zone(name).key == name


def is_date_form(form: str) -> bool:
    """Whether `form` is made of %Y, %m and the like, on which all systems agree."""
    parts = form.replace("%%", "").split("%")[1:]
    return len(form) <= 100 and form.isprintable() and all(part[:1] in DATE_DIRECTIVES and part for part in parts)


def _text(_: Shape) -> Shape:
    return TEXT


def _number(_: Shape) -> Shape:
    return NUMBER


def _same(shape: Shape) -> Shape:
    return shape


_ALL = (
    Filter("json", as_json, ANY, _text, usage="json"),
    Filter("upper", lambda value: text(value).upper(), "leaf", _text, usage="upper"),
    Filter("lower", lambda value: text(value).lower(), "leaf", _text, usage="lower"),
    Filter("truncate", _truncate, "leaf", _text, (NUMBER,), 1, "truncate 80"),
    Filter("default", _default, ANY, _same, (ANY,), 1, 'default "none"'),
    Filter("join", _join, "list", _text, (TEXT,), 1, 'join ", "'),
    Filter("first", _first, "list", _same, (NUMBER,), 0, "first 3"),
    Filter("last", _last, "list", _same, (NUMBER,), 0, "last 3"),
    Filter("length", _length, ANY, _number, usage="length"),
    Filter("url", _url, "leaf", _text, usage="url"),
    Filter("date", _date, "leaf", _text, (TEXT, TEXT), 0, 'date "%d %b %H:%M" timezone'),
    Filter("unix", _unix, "leaf", _number, usage="unix"),
    Filter("duration", _duration, "leaf", _text, usage="duration"),
)
FILTERS: Mapping[str, Filter] = {one.name: one for one in _ALL}
