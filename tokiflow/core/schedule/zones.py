"""Time zones: which exist, and where their clocks change.

A zone's history is cut into stretches, in each of which the offset from UTC stays the same. Inside a stretch, wall
time is UTC plus a constant, so everything difficult about daylight saving happens only where two stretches meet.
Moments in this room are naive datetimes in UTC; wall times are naive datetimes of the zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
# Python's calendar ends with the year 9999, and local time needs a day of room on both sides.
FIRST_YEAR, LAST_YEAR = 2, 9990
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Stretch:
    """The moments from `start` up to, not including, `end`, at `offset`; `before` was the offset until `start`.

    Stretches also end with each year, for the sake of a small cache; there `before` equals `offset`.
    """

    zone: str
    start: datetime
    end: datetime
    offset: timedelta
    before: timedelta

    @property
    def skips(self) -> bool:
        """Clocks went forward at `start`: wall times from start + before up to start + offset never happen."""
        return self.offset > self.before

    @property
    def repeats(self) -> bool:
        """Clocks went back at `start`: wall times from start + offset up to start + before happen again."""
        return self.offset < self.before


@cache
def names() -> frozenset[str]:
    """Every IANA zone name. Taken from the tzdata package: a machine's own folder also holds other files."""
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(listed) - {"Factory", "localtime"}


def exists(name: str) -> bool:
    return name in names()


def closest(name: str) -> str | None:
    """The zone somebody may have meant by `name`, or None: another case, a missing continent, a slip of the hand."""
    if len(name) > LONGEST_NAME:
        return None
    typed = name.strip().lower().replace(" ", "_")
    by_lower = {known.lower(): known for known in names()}
    if typed in by_lower:
        return by_lower[typed]
    by_city = {lower.rsplit("/", 1)[-1]: known for lower, known in sorted(by_lower.items())}
    if typed in by_city:
        return by_city[typed]
    near = get_close_matches(typed, by_lower | by_city, n=1, cutoff=0.8)
    return (by_lower | by_city)[near[0]] if near else None


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone itself. Raises ValueError if there is none of that name."""
    if not exists(name):
        raise ValueError(f"there is no time zone {name!r}")
    return ZoneInfo(name)


def city(name: str) -> str:
    """`Berlin` for `Europe/Berlin`, `Buenos Aires` for `America/Argentina/Buenos_Aires`, `UTC` for itself."""
    return name.rsplit("/", 1)[-1].replace("_", " ")


def stretches_from(name: str, moment: datetime) -> Iterator[Stretch]:
    """The stretch that holds `moment` and those after it, in order, to the end of the years we plan for."""
    for year in range(moment.year, LAST_YEAR + 1):
        for stretch in _year(name, year):
            if stretch.end > moment:
                yield stretch


def stretches_back(name: str, moment: datetime) -> Iterator[Stretch]:
    """The stretch that holds `moment` and those before it, newest first."""
    for year in range(moment.year, FIRST_YEAR - 1, -1):
        for stretch in reversed(_year(name, year)):
            if stretch.start <= moment:
                yield stretch


@lru_cache(maxsize=4096)
def _year(name: str, year: int) -> tuple[Stretch, ...]:
    """The stretches of one UTC year. Measured, because zoneinfo does not tell its transitions (about 0.2 ms)."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"the year {year} is outside the years that can be planned for")
    here = zone(name)
    start, end = _new_year(year), _new_year(year + 1)
    before = offset = _offset(here, start - SECOND)
    edges = [(start, offset)] if _offset(here, start) == offset else []
    for seen, until in _days(start - SECOND, end - SECOND):
        offset = _offset(here, until)
        if offset != (edges[-1][1] if edges else before):
            edges.append((_change(here, seen, until), offset))
    ends = [moment for moment, _ in edges[1:]] + [end]
    befores = [before] + [offset for _, offset in edges]
    return tuple(
        Stretch(name, moment, end, offset, before)
        for (moment, offset), end, before in zip(edges, ends, befores, strict=False)
    )


def _new_year(year: int) -> datetime:
    return datetime.combine(date(year, 1, 1), time())


def _days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Steps of a day from `start` to `end`. No zone has changed its clocks there and back within one."""
    while start < end:
        until = min(start + DAY, end)
        yield start, until
        start = until


def _change(here: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first moment in (low, high] with the offset of `high`, to the second."""
    target = _offset(here, high)
    while high - low > SECOND:
        middle = low + timedelta(seconds=(high - low) // SECOND // 2)
        if _offset(here, middle) == target:
            high = middle
        else:
            low = middle
    return high


def _offset(here: ZoneInfo, moment: datetime) -> timedelta:
    offset = moment.replace(tzinfo=UTC).astimezone(here).utcoffset()
    assert offset is not None, "a ZoneInfo always knows its offset"
    return offset
