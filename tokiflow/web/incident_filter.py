"""What the address of the list of incidents asks for: read in words, told again, and as the filter that finds them.

Whatever cannot be understood is said, and then nothing is found: a slip must not answer as if nothing had been asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.monitor_draft import clean
from tokiflow.queries.incidents import MOST_WORDS, Filter
from tokiflow.web import address

STATUSES = ("unresolved", "open", "acknowledged", "resolved", "all")
KINDS = {
    "missed": "Missed", "failed": "Failed", "overrun": "Ran too long", "anomaly": "Unusual", "degraded": "Slower",
}  # fmt: skip
SEVERITIES = {"critical": "Critical", "warning": "Warning"}
WITHIN = {"24h": "In the last 24 hours", "7d": "In the last 7 days", "30d": "In the last 30 days"}
_LENGTHS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
ME, NOBODY = "me", "nobody"
LONGEST = 200


@dataclass(frozen=True)
class Choice:
    """What is asked for, as it stands in the address; empty where nothing is. `days_from` and `days_to` are days of the
    reader's, the last one included."""

    status: str = STATUSES[0]
    kind: str = ""
    severity: str = ""
    monitor: str = ""
    tag: str = ""
    assigned: str = ""
    person: str = ""
    within: str = ""
    days_from: str = ""
    days_to: str = ""
    q: str = ""

    @property
    def said(self) -> dict[str, Any]:
        """By its name in the address: what is asked for, the status always."""
        return {_name(one.name): value for one in fields(self) if (value := getattr(self, one.name))}

    @property
    def query(self) -> str:
        """The same as an address has it behind its question mark."""
        return urlencode(self.said)

    @property
    def narrowed(self) -> bool:
        """Whether anything but a status is asked for."""
        return bool(set(self.said) - {"status"})

    @property
    def tucked_away(self) -> int:
        """How many of those are set that a page need not show at once."""
        return sum(map(bool, (self.tag, self.assigned, self.person, self.monitor, self.days_from, self.days_to)))

    def but(self, **changes: str) -> Choice:
        """The same, with this different."""
        return replace(self, **changes)


def _name(attribute: str) -> str:
    return attribute.removeprefix("days_")


def as_asked(asked: Mapping[str, str]) -> dict[str, Any]:
    """The same that `asked` asks for, understood or not, as an address has it."""
    said = {_name(one.name): address.said(asked, _name(one.name)) for one in fields(Choice)}
    return {name: [value[: LONGEST + 1] for value in values[:2]] for name, values in said.items() if values}


def read(asked: Mapping[str, str]) -> tuple[Choice, list[str]]:
    """What `asked` asks for, and in sentences what of it nobody understands."""
    mistakes: list[str] = []

    def word_of(name: str) -> str:
        several = address.said(asked, name)
        if len(several) > 1:
            mistakes.append(f"The address says “{name}” several times: choose one of them.")
        word = " ".join(clean(several[0] if several else "").split())
        if len(word) > LONGEST:
            mistakes.append(f"“{word[:60]}…” is too long: write at most {LONGEST} characters.")
        return word[:LONGEST].rstrip()

    def one_of(name: str, known: Mapping[str, str] | tuple[str, ...], what: str) -> str:
        word = word_of(name)
        if word and word not in known:
            mistakes.append(f"“{word[:60]}” is no {what}: there is {', '.join(known)}.")
            return ""
        return word

    def day(name: str, what: str) -> str:
        word = word_of(name)
        try:
            return _day(word) if word else ""
        except ValueError:
            mistakes.append(f"“{word[:60]}” is no day to {what}: write it like 2026-11-24.")
            return ""

    def whose(name: str, *more: str) -> str:
        word = word_of(name)
        if word and word not in (ME, *more) and _person(word) is None:
            mistakes.append(f"“{word[:60]}” is nobody: choose somebody from the list.")
            return ""
        return word

    choice = Choice(
        status=one_of("status", STATUSES, "status") or STATUSES[0],
        kind=one_of("kind", KINDS, "kind of incident"),
        severity=one_of("severity", SEVERITIES, "severity"),
        monitor=word_of("monitor"),
        tag=word_of("tag"),
        assigned=whose("assigned", NOBODY),
        person=whose("person"),
        within=one_of("within", WITHIN, "stretch of time"),
        days_from=day("from", "begin with"),
        days_to=day("to", "end with"),
        q=word_of("q"),
    )
    if choice.days_from and choice.days_to and choice.days_from > choice.days_to:
        mistakes.append("The first day is after the last: nothing can be in between.")
    if len(choice.q.split()) > MOST_WORDS:
        mistakes.append(f"That is too much to look for at once: write at most {MOST_WORDS} words.")
    return choice, mistakes


def wish(choice: Choice, monitor_id: UUID | None, reader: UUID, now: datetime, zone: tzinfo) -> Filter:
    """The filter that `choice` stands for, for the person `reader` in `zone`."""
    starts = _midnight(choice.days_from, zone)
    if choice.within:
        begin = now - _LENGTHS[choice.within]
        starts = max(starts, begin) if starts else begin
    return Filter(
        status="" if choice.status == "all" else choice.status,
        kind=choice.kind,
        severity=choice.severity,
        monitor_id=monitor_id,
        tag=choice.tag,
        assigned_to=None if choice.assigned == NOBODY else _who(choice.assigned, reader),
        unassigned=choice.assigned == NOBODY,
        hand=_who(choice.person, reader),
        since=starts,
        until=_midnight(choice.days_to, zone, days=1),
        words=choice.q,
    )


def _day(text: str) -> str:
    day = date.fromisoformat(text)
    # Beyond these the zones have no midnight, and nobody an incident.
    if not 1970 <= day.year <= 2999:
        raise ValueError
    return day.isoformat()


def _midnight(day: str, zone: tzinfo, days: int = 0) -> datetime | None:
    if not day:
        return None
    return datetime.combine(date.fromisoformat(day) + timedelta(days=days), time(), zone).astimezone(UTC)


def _person(word: str) -> UUID | None:
    try:
        return ids.parse("usr", word)
    except errors.NotFound:
        return None


def _who(word: str, reader: UUID) -> UUID | None:
    return reader if word == ME else _person(word)
