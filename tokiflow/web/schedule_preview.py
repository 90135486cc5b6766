"""What a schedule will do, told while it is being typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tokiflow import errors
from tokiflow.core import durations, schedule
from tokiflow.core.schedule import Every, PlannedRun, zones
from tokiflow.web import filters, happenings
from tokiflow.web.forms.base import Reading


@dataclass(frozen=True)
class Line:
    """One run to come: its day and time in the schedule's zone, for the viewer if that differs, and what is odd."""

    at: datetime
    day: str
    time: str
    mine: str
    note: str


@dataclass(frozen=True)
class Preview:
    """The schedule in words with its next runs, or what is wrong with it."""

    words: str
    city: str
    my_zone: str
    lines: Sequence[Line]
    warnings: Sequence[str]
    silence: str
    mistakes: Sequence[str]


def of(reading: Reading, now: datetime) -> Preview:
    """The preview of what was read from a form."""
    mistakes = [why for name, reasons in reading.mistakes.items() for why in _about(name, reasons)]
    try:
        planned = _schedule(reading.values.get("schedule"))
    except errors.Invalid as refused:
        return _nothing([*mistakes, *(why for reasons in refused.fields.values() for why in reasons)])
    if planned is None:
        return _nothing(mistakes)
    found = schedule.preview(planned, now)
    zone = "" if isinstance(planned, Every) else planned.timezone
    lines = [_line(run, zone) for run in found.runs]
    return Preview(
        words=found.words[:1].upper() + found.words[1:],
        city=zones.city(zone) if zone else "",
        my_zone=zones.city(filters.zone_key()) if any(line.mine for line in lines) else "",
        lines=lines,
        warnings=found.warnings,
        silence=_silence(found.runs[0].at, reading.values.get("grace_seconds")) if zone else "",
        mistakes=mistakes,
    )


def length(seconds: int) -> str:
    """`5 minutes`, or `none` for nothing."""
    return durations.long(seconds) if seconds else "none"


def _schedule(said: dict[str, Any] | None) -> schedule.Schedule | None:
    if said is None:
        return None
    if said["kind"] != "every" and not said["expression"].strip():
        return None
    return schedule.parse(
        said["kind"],
        seconds=said.get("seconds"),
        expression=said.get("expression"),
        timezone=said.get("timezone"),
    )


def _about(name: str, reasons: Sequence[str]) -> list[str]:
    """The reasons with the field they are about; those of the schedule stand below it anyway."""
    if name.startswith("schedule"):
        return list(reasons)
    word = happenings.words_of(name)
    return [f"{word[:1].upper()}{word[1:]}: {why}" for why in reasons]


def _nothing(mistakes: Sequence[str]) -> Preview:
    return Preview("", "", "", (), (), "", mistakes)


def _line(run: PlannedRun, zone: str) -> Line:
    mine = run.at.astimezone(filters.viewer().zone)
    there = run.local if zone else mine
    same = there.utcoffset() == mine.utcoffset()
    day = "" if there.date() == mine.date() else f"{mine:%a} "
    return Line(
        at=run.at,
        day=f"{there:%a} {there.day} {there:%b %Y}",
        # An interval begins at any second, and which one does not matter.
        time=f"{there:%H:%M:%S}" if there.second and zone else f"{there:%H:%M}",
        mine="" if same else f"{day}{mine:%H:%M}",
        note=run.note,
    )


def _silence(first: datetime, grace: int | None) -> str:
    """What happens if nobody pings."""
    if grace is None:
        return ""
    down = filters.clock(first + timedelta(seconds=min(grace, 400 * 86_400)))
    return f"Without a ping it is late from {filters.clock(first)}, and down from {down}."
