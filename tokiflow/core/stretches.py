"""Which days a report is about, and when the report of a month is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tokiflow import errors
from tokiflow.core.schedule import zones

LONGEST = 366
"""Days."""
LAST_DAYS = 30
SENT_AT = time(7)
"""On the first of the month, where the reader is."""
OLDEST, FARTHEST = date(2000, 1, 1), 2999


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `since` up to `until`, whose days are those of `zone`. `words`: what people call it."""

    since: datetime
    until: datetime
    zone: str
    words: str

    @property
    def edges(self) -> list[datetime]:
        """`since`, every midnight in between, `until`: a day lies between each and the next."""
        zone = zones.zone(self.zone)
        first = self.since.astimezone(zone).date()
        found, day = [self.since], first + timedelta(days=1)
        while (at := _midnight(day, zone)) < self.until:
            # A zone that crosses the date line has days without a midnight of their own.
            found += [at] if at > found[-1] else []
            day += timedelta(days=1)
        return [*found, self.until]

    @property
    def days(self) -> list[date]:
        """The day that begins at each of `edges` but the last."""
        zone = zones.zone(self.zone)
        return [at.astimezone(zone).date() for at in self.edges[:-1]]

    def to_json(self) -> dict[str, str]:
        return {
            "since": self.since.isoformat(), "until": self.until.isoformat(), "zone": self.zone, "words": self.words,
        }  # fmt: skip

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Stretch:
        since, until = (datetime.fromisoformat(kept[name]) for name in ("since", "until"))
        return cls(since, until, kept["zone"], kept["words"])


def month(first: date, zone: str, now: datetime) -> Stretch:
    """The month of `first`, up to `now` if it is not over. Raises Invalid for one to come."""
    begins = first.replace(day=1)
    ends = _next_month(begins)
    return _stretch(begins, ends, zone, now, f"{begins:%B %Y}", "period")


def last_days(now: datetime, zone: str, days: int = LAST_DAYS) -> Stretch:
    """So many times 24 hours up to now, as a monitor's page and the API have it."""
    return Stretch(now - timedelta(days=days), now, zone, f"the last {days} days")


def between(first: date, last: date, zone: str, now: datetime) -> Stretch:
    """All days from `first` to `last`, that one too. Raises Invalid where they make no stretch."""
    if last < first:
        raise errors.Invalid({"until": ["is before the first day; choose a later one"]})
    if first < OLDEST:
        raise errors.Invalid({"from": [f"is too long ago; choose a day after {OLDEST.year}"]})
    if (last - first).days >= LONGEST:
        raise errors.Invalid({"until": [f"is more than {LONGEST} days after the first; choose an earlier one"]})
    return _stretch(first, last + timedelta(days=1), zone, now, _days_in_words(first, last), "from")


def read(asked: Mapping[str, str], zone: str, now: datetime) -> Stretch:
    """What an address asks for: `period` is `2026-10`, `30d` or `dates` (then with `from` and `until`), else it is the
    month before this one. Raises Invalid."""
    period = asked.get("period", "").strip()
    if period == f"{LAST_DAYS}d":
        return last_days(now, zone)
    if period == "dates":
        return between(_date(asked, "from"), _date(asked, "until"), zone, now)
    return month(_month(period) if period else month_before(now, zone), zone, now)


def month_before(at: datetime, zone: str) -> date:
    """The first day of the month before that of `at` in `zone`."""
    first = at.astimezone(zones.zone(zone)).date().replace(day=1)
    return (first - timedelta(days=1)).replace(day=1)


def next_sending(after: datetime, zone: str) -> datetime:
    """The next first of a month at SENT_AT in `zone`, later than `after`."""
    first = after.astimezone(zones.zone(zone)).date().replace(day=1)
    at = _sending(first, zone)
    return at if at > after else _sending(_next_month(first), zone)


def moved(planned: datetime, before: str, zone: str) -> datetime:
    """The same first of a month in another zone: nobody gets a month twice, or misses one, because they moved."""
    return _sending(planned.astimezone(zones.zone(before)).date().replace(day=1), zone)


def _stretch(first: date, end: date, zone: str, now: datetime, words: str, field: str) -> Stretch:
    place = zones.zone(zone)
    since, until = _midnight(first, place), _midnight(end, place)
    if since >= now:
        raise errors.Invalid({field: ["is still to come; choose an earlier one"]})
    return Stretch(since, min(until, now), zone, words if until <= now else f"{words}, so far")


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When `day` begins. Where the clock skips midnight, that is when it jumps; where midnight is twice, the first."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _sending(first: date, zone: str) -> datetime:
    return datetime.combine(first, SENT_AT, zones.zone(zone)).astimezone(UTC)


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _month(text: str) -> date:
    try:
        found = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise errors.Invalid({"period": ["is no month; write it like 2026-10"]}) from None
    if found.year > FARTHEST:
        raise errors.Invalid({"period": ["is still to come; choose an earlier one"]})
    if found < OLDEST:
        raise errors.Invalid({"period": [f"is too long ago; choose one after {OLDEST.year}"]})
    return found


def _date(asked: Mapping[str, str], name: str) -> date:
    given = asked.get(name, "").strip()
    try:
        found = date.fromisoformat(given)
    except ValueError:
        said = "is no day; write it like 2026-10-31" if given else "is missing; choose a day"
        raise errors.Invalid({name: [said]}) from None
    if found.year > FARTHEST:
        raise errors.Invalid({name: ["is too far away; choose an earlier day"]})
    return found


def _days_in_words(first: date, last: date) -> str:
    if first == last:
        return f"{first.day} {first:%B %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{last.day} {last:%B %Y}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {first:%B}{year} – {last.day} {last:%B %Y}"
