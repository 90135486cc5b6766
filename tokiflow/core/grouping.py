"""When much goes wrong at once: what still goes alone, and when the rest leaves as one message. Nothing is dropped.

    news ──fewer than `after` came in the window before it, and the hour has room──▶ alone, at once
      │
      └──else──▶ gathered ──(10 s, later 1, 2, 5 min between messages)──▶ one summary that lists all of them

Whether news goes alone follows from when it and those before it came, not from who looks, or when: any number of
workers decide the same. A message that lists many counts as one in the hour. Trouble that is critical never waits
longer than CRITICAL_WAIT, whatever the hour allows (docs/decisions/014-one-message-for-a-storm.md).
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tokiflow import errors

AFTER = 5
"""So many messages in the window go alone, where nobody has said otherwise."""
WINDOW = timedelta(seconds=60)
MOST_AFTER, MOST_PER_HOUR = 100, 1_000
SHORTEST_WINDOW, LONGEST_WINDOW = timedelta(seconds=10), timedelta(hours=1)

GATHER = timedelta(seconds=10)
"""So long the first summary waits for others: one that leaves at once would list two of a thousand."""
PAUSES = (timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=5))
"""Between a summary and what follows it up, growing from one to the next."""
CRITICAL_WAIT = timedelta(minutes=5)
"""Longer than this nobody waits for critical trouble, also beyond the limit of the hour."""
OVER_AFTER = timedelta(minutes=15)
"""A storm of which nothing was told for so long is over: what is gathered then begins another."""
HOUR = timedelta(hours=1)

NEWS = ("opened", "reopened", "flapping", "escalated", "reminder", "resolved")
"""What is gathered. Tests, acknowledgements and the summaries themselves always go alone."""


@dataclass(frozen=True)
class Limits:
    """What a channel is spared. `after` messages within `window` go alone (None: however many); of `per_hour` messages
    an hour (None: no limit) each counts, whatever it lists."""

    after: int | None = None
    window: timedelta = WINDOW
    per_hour: int | None = None


@dataclass(frozen=True)
class News:
    """Something to be told to one channel, which came `at`."""

    key: Hashable
    at: datetime


@dataclass(frozen=True)
class Gathered:
    """What waits to leave as one message: since when, since when critical trouble is among it, how many messages about
    this storm have left before, and when the last of them did."""

    since: datetime
    critical_since: datetime | None = None
    sent: int = 0
    last_sent_at: datetime | None = None


@dataclass(frozen=True)
class Sorted:
    """The keys of what goes `alone` and of what is gathered, `together`, in the order in which it came; and for what
    reason it is: "storm" or "rate"."""

    alone: tuple[Hashable, ...] = ()
    together: tuple[Hashable, ...] = ()
    reason: str = "storm"


def usual(for_people: bool) -> Limits:
    """The limits of a new channel: people want one message for a storm, a machine wants each."""
    return Limits(AFTER if for_people else None)


def sort_out(
    came: Sequence[News],
    waiting: Collection[Hashable],
    joining: Collection[Hashable],
    messages: Sequence[datetime],
    limits: Limits,
    now: datetime,
) -> Sorted:
    """Which of `waiting` go alone, and which together.

    came: all that this channel had to be told lately, in the order in which it came, whether it is `waiting`, under way
    or told. joining: recoveries of what a summary told of; they are told where that was. messages: when the latest
    messages to the channel left, in any order.
    """
    alone: list[Hashable] = []
    together: list[Hashable] = []
    reason = "rate"
    room = _room(messages, limits, now)
    for place, one in enumerate(came):
        if one.key not in waiting:
            continue
        stormy = one.key in joining or _stormy(place, came, limits)
        if not stormy and (room is None or len(alone) < room):
            alone.append(one.key)
            continue
        together.append(one.key)
        if stormy:
            reason = "storm"
    return Sorted(tuple(alone), tuple(together), reason)


def leaves_at(gathered: Gathered, messages: Sequence[datetime], limits: Limits, now: datetime) -> datetime:
    """When what was gathered leaves as one message; at once if that is over."""
    soonest = gathered.since + GATHER
    due = soonest
    if gathered.sent and gathered.last_sent_at:
        due = max(due, gathered.last_sent_at + PAUSES[min(gathered.sent, len(PAUSES)) - 1])
    if _room(messages, limits, now) == 0:
        assert limits.per_hour is not None
        due = max(due, sorted(messages)[-limits.per_hour] + HOUR)
    if gathered.critical_since is not None:
        due = min(due, max(gathered.critical_since + CRITICAL_WAIT, soonest))
    return due


def another(last_sent_at: datetime, now: datetime) -> bool:
    """Whether what is gathered now has nothing to do with the storm that was last told of then."""
    return now - last_sent_at > OVER_AFTER


def checked(written: Mapping[str, Any], before: Limits) -> Limits:
    """The limits of a channel as somebody wrote them: `group_after`, `group_window_seconds`, `rate_per_hour`. What is
    not named stays as it was `before`. Raises Invalid naming every bad field."""
    mistakes: dict[str, list[str]] = {}

    def number(name: str, old: int | None, least: int, most: int, of: str = "") -> int | None:
        value = written.get(name, old)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            mistakes[name] = [f"is not a whole number{of} from {least} to {most:,}; write one"]
            return old
        return value

    def maybe(name: str, old: int | None, most: int) -> int | None:
        return None if written.get(name, old) is None else number(name, old, 1, most)

    shortest, longest = (round(one.total_seconds()) for one in (SHORTEST_WINDOW, LONGEST_WINDOW))
    after = maybe("group_after", before.after, MOST_AFTER)
    window = number("group_window_seconds", round(before.window.total_seconds()), shortest, longest, " of seconds")
    per_hour = maybe("rate_per_hour", before.per_hour, MOST_PER_HOUR)
    if mistakes or window is None:
        raise errors.Invalid(mistakes)
    return Limits(after, timedelta(seconds=window), per_hour)


def _stormy(place: int, came: Sequence[News], limits: Limits) -> bool:
    """Whether as many as go alone had come in the window before this one."""
    if limits.after is None or place < limits.after:
        return False
    return came[place].at - came[place - limits.after].at < limits.window


def _room(messages: Sequence[datetime], limits: Limits, now: datetime) -> int | None:
    """How many more messages the hour has room for; None: any number."""
    if limits.per_hour is None:
        return None
    return max(limits.per_hour - sum(now - one < HOUR for one in messages), 0)
