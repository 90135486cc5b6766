"""Which stretches of time a calendar in the iCalendar form (RFC 5545) names.

What repeats is unrolled by a library. It may be led astray (a rule that never fires, a million events), so whoever
reads the calendars of strangers does it in a process with limits of its own: adapters.calendars.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from tokiflow.core import addresses
from tokiflow.core.maintenance import Span
from tokiflow.core.monitor_draft import clean
from tokiflow.core.schedule import zones

MOST_EVENTS = 20_000
MOST_SPANS = 2_000
LONGEST_WORDS = 200


class NoCalendar(ValueError):
    """It can't be used. The message says why and what to do, and goes on behind "The calendar"."""


@dataclass(frozen=True)
class Reading:
    """The stretches a calendar names, earliest first. `note`: what of it was left out, in a sentence, if anything."""

    spans: tuple[Span, ...]
    note: str = ""


def address(url: object) -> str:
    """The web address behind `url`; `webcal://` means https. Raises ValueError saying what to write."""
    if isinstance(url, str):
        scheme, found, rest = url.strip().partition("://")
        if found and scheme.lower() in ("webcal", "webcals"):
            url = f"https://{rest}"
    return addresses.web(url)


def read(text: bytes, start: datetime, end: datetime, timezone: str) -> Reading:
    """The events of the calendar `text` that touch the time from `start` to `end`, but for cancelled ones.

    `timezone` is for times without a zone and for whole days, unless the calendar names one. Raises NoCalendar.
    """
    from icalendar import Calendar  # here: 20 MB and 70 ms that only the process for reading pays

    if b"BEGIN:VCALENDAR" not in text[:10_000].upper():
        raise NoCalendar("is none: the address leads to something else. Use the one that ends in .ics.")
    if text.upper().count(b"BEGIN:VEVENT") > MOST_EVENTS:
        raise NoCalendar(
            f"has more than {MOST_EVENTS:,} events. Share one that holds nothing but maintenance, or fewer years."
        )
    try:
        calendars = Calendar.from_ical(text, multiple=True)
    except (ValueError, KeyError, IndexError) as error:
        raise NoCalendar(f"can’t be read: {_short(str(error))}. Export it anew.") from None
    note, found = "", []
    for calendar in calendars:
        zone = _zone(calendar, timezone)
        events, skipped = _events(calendar, start, end)
        note = note or skipped
        found += [span for event in events if (span := _span(event, zone)) and span.ends_at > start]
    return _within_bounds(found, note)


def _events(calendar: Any, start: datetime, end: datetime) -> tuple[list[Any], str]:
    """What happens in that time, and what could not be read."""
    with suppress(Exception):  # whatever the library stumbles over is an event that is not as it should be
        return _unrolled(calendar, start, end), ""
    found, left_out = [], []
    for series in _series(calendar):
        try:
            found += _unrolled(series, start, end)
        except Exception:
            left_out.append(str(series.subcomponents[0].get("SUMMARY", "")))
    return found, _left_out(left_out)


def _unrolled(calendar: Any, start: datetime, end: datetime) -> list[Any]:
    import recurring_ical_events as recurring

    return list(recurring.of(calendar).between(start, end))


def _series(calendar: Any) -> list[Any]:
    """A calendar for each event with those that stand in for single times of it."""
    from icalendar import Calendar

    by_uid: dict[str, Any] = {}
    for number, event in enumerate(calendar.walk("VEVENT")):
        uid = str(event.get("UID", f"without, {number}"))
        if uid not in by_uid:
            by_uid[uid] = Calendar()
            by_uid[uid].update(calendar)
        by_uid[uid].add_component(event)
    return list(by_uid.values())


def _left_out(names: list[str]) -> str:
    if len(names) == 1:
        return f"One event can’t be read and is left out: “{_short(names[0]) or 'without a name'}”."
    return f"{len(names):,} events can’t be read and are left out, the first “{_short(names[0]) or 'without a name'}”."


def _span(event: Any, zone: ZoneInfo) -> Span | None:
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return None
    start, end = event.decoded("DTSTART"), event.decoded("DTEND")
    starts_at, ends_at = _moment(start, zone), _moment(end, zone)
    if end > start and ends_at <= starts_at:
        # From 02:00 to 03:00 in the night in which there is no such hour: it is as long as it is in other nights.
        ends_at = starts_at + (end - start)
    words = " ".join(clean(str(event.get("SUMMARY", ""))).split())[:LONGEST_WORDS]
    # A moment without length holds nothing back.
    return Span(starts_at, ends_at, words) if ends_at > starts_at else None


def _moment(value: date | datetime, zone: ZoneInfo) -> datetime:
    """A whole day begins at midnight in `zone`, and a time that names no zone is meant there."""
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def _zone(calendar: Any, otherwise: str) -> ZoneInfo:
    """The zone that `calendar` names. One that nobody knows is taken out of it: the library would stumble over it."""
    named = str(calendar.get("X-WR-TIMEZONE", ""))
    if not zones.exists(named):
        calendar.pop("X-WR-TIMEZONE", None)
        named = otherwise
    return zones.zone(named)


def _within_bounds(found: Iterable[Span], note: str) -> Reading:
    spans = list(_distinct(sorted(found, key=lambda span: (span.starts_at, span.ends_at))))
    if len(spans) > MOST_SPANS:
        last = spans[MOST_SPANS].starts_at
        note = f"Only the first {MOST_SPANS:,} events to come are used, up to {last.day} {last:%B %Y}."
    return Reading(tuple(spans[:MOST_SPANS]), note)


def _distinct(spans: Iterable[Span]) -> Iterator[Span]:
    """Of several with the same times, the first: they hold back the same."""
    before = None
    for span in spans:
        if (span.starts_at, span.ends_at) != before:
            yield span
        before = (span.starts_at, span.ends_at)


def _short(text: str) -> str:
    line = " ".join(clean(text).split()).rstrip(".")
    return line if len(line) <= 120 else line[:119] + "…"
