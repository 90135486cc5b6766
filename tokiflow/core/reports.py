"""What a report of service levels says: of which days, about which monitors, in numbers and in sentences.

A page, a mail, a PDF and a CSV are dresses of the same `Report`, and none of them reckons anything itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tokiflow import errors
from tokiflow.core import durations, health, shares
from tokiflow.core.health import Uptime
from tokiflow.core.schedule import zones

LONGEST = 366
"""Days."""
GOOD = 0.99
"""Up time and success rate are well from here on."""
LAST_DAYS = 30
SENT_AT = time(7)
"""On the first of the month, where the reader is."""
OLDEST, FARTHEST = date(2000, 1, 1), 2999


# --- of when ----------------------------------------------------------------------------------------------------


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


# --- about what -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One monitor. `days` are its up time day by day, `incidents` those that began; seconds, and shares of 0–1."""

    monitor_id: UUID
    name: str
    slug: str
    tags: Sequence[str]
    uptime: Uptime
    expected: int
    succeeded: int
    failed: int
    overran: int
    missed: int
    incidents: int
    p95: float | None
    score: int | None
    days: Sequence[Uptime]

    @property
    def success_rate(self) -> float | None:
        return health.success_rate(self.succeeded, self.failed, self.overran, self.missed)

    @property
    def known(self) -> bool:
        """Whether anything was expected of it, or came."""
        return self.uptime.watched > 0 or self.expected > 0

    @property
    def often_down(self) -> bool:
        """Whether its up time deserves colour, which is spent on trouble only."""
        return self.uptime.share is not None and self.uptime.share < GOOD

    @property
    def often_bad(self) -> bool:
        """Whether its success rate does."""
        return self.success_rate is not None and self.success_rate < GOOD


@dataclass(frozen=True, slots=True)
class Day:
    """A day on which some were down: how many monitors, and for how many seconds together."""

    day: date
    monitors: int
    down: float


@dataclass(frozen=True)
class Report:
    """All of it. `tag` is empty where it is about all monitors."""

    organization: str
    tag: str
    stretch: Stretch
    made_at: datetime
    lines: Sequence[Line]

    @property
    def about(self) -> str:
        """`all monitors`, or `monitors tagged db`."""
        return f"monitors tagged {self.tag}" if self.tag else "all monitors"

    @property
    def title(self) -> str:
        """`Report for October 2026`."""
        return f"Report for {self.stretch.words}"

    @cached_property
    def total(self) -> Line:
        """All monitors together, as if they were one. Its days are theirs, too."""
        lines = self.lines
        return Line(
            monitor_id=UUID(int=0), name="All together", slug="", tags=(),
            uptime=_added([one.uptime for one in lines]),
            expected=sum(one.expected for one in lines),
            succeeded=sum(one.succeeded for one in lines),
            failed=sum(one.failed for one in lines),
            overran=sum(one.overran for one in lines),
            missed=sum(one.missed for one in lines),
            incidents=sum(one.incidents for one in lines),
            p95=None,
            score=_mean([one.score for one in lines if one.score is not None]),
            days=[_added(list(day)) for day in zip(*(one.days for one in lines), strict=True)],
        )  # fmt: skip

    @cached_property
    def worst_days(self) -> Sequence[Day]:
        """Up to five days on which monitors were down, the worst first."""
        found = [
            Day(day, sum(one.days[n].down > 0 for one in self.lines), self.total.days[n].down)
            for n, day in enumerate(self.stretch.days if self.lines else ())
            if self.total.days[n].down > 0
        ]
        return sorted(found, key=lambda one: (-one.down, one.day))[:5]

    @property
    def sentences(self) -> list[str]:
        """What matters, in three sentences; one where nothing was watched."""
        known = [one for one in self.lines if one.known]
        if not known:
            return [self._nothing()]
        return [self._up(known), self._ran(), self._stood_out()]

    def _nothing(self) -> str:
        if not self.lines:
            return f"No monitor is tagged {self.tag}." if self.tag else "There are no monitors yet."
        return "Nothing was expected of these monitors then: they are newer, were paused, or have never been heard of."

    def _up(self, known: Sequence[Line]) -> str:
        down = [one for one in known if one.uptime.down > 0]
        of = _counted(len(known), "monitor")
        if not down:
            was = "was" if len(known) == 1 else "were"
            return f"{'The one monitor' if len(known) == 1 else f'All {of}'} {was} up all the time."
        total = self.total.uptime
        outages, lasted = _counted(total.outages, "outage"), durations.words(total.down)
        return f"{of} {_was(known)} up {shares.percent(total.share)} of the time: {outages} took {lasted} in all."

    def _ran(self) -> str:
        total = self.total
        if not total.expected:
            return "No run was expected."
        wrong = {"failed": total.failed, "overran": total.overran, "were missed": total.missed}
        told = [
            f"{number:,} {word if number > 1 else word.replace('were', 'was')}"
            for word, number in wrong.items()
            if number
        ]
        runs = _counted(total.expected, "run")
        if not told:
            return f"{'The one run' if total.expected == 1 else f'All {runs}'} succeeded."
        return f"Of {runs}, {shares.percent(total.success_rate)} succeeded: {_listed(told)}."

    def _stood_out(self) -> str:
        worst = max(self.lines, key=lambda one: one.uptime.down)
        if not worst.uptime.down:
            slow = [one for one in self.lines if one.success_rate is not None and one.success_rate < 1]
            if not slow:
                return "Nothing stands out."
            least = min(slow, key=lambda one: one.success_rate or 0)
            return f"{least.name} did worst: {shares.percent(least.success_rate)} of its runs succeeded."
        of, outages = durations.words(worst.uptime.down), _counted(worst.uptime.outages, "outage")
        said = f"{worst.name} was down longest, {of} in {outages}"
        day = self.worst_days[0] if self.worst_days else None
        if day is None or len(self.stretch.days) < 2:
            return f"{said}."
        return f"{said}; the worst day was {day.day:%A}, {day.day.day} {day.day:%B}."


def worst_first(lines: Sequence[Line]) -> list[Line]:
    """Those that were down longest, then those whose runs failed most; last those of whom nothing is known."""
    return sorted(lines, key=lambda one: (not one.known, -one.uptime.down, _success(one), one.name.casefold()))


def _success(one: Line) -> float:
    """Where none were due there is nothing bad either: after all that succeeded."""
    return 2.0 if one.success_rate is None else one.success_rate


def weeks(days: Sequence[Uptime], at_a_time: int) -> Iterator[Uptime]:
    """The same with so many days in one: a bar for each of a year's days would be too thin to see."""
    for start in range(0, len(days), at_a_time):
        yield _added(days[start : start + at_a_time])


def _added(several: Sequence[Uptime]) -> Uptime:
    return Uptime(
        sum(one.watched for one in several), sum(one.down for one in several), sum(one.outages for one in several)
    )


def _mean(scores: Sequence[int]) -> int | None:
    return int(sum(scores) / len(scores) + 0.5) if scores else None


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one if number == 1 else one + 's'}"


def _was(several: Sequence[object]) -> str:
    return "was" if len(several) == 1 else "were"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
