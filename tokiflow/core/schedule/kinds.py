"""The three kinds of schedule, as values that can be compared, hashed and stored."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

SHORTEST_EVERY = 30
LONGEST_EVERY = 365 * 86_400


@dataclass(frozen=True)
class Every:
    """One run within each `seconds` (30 … 365 days), counted from the previous one."""

    kind: ClassVar[str] = "every"
    seconds: int


@dataclass(frozen=True)
class Cron:
    """Five cron fields, or an alias such as `@daily`, read in `timezone` by the rules of Debian's cron."""

    kind: ClassVar[str] = "cron"
    expression: str
    timezone: str


@dataclass(frozen=True)
class Calendar:
    """One or more lines of systemd OnCalendar, read in `timezone`; a line may end in a zone of its own."""

    kind: ClassVar[str] = "calendar"
    expression: str
    timezone: str


Schedule = Every | Cron | Calendar


def to_dict(schedule: Schedule) -> dict[str, str | int]:
    """The API form: `{"kind": "every", "seconds": 60}` or `{"kind": "cron", "expression": …, "timezone": …}`."""
    return {"kind": schedule.kind, **asdict(schedule)}


def from_columns(kind: str, seconds: int | None, expression: str | None, timezone: str | None) -> Schedule:
    """The schedule behind four stored columns. They were checked by `parse` when written and are trusted here.

    Raises ValueError for a kind that does not exist or a column its kind needs and does not have.
    """
    if kind == Every.kind and seconds is not None:
        return Every(seconds)
    if kind == Cron.kind and expression is not None and timezone is not None:
        return Cron(expression, timezone)
    if kind == Calendar.kind and expression is not None and timezone is not None:
        return Calendar(expression, timezone)
    raise ValueError(f"no schedule of kind {kind!r} can be made of these columns")
