"""What templates may say about numbers and moments, in the viewer's zone.

Pages are drawn for one viewer at one moment. `look(now, zone)` keeps both on `flask.g` for the request; the filters
read them from there, so that no macro has to pass them on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g, url_for
from markupsafe import Markup, escape

from tokiflow.core import durations
from tokiflow.core.shares import percent as percent

_UNIT = r"(?:ms|s|m|min|h|days?|weeks?|[KMGT]?B|%)(?!\w)"
_MEASURE = re.compile(rf"(?:± )?\d[\d.,]* {_UNIT}(?: \d[\d.,]* {_UNIT})*")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose eyes: the moment of the request and the zone its times are told in."""

    now: datetime
    zone: tzinfo


def look(now: datetime, zone: tzinfo) -> None:
    """Fix the moment and the zone of this request; called once, before the view."""
    g.viewer = Viewer(now, zone)


def viewer() -> Viewer:
    """The viewer of this request; without one, now in UTC."""
    if "viewer" not in g:
        g.viewer = Viewer(datetime.now(UTC), UTC)
    found: Viewer = g.viewer
    return found


def duration(seconds: float | timedelta | None) -> str:
    """`192` → `3 m 12 s`; a dash when it is not known."""
    return "–" if seconds is None else durations.words(_seconds(seconds))


def duration_long(seconds: float | timedelta | None) -> str:
    """The same in whole words, for sentences and screen readers."""
    return "unknown" if seconds is None else durations.long(_seconds(seconds))


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


def ago(at: datetime | None) -> str:
    """How long before or after now: `9 hours ago`, `in 5 h 12 min`, `never`."""
    return "never" if at is None else durations.ago(at, viewer().now)


def exact(at: datetime) -> str:
    """To the second, with weekday and zone: `Fri 21 Nov 2025, 02:05:01 CET`. What hovering tells."""
    local = at.astimezone(viewer().zone)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M:%S} {zone_name(at)}"


def clock(at: datetime) -> str:
    """As one would say it today: `02:05`, `yesterday 02:05`, `3 Oct, 02:05`, `3 Oct 2024, 02:05`."""
    here = viewer()
    local, today = at.astimezone(here.zone), here.now.astimezone(here.zone).date()
    time = f"{local:%H:%M}"
    near = {0: time, -1: f"yesterday {time}", 1: f"tomorrow {time}"}.get((local.date() - today).days)
    if near:
        return near
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local.day} {local:%b}{year}, {time}"


def day(at: datetime) -> str:
    """`21 Nov 2025` in the viewer's zone."""
    local = at.astimezone(viewer().zone)
    return f"{local.day} {local:%b %Y}"


def second(at: datetime) -> str:
    """The time of a day to the second, with its zone: `02:05:01 CET`."""
    return f"{at.astimezone(viewer().zone):%H:%M:%S} {zone_name(at)}"


def iso(at: datetime) -> str:
    """RFC 3339 in UTC, for `<time datetime>`."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def zone_name(at: datetime) -> str:
    """`CET`, or `UTC+10:30` for zones that have only a number for a name."""
    local = at.astimezone(viewer().zone)
    name = local.tzname() or ""
    if name and not name.startswith(("+", "-")):
        return name
    minutes = int((local.utcoffset() or timedelta()).total_seconds() // 60)
    sign, minutes = ("-" if minutes < 0 else "+"), abs(minutes)
    return f"UTC{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def zone_key() -> str:
    """The viewer's zone as a person picks it: `Europe/Berlin`."""
    zone = viewer().zone
    return zone.key if isinstance(zone, ZoneInfo) else "UTC"


def number(value: float) -> str:
    """`12345` → `12,345`."""
    return f"{value:,}"


def count(value: int, one: str, many: str = "") -> str:
    """`1 run`, `1,204 runs`."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


_COUNTED = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def spelled(value: int) -> str:
    """Small numbers as words, for the head of a sentence: `Two`."""
    return _COUNTED[value] if 0 <= value < len(_COUNTED) else number(value)


def glyph(status: str) -> str:
    """The status as one character, for titles, plain text and mails."""
    return {"up": "●", "late": "◔", "down": "▲", "paused": "❚❚", "new": "◌", "running": "▸"}.get(status, "●")


def breakable(text: str) -> Markup:
    """A long path, URL or identifier that may break after its punctuation."""
    pieces = escape(text)
    for mark in ("/", "_", ".", "@"):
        pieces = pieces.replace(mark, Markup(f"{mark}<wbr>"))
    return pieces


def measured(text: str) -> Markup:
    """`text` in which no line ends between a number and its units: `12 m 44 s` stays in one piece."""
    return Markup(_MEASURE.sub(r'<span class="nowrap">\g<0></span>', str(escape(text))))


def names(many: Iterable[str]) -> Markup:
    """`Mail, #ops`: names that people gave, each written in its own direction, so that none turns the commas around."""
    return Markup(", ").join(Markup("<bdi>{}</bdi>").format(name) for name in many)


def asset(path: str) -> str:
    """The URL of a static file, changed whenever its content changes, so that it may be cached for ever."""
    folder = current_app.static_folder or ""
    return url_for("static", filename=path, v=_fingerprint(Path(folder, path)))


def _fingerprint(file: Path) -> str:
    return _hash(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(file: Path, _changed: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:10]


def init_app(app: Flask) -> None:
    """Teach the templates of `app` these words."""
    words = (
        duration,
        duration_long,
        ago,
        exact,
        clock,
        day,
        second,
        iso,
        zone_name,
        number,
        count,
        percent,
        spelled,
        glyph,
    )
    for word in (*words, breakable, measured, names):
        app.add_template_filter(word)
    app.add_template_filter(durations.size, "size")
    app.add_template_global(asset)
    app.add_template_global(zone_key)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
