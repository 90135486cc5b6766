"""What a schedule will do: its next runs, and every place where daylight saving gets in the way.

A warning is only given where somebody would notice: a job every 15 minutes runs on evenly through a change of the
clocks although four of its wall times are skipped, while a nightly job at 02:30 is moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tokiflow.core.schedule import runs, zones
from tokiflow.core.schedule.kinds import Every, Schedule
from tokiflow.core.schedule.runs import Plan
from tokiflow.core.schedule.words import describe, listed
from tokiflow.core.schedule.zones import SECOND, Stretch

DAYS_AHEAD = timedelta(days=366)
_MOST_TIMES_NAMED = 4


@dataclass(frozen=True)
class PlannedRun:
    """One run to come: `at` in UTC, `local` in the schedule's zone, and a `note` if the clocks change around it."""

    at: datetime
    local: datetime
    note: str = ""


@dataclass(frozen=True)
class Preview:
    """The schedule in `words`, its next `runs`, and `warnings` about changes of the clock within 366 days."""

    words: str
    runs: tuple[PlannedRun, ...]
    warnings: tuple[str, ...]


def preview(schedule: Schedule, now: datetime, count: int = 10) -> Preview:
    """The next `count` runs after `now` and what daylight saving does within 366 days.

    Raises ValueError as `next_after` does.
    """
    moments: list[datetime] = []
    for _ in range(count):
        moments.append(runs.next_after(schedule, moments[-1] if moments else now))
    return Preview(
        words=describe(schedule),
        runs=tuple(_planned(schedule, moment) for moment in moments),
        warnings=_warnings(schedule, now),
    )


def _planned(schedule: Schedule, moment: datetime) -> PlannedRun:
    if isinstance(schedule, Every):
        return PlannedRun(moment, moment)
    at = moment.replace(tzinfo=None)
    notes = [note for plan in runs.plans(schedule) if plan.first(at) == at and (note := _note(plan, at))]
    return PlannedRun(moment, moment.astimezone(zones.zone(schedule.timezone)), " ".join(notes[:1]))


def _note(plan: Plan, at: datetime) -> str:
    """What is odd about the wall time of a run, or an empty text."""
    here = next(zones.stretches_from(plan.timezone, at))
    wall = at + here.offset
    if here.skips and at == here.start and plan.catches_up and (missed := plan.skipped(here)):
        verb = "does" if len(missed) == 1 else "do"
        return f"clocks go forward: {_times(missed)} {verb} not exist; runs at {wall:%H:%M} instead"
    if here.repeats and wall < here.start + here.before:
        return f"clocks go back: {wall:%H:%M} happens twice; this is the second"
    after = _next_change(plan.timezone, here)
    if after is not None and after.repeats and wall >= after.start + after.offset:
        rest = "runs once" if plan.once else "this is the first"
        return f"clocks go back: {wall:%H:%M} happens twice; {rest}"
    return ""


def _next_change(timezone: str, here: Stretch) -> Stretch | None:
    """The stretch that follows `here`, even over the end of a year; None at the end of the calendar."""
    for stretch in zones.stretches_from(timezone, here.end):
        return stretch
    return None


def _warnings(schedule: Schedule, now: datetime) -> tuple[str, ...]:
    if isinstance(schedule, Every):
        return ()
    start = now.astimezone(UTC).replace(tzinfo=None)
    found = [
        (change.start, sentence)
        for plan in runs.plans(schedule)
        for change in _changes(plan.timezone, start)
        if (sentence := _warning(plan, change))
    ]
    return tuple(dict.fromkeys(sentence for _, sentence in sorted(found)))


def _changes(timezone: str, start: datetime) -> Iterator[Stretch]:
    """The stretches that begin, with another offset than before, within 366 days after `start`."""
    for stretch in zones.stretches_from(timezone, start):
        if stretch.start > start + DAYS_AHEAD:
            return
        if stretch.start > start and stretch.offset != stretch.before:
            yield stretch


def _warning(plan: Plan, change: Stretch) -> str:
    """What the change does to this plan, in a sentence, or an empty text if nobody would notice."""
    walls = plan.skipped(change) if change.skips else plan.repeated(change)
    if not walls:
        return ""
    gap, usual = _gaps_across(plan, change)
    frequent = usual <= abs(change.offset - change.before)
    if change.repeats and plan.once:
        return f"{_happening(change)} {_planned_once(change)}" if frequent else ""
    if frequent and gap == usual:
        return ""
    return f"{_happening(change)} {_skip(plan, change, walls) if change.skips else _twice(walls)}"


def _gaps_across(plan: Plan, change: Stretch) -> tuple[timedelta, timedelta]:
    """The real time between the last run before the change and the first after it, and what it would usually be."""
    last, first = plan.last(change.start - SECOND), plan.first(change.start)
    if last is None or first is None:
        return timedelta.max, timedelta.max
    wall = last + change.before
    following = plan.pattern.first(wall + SECOND)
    return first - last, following - wall if following else timedelta.max


def _happening(change: Stretch) -> str:
    """`On 28 March 2027 clocks in Europe/Berlin go forward from 02:00 to 03:00.`"""
    old, new = change.start + change.before, change.start + change.offset
    which = "forward" if change.skips else "back"
    until = f"{new:%H:%M}" if old.date() == new.date() else f"{new:%H:%M} on {_date(new)}"
    return f"On {_date(old)} clocks in {change.zone} go {which} from {old:%H:%M} to {until}."


def _skip(plan: Plan, change: Stretch, walls: list[datetime]) -> str:
    absent = f"{_times(walls)} {'does' if len(walls) == 1 else 'do'} not exist that day"
    if plan.catches_up:
        once = "" if len(walls) == 1 else "once, "
        made_up = change.start + change.offset
        day = "" if made_up.date() == walls[0].date() else f" on {_date(made_up)}"
        return f"{absent}: this job runs {once}at {made_up:%H:%M}{day} instead."
    return f"{absent}: this job skips {'that run' if len(walls) == 1 else 'those runs'}."


def _twice(walls: list[datetime]) -> str:
    return f"{_times(walls)} {'happens' if len(walls) == 1 else 'happen'} twice: this job runs both times."


def _planned_once(change: Stretch) -> str:
    start, end = change.start + change.offset, change.start + change.before
    return (
        f"The time from {start:%H:%M} to {end:%H:%M} comes twice: this job is planned only the first time, "
        "and nothing is expected while it repeats."
    )


def _times(walls: list[datetime]) -> str:
    named = [f"{wall:%H:%M}" for wall in walls[:_MOST_TIMES_NAMED]]
    more = len(walls) - len(named)
    return listed([*named, f"{more} more"] if more else named)


def _date(day: datetime) -> str:
    return f"{day.day} {day:%B %Y}"
