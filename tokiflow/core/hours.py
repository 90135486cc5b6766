"""Hours of the week in a time zone: nights, weekends, office hours.

They are judged on the clock on the wall. So a night is an hour shorter or longer when clocks change, and an hour that
happens twice counts twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tokiflow.core.schedule import zones

DAY = timedelta(days=1)
EVERY_DAY = frozenset(range(7))
WORKDAYS = frozenset(range(5))
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Hours:
    """From `start` up to, not including, `end` on `days` (0 is Monday; none is every day), by the clocks of `timezone`.

    Where `end` is not after `start` they go on into the next day, and belong to the day on which they began. Without
    `start` and `end` they are whole days.
    """

    days: frozenset[int] = frozenset()
    start: time | None = None
    end: time | None = None
    timezone: str = "UTC"

    @property
    def always(self) -> bool:
        """Whether they leave nothing out."""
        return self.start is None and self.days in (frozenset(), EVERY_DAY)

    def contain(self, at: datetime) -> bool:
        """Whether `at` is among them."""
        wall = at.astimezone(zones.zone(self.timezone))
        if self.start is None or self.end is None:
            return self._on(wall.date())
        if self.start < self.end:
            return self._on(wall.date()) and self.start <= wall.time() < self.end
        began_today = wall.time() >= self.start and self._on(wall.date())
        return began_today or (wall.time() < self.end and self._on(wall.date() - DAY))

    def until(self, at: datetime) -> datetime | None:
        """The first moment after `at`, which is among them, that is not; None if there is none."""
        return next((moment for moment in self._turns(at) if not self.contain(moment)), None)

    def _on(self, day: date) -> bool:
        return not self.days or day.weekday() in self.days

    def _turns(self, at: datetime) -> Iterator[datetime]:
        """When it may turn within a week and a day after `at`, in order: whole days, `end`, and changed clocks."""
        here = zones.zone(self.timezone)
        first, last = at.astimezone(here).date(), at + 8 * DAY
        walls = (datetime.combine(first + n * DAY, edge) for n in range(9) for edge in (time(), self.end or time()))
        moments = {moment for wall in walls for moment in _moments(wall, here)}
        for stretch in zones.stretches_from(self.timezone, at.astimezone(UTC).replace(tzinfo=None)):
            start = stretch.start.replace(tzinfo=UTC)
            if start > last:
                break
            moments.add(start)
        yield from sorted(moment for moment in moments if moment > at)


def _moments(wall: datetime, here: ZoneInfo) -> Iterator[datetime]:
    """When the clocks `here` may show `wall`: twice where they go back."""
    for fold in (0, 1):
        yield wall.replace(tzinfo=here, fold=fold).astimezone(UTC)


def words(hours: Hours) -> str:
    """`22:00–07:00 on weekdays in Berlin`, `on Saturday and Sunday in Berlin`, `at any time`."""
    if hours.always:
        return "at any time"
    parts = []
    if hours.start is not None and hours.end is not None:
        parts.append(f"{hours.start:%H:%M}–{hours.end:%H:%M}")
    if hours.days not in (frozenset(), EVERY_DAY):
        parts.append(f"on {days_words(hours.days)}")
    return f"{' '.join(parts)} in {zones.city(hours.timezone)}"


def days_words(days: Iterable[int]) -> str:
    """`weekdays`, `weekends`, `Monday, Tuesday and Friday`."""
    chosen = sorted(days)
    if chosen == [0, 1, 2, 3, 4]:
        return "weekdays"
    if chosen == [5, 6]:
        return "weekends"
    names = [DAYS[day] for day in chosen]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def read(values: Mapping[str, Any]) -> tuple[Hours, dict[str, list[str]]]:
    """The hours that `values` (`days`, `from`, `to`, `timezone`) mean, and by name what is wrong with them."""
    mistakes: dict[str, list[str]] = {}

    def take(name: str, reader: Any, otherwise: Any) -> Any:
        try:
            return reader(values.get(name))
        except ValueError as error:
            mistakes[name] = [str(error)]
            return otherwise

    days = take("days", _days, frozenset())
    start, end = take("from", _time, None), take("to", _time, None)
    timezone = take("timezone", _timezone, "UTC")
    if not mistakes and (start is None) is not (end is None):
        mistakes["from" if start is None else "to"] = ["is missing; write both, or neither for the whole day"]
    elif start is not None and start == end:
        mistakes["to"] = ["is the same as the beginning; leave both empty for the whole day"]
    return Hours(days, start, end, timezone), mistakes


def to_json(hours: Hours) -> dict[str, Any]:
    """What is kept of them. `from_json` reads it again."""
    if hours.always:
        return {}
    kept: dict[str, Any] = {"timezone": hours.timezone}
    if hours.days:
        kept["days"] = sorted(hours.days)
    if hours.start is not None and hours.end is not None:
        kept |= {"from": f"{hours.start:%H:%M}", "to": f"{hours.end:%H:%M}"}
    return kept


def from_json(kept: Mapping[str, Any]) -> Hours:
    """The hours that `to_json` made `kept` of. A zone that is gone since is read as UTC: it must not cost an alert."""
    hours, mistakes = read(kept)
    return hours if not mistakes else read({**kept, "timezone": "UTC"})[0]


def _days(value: Any) -> frozenset[int]:
    if value is None:
        return frozenset()
    known = isinstance(value, list | tuple) and all(type(day) is int and 0 <= day <= 6 for day in value)
    if not known:
        raise ValueError("are not days; write a list of numbers from 0 (Monday) to 6 (Sunday)")
    return frozenset(value)


def _time(value: Any) -> time | None:
    if value is None or value == "":
        return None
    try:
        return datetime.strptime(value, "%H:%M").time()  # noqa: DTZ007 - a time on a wall
    except (TypeError, ValueError):
        raise ValueError("is no time of the day; write it like 22:00") from None


def _timezone(value: Any) -> str:
    if value is None or value == "":
        return "UTC"
    if not isinstance(value, str) or not zones.exists(value):
        near = zones.closest(value) if isinstance(value, str) else None
        raise ValueError(f"is no time zone; write one like {near or 'Europe/Berlin'}")
    return value
