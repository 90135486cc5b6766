"""What people may choose about a maintenance window, checked: the same for the form and the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tokiflow.core import calendars, ids, maintenance, schedule
from tokiflow.core.maintenance import Listed, Once, Plan, Repeating, Span
from tokiflow.core.monitor_draft import line, tags_from
from tokiflow.core.schedule import Cron, zones
from tokiflow.errors import Invalid, NotFound

KINDS = ("once", "repeating", "calendar")
SHORTEST, LONGEST = 60, 7 * 86_400
LONGEST_ONCE = timedelta(days=366)
LONGEST_WITHOUT_A_GAP = timedelta(days=31)
MOST_MONITORS = 1_000


@dataclass(frozen=True)
class WindowDraft:
    """A window as people wish it.

    once: from `starts_at` to `ends_at`. repeating: `duration_seconds` from each time of the cron `expression`, those
    between `starts_at` and `ends_at`, if given. calendar: what `ical_url` names, from `starts_at` on, if given.
    It covers everything, or monitors with one of `tags` and those in `monitors`.
    """

    name: str
    kind: str
    timezone: str = "UTC"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    expression: str = ""
    duration_seconds: int | None = None
    ical_url: str = ""
    everything: bool = False
    tags: tuple[str, ...] = ()
    monitors: frozenset[UUID] = frozenset()

    def plan(self, listed: tuple[Span, ...] = ()) -> Plan:
        """When it is. `listed` are the stretches its calendar names."""
        if self.kind == "once":
            assert self.starts_at is not None
            assert self.ends_at is not None
            return Once(Span(self.starts_at, self.ends_at))
        if self.kind == "repeating":
            cron = Cron(self.expression, self.timezone)
            return Repeating(cron, self.duration_seconds or 0, self.starts_at, self.ends_at)
        return Listed(listed, self.starts_at)


FIELDS = frozenset(WindowDraft.__dataclass_fields__)
_SCOPE = {"everything", "tags", "monitors"}
_OF_KIND = {
    "once": {"starts_at", "ends_at"},
    "repeating": {"starts_at", "ends_at", "expression", "duration_seconds"},
    "calendar": {"starts_at", "ical_url"},
}


def create(values: Mapping[str, Any], now: datetime) -> WindowDraft:
    """A new draft from `values`. Raises Invalid naming every bad field at once."""
    return _checked(WindowDraft("", ""), values, now)


def change(draft: WindowDraft, values: Mapping[str, Any], now: datetime) -> WindowDraft:
    """`draft` with `values` changed; what they don't name stays. Raises Invalid naming every bad field."""
    return _checked(draft, values, now)


def _checked(before: WindowDraft, values: Mapping[str, Any], now: datetime) -> WindowDraft:
    mistakes: dict[str, list[str]] = {}
    chosen: dict[str, Any] = {}
    for name in FIELDS & set(values):
        try:
            chosen[name] = _READERS[name](values[name])
        except ValueError as error:
            mistakes[name] = [str(error)]
    after = _only_of_its_kind(replace(before, **chosen))
    if not mistakes.keys() & _SCOPE and not any(getattr(after, name) for name in _SCOPE):
        mistakes["monitors"] = ["is missing; name some monitors, or a tag, or choose everything"]
    for name, why in _missing(after) + _disagreeing(before, after, now):
        mistakes.setdefault(name, [why])
    if mistakes:
        raise Invalid(mistakes)
    return after


def _only_of_its_kind(draft: WindowDraft) -> WindowDraft:
    """Without what belongs to other kinds, and without a list of monitors where all of them are meant."""
    plain = WindowDraft("", "")
    names = set().union(*_OF_KIND.values()) - _OF_KIND.get(draft.kind, set())
    if draft.everything:
        names |= _SCOPE - {"everything"}
    return replace(draft, **{name: getattr(plain, name) for name in names})


def _missing(draft: WindowDraft) -> list[tuple[str, str]]:
    needed = [
        ("name", draft.name, "is missing; write what is done then"),
        ("kind", draft.kind, "is missing; choose once, repeating or calendar"),
        ("starts_at", draft.kind != "once" or draft.starts_at, "is missing; write when it begins"),
        ("ends_at", draft.kind != "once" or draft.ends_at, "is missing; write when it ends"),
        ("expression", draft.kind != "repeating" or draft.expression, "is missing; write like 0 2 * * 0"),
        ("duration_seconds", draft.kind != "repeating" or draft.duration_seconds, "is missing; write how long it is"),
        ("ical_url", draft.kind != "calendar" or draft.ical_url, "is missing; write the address of the calendar"),
    ]
    return [(name, why) for name, there, why in needed if not there]


def _disagreeing(before: WindowDraft, draft: WindowDraft, now: datetime) -> list[tuple[str, str]]:
    """What is wrong with values that are well each by itself."""
    if draft.starts_at and draft.ends_at:
        if draft.ends_at <= draft.starts_at:
            return [("ends_at", "is not after the start; write a later time")]
        if draft.kind == "once" and draft.ends_at - draft.starts_at > LONGEST_ONCE:
            return [("ends_at", "is more than 366 days after the start; pause the monitors instead")]
    if draft.ends_at and draft.ends_at <= now and draft.ends_at != before.ends_at:
        return [("ends_at", "has passed already; write a time in the future")]
    if draft.kind == "repeating" and draft.expression and draft.duration_seconds:
        return _wrong_rhythm(draft, now)
    return []


def _wrong_rhythm(draft: WindowDraft, now: datetime) -> list[tuple[str, str]]:
    try:
        schedule.parse("cron", expression=draft.expression, timezone=draft.timezone)
    except Invalid as refused:
        return [(name.removeprefix("schedule."), " ".join(why)) for name, why in refused.fields.items()]
    endless = replace(draft, starts_at=None, ends_at=None).plan()
    begins = maintenance.following(endless, now)[0].starts_at
    ends = maintenance.ends_at([endless], begins)
    if ends is None or ends - begins > LONGEST_WITHOUT_A_GAP:
        return [("duration_seconds", "is so long that it never ends: the next one begins before. Write less")]
    return []


def _name(value: Any) -> str:
    return line(value, 200, "what is done then")


def _kind(value: Any) -> str:
    if value not in KINDS:
        raise ValueError("is none of these; choose once, repeating or calendar")
    return str(value)


def _timezone(value: Any) -> str:
    if isinstance(value, str) and zones.exists(value.strip()):
        return value.strip()
    meant = zones.closest(value) if isinstance(value, str) else None
    raise ValueError(f"is no time zone; {f'did you mean {meant}' if meant else 'write one like Europe/Berlin or UTC'}")


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None or not 2000 < value.year < 9000:
        raise ValueError("is no moment; write one like 2026-11-22T02:00:00Z")
    return value.astimezone(UTC)


def _expression(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is not text; write like 0 2 * * 0")
    return " ".join(value.split())


def _duration(value: Any) -> int | None:
    if value is None:
        return None
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        raise ValueError(f"is not a whole number of seconds; write one from {SHORTEST} to {LONGEST:,}")
    if not SHORTEST <= value <= LONGEST:
        raise ValueError("is out of range; write from 1 minute to 7 days")
    return int(value)


def _ical_url(value: Any) -> str:
    return calendars.address(value) if value not in (None, "") else ""


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false; write one of them")
    return value


def _monitors(value: Any) -> frozenset[UUID]:
    if value is None:
        return frozenset()
    if not isinstance(value, list | tuple) or len(value) > MOST_MONITORS:
        raise ValueError(f'is no list of at most {MOST_MONITORS:,} monitors; write it like ["mon_…"]')
    try:
        return frozenset(ids.parse("mon", one if isinstance(one, str) else "") for one in value)
    except NotFound:
        raise ValueError("names a monitor that does not exist here; take ids from the list of monitors") from None


_READERS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "kind": _kind,
    "timezone": _timezone,
    "starts_at": _moment,
    "ends_at": _moment,
    "expression": _expression,
    "duration_seconds": _duration,
    "ical_url": _ical_url,
    "everything": _flag,
    "tags": tags_from,
    "monitors": _monitors,
}
