"""Calendars in the iCalendar form: which stretches of time they name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tokiflow.core import calendars
from tokiflow.core.calendars import NoCalendar

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
END = START + timedelta(days=60)


def calendar(*events: str, head: str = "") -> bytes:
    """A calendar of events, each given by its lines, separated by |."""
    each = [f"BEGIN:VEVENT|UID:{n}|{event}|END:VEVENT" for n, event in enumerate(events)]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Harbour//EN", *filter(None, [head]), *each, "END:VCALENDAR"]
    return "".join(f"{line}\r\n" for line in "|".join(lines).split("|")).encode()


def named(text: bytes, zone: str = "Europe/Berlin") -> list[str]:
    return [
        f"{span.starts_at:%d %b %H:%M} – {span.ends_at:%d %b %H:%M}" + (f" {span.words}" if span.words else "")
        for span in calendars.read(text, START, END, zone).spans
    ]


@pytest.mark.parametrize(
    ("event", "spans"),
    [
        ("DTSTART:20261122T020000Z|DTEND:20261122T060000Z|SUMMARY:A\\, B", ["22 Nov 02:00 – 22 Nov 06:00 A, B"]),
        ("DTSTART:20261122T020000Z|DURATION:PT90M", ["22 Nov 02:00 – 22 Nov 03:30"]),
        # Whole days and times without a zone are those of the zone that was chosen.
        ("DTSTART;VALUE=DATE:20261122", ["21 Nov 23:00 – 22 Nov 23:00"]),
        ("DTSTART;VALUE=DATE:20261122|DTEND;VALUE=DATE:20261124", ["21 Nov 23:00 – 23 Nov 23:00"]),
        ("DTSTART:20261122T020000|DTEND:20261122T030000", ["22 Nov 01:00 – 22 Nov 02:00"]),
        ("DTSTART;TZID=America/New_York:20261122T020000|DURATION:PT1H", ["22 Nov 07:00 – 22 Nov 08:00"]),
        # What goes on already counts, what is over or has no length does not.
        ("DTSTART:20261120T110000Z|DTEND:20261120T130000Z", ["20 Nov 11:00 – 20 Nov 13:00"]),
        ("DTSTART:20261120T110000Z|DTEND:20261120T120000Z", []),
        ("DTSTART:20261122T020000Z", []),
        ("DTSTART:20261122T020000Z|DURATION:PT1H|STATUS:CANCELLED", []),
        ("DTSTART:20270601T020000Z|DURATION:PT1H", []),
        (
            "DTSTART;TZID=Europe/Berlin:20200105T020000|DURATION:PT1H|RRULE:FREQ=WEEKLY;UNTIL=20261206T010000Z",
            ["22 Nov 01:00 – 22 Nov 02:00", "29 Nov 01:00 – 29 Nov 02:00", "06 Dec 01:00 – 06 Dec 02:00"],
        ),
        (
            "DTSTART:20261121T020000Z|DURATION:PT1H|RRULE:FREQ=DAILY;COUNT=3|EXDATE:20261122T020000Z",
            ["21 Nov 02:00 – 21 Nov 03:00", "23 Nov 02:00 – 23 Nov 03:00"],
        ),
    ],
)  # fmt: skip
def test_an_event_names_its_times(event: str, spans: list[str]) -> None:
    assert named(calendar(event)) == spans


def test_one_of_a_series_can_be_moved_or_cancelled() -> None:
    series = "UID:s|DTSTART:20261121T020000Z|DURATION:PT1H|RRULE:FREQ=DAILY;COUNT=3"
    moved = "UID:s|RECURRENCE-ID:20261122T020000Z|DTSTART:20261122T080000Z|DURATION:PT2H|SUMMARY:moved"
    cancelled = "UID:s|RECURRENCE-ID:20261123T020000Z|DTSTART:20261123T020000Z|DURATION:PT1H|STATUS:CANCELLED"
    text = calendar(series, moved, cancelled)
    for n in range(3):
        text = text.replace(f"UID:{n}\r\n".encode(), b"")
    assert named(text) == ["21 Nov 02:00 – 21 Nov 03:00", "22 Nov 08:00 – 22 Nov 10:00 moved"]


def test_a_series_keeps_its_wall_time_through_a_change_of_the_clock() -> None:
    event = "DTSTART;TZID=Europe/Berlin:20260320T020000|DURATION:PT1H|RRULE:FREQ=DAILY"
    text = calendar(event)
    spring = datetime(2027, 3, 27, 12, 0, tzinfo=UTC)
    found = calendars.read(text, spring, spring + timedelta(days=2), "UTC").spans
    # 02:00 does not exist on 28 March; it is taken as the same moment, an hour on by the wall clock.
    assert [f"{span.starts_at:%d %H:%M}" for span in found] == ["28 01:00", "29 00:00"]


def test_the_zone_a_calendar_names_goes_before_ours() -> None:
    text = calendar("DTSTART;VALUE=DATE:20261122", head="X-WR-TIMEZONE:America/New_York")
    assert named(text) == ["22 Nov 05:00 – 23 Nov 05:00"]
    unknown = calendar("DTSTART;VALUE=DATE:20261122", head="X-WR-TIMEZONE:Nowhere/At all")
    assert named(unknown, "UTC") == ["22 Nov 00:00 – 23 Nov 00:00"]


def test_the_same_time_twice_counts_once() -> None:
    event = "DTSTART:20261122T020000Z|DURATION:PT1H|SUMMARY:"
    assert named(calendar(f"{event}first", f"{event}second")) == ["22 Nov 02:00 – 22 Nov 03:00 first"]


@pytest.mark.parametrize(
    "bad",
    [
        "SUMMARY:Bad",
        "SUMMARY:Bad|DTSTART:nonsense|DURATION:PT1H",
        "SUMMARY:Bad|DTSTART:20261123T020000Z|DTEND:99991231T235959Z",
        "SUMMARY:Bad|DTSTART:20261123T020000Z|DURATION:PT1H|EXDATE:nonsense",
        "SUMMARY:Bad|DTSTART:20261123T020000Z|DURATION:PT1H|RRULE:FREQ=SOMETIMES",
    ],
)
def test_an_event_that_cannot_be_read_is_left_out_and_named(bad: str) -> None:
    good = "DTSTART:20261122T020000Z|DURATION:PT1H"
    found = calendars.read(calendar(bad, good), START, END, "UTC")
    assert len(found.spans) == 1
    assert found.note == "One event can’t be read and is left out: “Bad”."
    both = calendars.read(calendar(bad, good, bad), START, END, "UTC")
    assert both.note == "2 events can’t be read and are left out, the first “Bad”."


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "is none"),
        (b"<html>Sign in to see this calendar</html>", "is none"),
        (b"BEGIN:VCALENDAR\r\nnonsense", "can’t be read"),
        (b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\nEND:VEVENT\r\n" * 20_001, "more than 20,000 events"),
    ],
)
def test_what_is_no_calendar_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(NoCalendar, match=why):
        calendars.read(text, START, END, "UTC")


def test_more_events_than_are_good_for_anybody_are_cut() -> None:
    found = calendars.read(
        calendar("DTSTART:20261101T000000Z|DURATION:PT5M|RRULE:FREQ=MINUTELY;INTERVAL=10"), START, END, "UTC"
    )
    assert len(found.spans) == 2_000
    assert found.note == "Only the first 2,000 events to come are used, up to 4 December 2026."


@pytest.mark.parametrize(
    ("written", "fetched"),
    [
        ("https://example.com/a.ics", "https://example.com/a.ics"),
        (" webcal://example.com/a.ics?key=1 ", "https://example.com/a.ics?key=1"),
        ("WEBCALS://example.com/a.ics", "https://example.com/a.ics"),
    ],
)
def test_addresses_as_calendars_give_them(written: str, fetched: str) -> None:
    assert calendars.address(written) == fetched


@pytest.mark.parametrize("written", ["", None, "webcal://", "file:///etc/passwd", "ftp://example.com/a.ics", "a.ics"])
def test_other_addresses_are_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"web address|missing"):
        calendars.address(written)
