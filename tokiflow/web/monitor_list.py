"""The list of monitors as templates get it: rows with their strips, and the filters that live in the URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from flask import url_for
from werkzeug.datastructures import MultiDict

from tokiflow.core import durations, ids, schedule
from tokiflow.core.status import Status
from tokiflow.models import Incident, Monitor
from tokiflow.queries import incidents, monitors
from tokiflow.web import address, charts, filters, quiet

PAGE = 50
MOST_TAGS_SHOWN = 12
STRIP = 36
LAST_PAGE = 1_000_000


@dataclass(frozen=True)
class Row:
    """A monitor in a list. `note` says what comes next or what is wrong; `note_at` is a moment that ticks behind it.
    `quiet` says why nobody is told of it now, if that is so.
    """

    id: str
    name: str
    url: str
    status: str
    running: bool
    schedule: str
    tags: Sequence[str]
    strip: charts.Strip
    last_ping_at: datetime | None
    note: str
    note_at: datetime | None = None
    quiet: str = ""


def rows(found: Sequence[Monitor], now: datetime) -> list[Row]:
    """The monitors as rows. A handful of statements, whatever their number."""
    keys = [monitor.id for monitor in found]
    ticks = monitors.strips(keys, STRIP)
    troubles = incidents.unresolved_of(keys)
    reasons = quiet.words(found, now)
    return [
        _row(monitor, ticks[monitor.id], troubles.get(monitor.id), reasons.get(monitor.id, ""), now)
        for monitor in found
    ]


def _row(monitor: Monitor, ticks: Sequence[monitors.Tick], trouble: Incident | None, reason: str, now: datetime) -> Row:
    status = monitors.shown_status(monitor, now)
    public_id = ids.public("mon", monitor.id)
    note, note_at = _note(monitor, status, trouble, now)
    return Row(
        id=public_id,
        name=monitor.name,
        url=url_for("monitors.show", monitor_id=public_id),
        status=status.value,
        running=monitor.running > 0,
        schedule=schedule_words(monitor),
        tags=monitor.tags,
        strip=strip(ticks),
        last_ping_at=monitor.last_ping_at,
        note=note,
        note_at=note_at,
        quiet=reason,
    )


def schedule_words(monitor: Monitor) -> str:
    """`Every day at 02:00, Berlin`."""
    words = schedule.describe(schedule_of(monitor))
    return words[:1].upper() + words[1:]


def schedule_of(monitor: Monitor) -> schedule.Schedule:
    """When the monitor's job runs."""
    return schedule.from_columns(
        monitor.schedule_kind, monitor.schedule_seconds, monitor.schedule_expression, monitor.schedule_timezone
    )


def strip(ticks: Sequence[monitors.Tick]) -> charts.Strip:
    """The run strip of a monitor."""
    return charts.run_strip([charts.Tick(_form(tick), _seconds(tick)) for tick in ticks], STRIP)


def _form(tick: monitors.Tick) -> charts.Outcome:
    """How it ended; a good one that was unlike the usual has a form of its own."""
    return "unusual" if tick.unusual and tick.outcome == "success" else cast(charts.Outcome, tick.outcome)


def _seconds(tick: monitors.Tick) -> float | None:
    return None if tick.duration_ms is None else tick.duration_ms / 1000


def _note(monitor: Monitor, status: Status, trouble: Incident | None, now: datetime) -> tuple[str, datetime | None]:
    if status is Status.PAUSED:
        return _paused(monitor), None
    if status is Status.NEW:
        return "waiting for its first ping", None
    if status is Status.DOWN and trouble:
        return _TROUBLES.get(trouble.kind, "in trouble since {at}").format(at=filters.clock(trouble.opened_at)), None
    if monitor.running:
        return "running now", None
    if status is Status.LATE:
        return _late(monitor, now), None
    return ("next", monitor.due_at) if monitor.due_at else ("", None)


_TROUBLES = {
    "missed": "missed at {at}",
    "failed": "failing since {at}",
    "overrun": "too long since {at}",
}


def _paused(monitor: Monitor) -> str:
    by = f"paused by {monitor.paused_by}" if monitor.paused_by else "paused"
    return f"{by} until {filters.clock(monitor.paused_until)}" if monitor.paused_until else by


def _late(monitor: Monitor, now: datetime) -> str:
    if monitor.due_at is None or monitor.due_at > now:
        return filters.count(monitor.misses, "ping") + " missed"
    return f"{durations.words((now - monitor.due_at).total_seconds())} late"


@dataclass(frozen=True)
class Wanted:
    """What the URL asks for."""

    words: str = ""
    status: Status | None = None
    tag: str = ""
    sort: str = "worst"
    page: int = 1

    @property
    def filter(self) -> monitors.Filter:
        return monitors.Filter(self.words, self.status, self.tag)

    @property
    def narrowed(self) -> bool:
        """Whether anything is left out."""
        return bool(self.words or self.status or self.tag)

    def query(self, **changes: str | int | None) -> dict[str, str]:
        """The URL's query with `changes`; what says nothing stays out of it. Any change leads to the first page."""
        said: dict[str, str | int | None] = {
            "q": self.words,
            "status": self.status.value if self.status else None,
            "tag": self.tag,
            "sort": None if self.sort == "worst" else self.sort,
            "page": None,
        }
        return {name: str(value) for name, value in (said | changes).items() if value not in (None, "", 1)}

    def url(self, **changes: str | int | None) -> str:
        """The list's address with `changes`."""
        return url_for("monitors.index", **self.query(**changes))  # type: ignore[arg-type]


def wanted(query: MultiDict[str, str]) -> Wanted:
    """What a URL asks for; what it says wrongly, or in two ways, is as if it had not been said."""
    status, sort, page = (address.one(query, name) for name in ("status", "sort", "page"))
    return Wanted(
        words=" ".join(address.one(query, "q").replace("\x00", "").split())[:200],
        status=Status(status) if status in _STATUSES else None,
        tag=address.one(query, "tag").replace("\x00", "")[:50],
        sort=sort if sort in monitors.SORTS else "worst",
        page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 7 and int(page) else 1,
    )


_STATUSES = {status.value for status in Status}

Chip = tuple[str, str, int | None, bool, str]


@dataclass(frozen=True)
class List:
    """One page of the list, with all that stands around it."""

    wanted: Wanted
    rows: Sequence[Row]
    total: int
    all: int
    statuses: Sequence[Chip]
    tags: Sequence[Chip]
    words: str
    previous: str | None
    next: str | None

    @property
    def sorts(self) -> Mapping[str, tuple[str, str | None]]:
        """By column: where its head leads, and which way it is sorted now."""
        return {name: (self.wanted.url(sort=name), way if self.wanted.sort == name else None) for name, way in _WAYS}


_WAYS = (("worst", "descending"), ("name", "ascending"), ("due", "ascending"), ("last_ping", "descending"))


def read(organization_id: UUID, asked: Wanted, now: datetime) -> List:
    """The page of the organization's list that `asked` wants. As many statements, whatever the number of monitors."""
    counts = monitors.count_by_status(organization_id, now, asked.filter)
    total = counts[asked.status] if asked.status else sum(counts.values())
    last = max(1, -(-total // PAGE))
    page = min(asked.page, last)
    start = (page - 1) * PAGE
    found = monitors.page(organization_id, asked.filter, now, sort=asked.sort, offset=start, limit=PAGE)
    tags = monitors.tags(organization_id)
    return List(
        wanted=asked,
        rows=rows(found, now),
        total=total,
        all=sum(counts.values()),
        statuses=_status_chips(asked, counts),
        tags=_tag_chips(asked, tags),
        words=_range(start, len(found), total),
        previous=asked.url(page=page - 1) if page > 1 else None,
        next=asked.url(page=page + 1) if page < last else None,
    )


def _status_chips(asked: Wanted, counts: Mapping[Status, int]) -> Sequence[Chip]:
    everything = ("All", asked.url(status=None), sum(counts.values()), asked.status is None, "")
    return [everything] + [
        (
            status.value.capitalize(),
            asked.url(status=status.value),
            counts[status],
            asked.status is status,
            status.value,
        )
        for status in (Status.DOWN, Status.LATE, Status.UP, Status.PAUSED, Status.NEW)
        if counts[status] or asked.status is status
    ]


def _tag_chips(asked: Wanted, tags: Sequence[tuple[str, int]]) -> Sequence[Chip]:
    """The most used tags; the chosen one is always among them, and a second press lets it go."""
    shown = list(tags[:MOST_TAGS_SHOWN])
    if asked.tag and asked.tag not in dict(shown):
        shown.insert(0, (asked.tag, dict(tags).get(asked.tag, 0)))
    return [
        (tag, asked.url(tag=None if tag == asked.tag else tag), number, tag == asked.tag, "") for tag, number in shown
    ]


def _range(start: int, shown: int, total: int) -> str:
    if not shown:
        return ""
    if shown == total:
        return filters.count(total, "monitor")
    return f"{filters.number(start + 1)}–{filters.number(start + shown)} of {filters.count(total, 'monitor')}"
